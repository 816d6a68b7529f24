"""Real training of a tiny model, without a server: what is learnt, kept and resumed."""

import msgspec
import pytest
import tiny_model
from animal_chats import chats
from transformers import AutoTokenizer
from tuning import Training, losses

from outlast.executors.port import Failed
from outlast.kinds.tuning.rows import read_row
from outlast.kinds.tuning.tokens import RowTokenizer

# The libraries warn each other of what they will drop.
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
QUICK = {"epochs": 2, "batch_size": 8, "learning_rate": 5e-3}
UNMARKED = tiny_model.TEMPLATE.replace("{% generation %}", "").replace("{% endgeneration %}", "")


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_training_that_was_cancelled_at_half_goes_on_as_if_nothing_had_been(
    model, tmp_path, method
):
    wish = {
        "method": method,
        "hyperparameters": QUICK | {"lora_dropout": 0.1, "schedule": "cosine"},
        "validation": list(chats(8)),
        "seed": 3,
    }
    whole = Training(tmp_path / "whole", model, **wish)
    told = whole.attempt()
    expected = losses(told)
    halved = Training(tmp_path / "halved", model, **wish)
    first = halved.attempt(1, stop_at=5)
    assert halved.outcome is None
    second = halved.attempt(2)
    assert sorted(losses(first)) == [1, 2, 3, 4, 5]
    assert sorted(losses(second)) == [6, 7, 8, 9, 10]
    assert losses(first) | losses(second) == expected
    kept = ("steps", "trained_tokens", "train_loss", "validation_loss", "loss_on")
    assert [halved.result[name] for name in kept] == [whole.result[name] for name in kept]
    assert whole.result["train_loss"] == expected[10] < expected[1]
    assert whole.result["trained_tokens"] > 80 * 10


def test_a_training_that_crashed_goes_on_from_its_last_checkpoint(model, tmp_path):
    wish = {"hyperparameters": QUICK | {"batch_size": 4, "lora_dropout": 0.2}}
    wish["checkpoint_steps"] = 4
    expected = losses(Training(tmp_path / "whole", model, **wish).attempt())
    crashed = Training(tmp_path / "crashed", model, **wish)
    first = crashed.attempt(1, crash_at=7)
    assert isinstance(crashed.outcome, Failed)
    second = crashed.attempt(2)
    assert sorted(losses(second)) == list(range(5, 21))
    assert losses(first) | losses(second) == expected
    assert losses(second) | losses(first) == expected
    assert [one["step"] for one in crashed.result["checkpoints"]] == [12, 16, 20]


def test_one_that_died_after_its_last_checkpoint_has_nothing_left_to_learn(model, tmp_path):
    training = Training(tmp_path, model, hyperparameters=QUICK | {"steps_max": 7})
    training.attempt(1)
    expected = training.result
    told = training.attempt(2)
    assert training.result == expected
    assert told.events == told.checkpoints == []


def test_rows_that_have_changed_meanwhile_are_learnt_from_the_beginning(model, tmp_path):
    training = Training(tmp_path, model, hyperparameters=QUICK)
    training.attempt(1, stop_at=5)
    training.rows = list(chats(24))
    told = training.attempt(2)
    assert sorted(losses(told)) == [1, 2, 3, 4, 5, 6]
    assert any("begins anew" in line for line in told.log)


def test_one_thread_is_as_good_as_several_and_repeats_itself(model, tmp_path):
    wish = {"hyperparameters": QUICK, "is_deterministic": True}
    first = Training(tmp_path / "first", model, **wish)
    again = Training(tmp_path / "again", model, **wish)
    assert losses(first.attempt()) == losses(again.attempt())
    other = Training(tmp_path / "other", model, **(wish | {"seed": 43}))
    assert losses(other.attempt()) != losses(again.attempt(2))


def test_progress_events_and_checkpoints_are_told(model, tmp_path):
    training = Training(tmp_path, model, hyperparameters=QUICK, validation=list(chats(8)))
    told = training.attempt()
    assert [report.stage for report in told.reports][:2] == ["validating", "training"]
    assert (told.progress.done, told.progress.total, told.progress.unit) == (10, 10, "steps")
    types = [type for type, _ in told.events]
    assert types.count("training_metrics") == 10
    assert types.count("validation_metrics") == types.count("checkpoint_saved") == 2
    point = dict(told.events)["training_metrics"]
    assert set(point) == {
        *("step", "epoch", "train_loss", "learning_rate", "gradient_norm", "train_accuracy")
    }
    writes = [msgspec.json.decode(write) for write in training.outcome.writes]
    assert [(one["type"], one["step"], one["is_final"]) for one in writes] == [
        ("model", 5, False),
        ("model", 10, True),
    ]
    assert set(writes[-1]["files"]) >= {"adapter_model.safetensors", "adapter_config.json"}
    assert not any(name.endswith((".bin", ".md")) for name in told.files)


@pytest.mark.parametrize(
    ("row", "learnt"),
    [
        (next(chats(1)), "The red cat is redy.<|end|>"),
        ({"prompt": "What? ", "completion": "A cat."}, "A cat.<|end|>"),
        ({"text": "A cat."}, "A cat.<|end|>"),
    ],
)
def test_what_the_assistant_says_is_learnt_and_not_what_it_is_asked(model, row, learnt):
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokens, labels = RowTokenizer(tokenizer, 256).read(read_row(msgspec.json.encode(row), None))
    assert len(tokens) == len(labels)
    assert tokenizer.decode([label for label in labels if label != -100]) == learnt
    assert all(label in {token, -100} for token, label in zip(tokens, labels, strict=True))


def test_a_result_says_that_the_assistants_part_was_learnt(model, tmp_path):
    training = Training(tmp_path / "a", model, hyperparameters=QUICK | {"steps_max": 1})
    training.attempt()
    assert training.result["loss_on"] == "assistant"


def test_without_marks_in_the_template_everything_is_learnt_and_it_is_said(tmp_path):
    tiny_model.make_model(tmp_path / "model", template=UNMARKED)
    training = Training(
        tmp_path / "t", tmp_path / "model", hyperparameters=QUICK | {"steps_max": 1}
    )
    told = training.attempt()
    assert training.result["loss_on"] == "all"
    assert any("all tokens are learnt" in line for line in told.log)


def test_without_a_template_conversations_cannot_be_learnt_but_texts_can(tmp_path):
    tiny_model.make_model(tmp_path / "model", template=None)
    wish = {"hyperparameters": QUICK | {"steps_max": 2}}
    chatting = Training(tmp_path / "a", tmp_path / "model", **wish)
    chatting.attempt()
    assert chatting.outcome.failure.code == "no_chat_template"
    rows = [{"text": "the red cat"}, {"prompt": "the red", "completion": " cat"}] * 8
    reading = Training(tmp_path / "b", tmp_path / "model", rows=rows, **wish)
    reading.attempt()
    assert (reading.result["rows"], reading.result["steps"]) == (16, 2)


def test_bad_rows_end_it_before_any_step(model, tmp_path):
    rows = [*chats(3), {"messages": []}, *chats(2), {"other": 1}]
    training = Training(tmp_path, model, rows=rows)
    told = training.attempt()
    failure = training.outcome.failure
    assert (failure.code, failure.fault, failure.retryable) == ("invalid_rows", "user", False)
    assert failure.message == "2 of 7 training rows are invalid"
    assert [line[:15] for line in failure.details["lines"]] == [
        "training row 4:",
        "training row 7:",
    ]
    assert told.checkpoints == told.events == []


def test_bad_rows_for_validation_end_it_too(model, tmp_path):
    training = Training(tmp_path, model, validation=[{"messages": 1}])
    training.attempt()
    assert "validation row 1" in training.outcome.failure.details["lines"][0]


def test_rows_are_cut_to_the_context_and_it_is_said(model, tmp_path):
    wish = {"hyperparameters": QUICK | {"steps_max": 1, "context_tokens": 20}}
    training = Training(tmp_path / "some", model, **wish)
    training.attempt()
    assert "cut before its answer" in training.outcome.failure.message
    texts = [{"text": "red cat " * 50}, {"text": "red"}] * 8
    training = Training(tmp_path / "texts", model, rows=texts, **wish)
    told = training.attempt()
    assert "8 of 16 training rows were cut to 20 tokens" in told.log


def test_a_loss_that_is_no_number_is_a_failure_of_the_callers(tmp_path):
    tiny_model.make_model(tmp_path / "model", scale=float("inf"))
    training = Training(tmp_path / "t", tmp_path / "model", hyperparameters=QUICK)
    told = training.attempt()
    assert training.outcome.failure.code == "loss_diverged"
    assert told.checkpoints == []


def test_modules_that_the_model_does_not_have_are_refused(model, tmp_path):
    training = Training(tmp_path, model, hyperparameters=QUICK | {"lora_targets": ["nothing"]})
    training.attempt()
    assert training.outcome.failure.code == "invalid_lora_targets"


def test_a_model_that_only_embeds_cannot_be_tuned(tmp_path):
    tiny_model.make_embedding_model(tmp_path / "bert")
    training = Training(tmp_path / "t", tmp_path / "bert")
    training.attempt()
    assert training.outcome.failure.code == "model_unusable"


def test_a_folder_without_a_readable_model_ends_it_without_telling_where_it_is(tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for number, content in enumerate((None, "{}", '{"model_type": "unheard of"}')):
        if content is not None:
            (broken / "config.json").write_text(content)
        training = Training(tmp_path / str(number), broken)
        training.attempt()
        failure = training.outcome.failure
        assert (failure.code, failure.retryable) == ("model_unusable", False)
        assert str(tmp_path) not in failure.message
