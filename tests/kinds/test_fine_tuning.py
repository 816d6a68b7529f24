"""Fine-tuning as far as it goes without the extra: specs, rows, and what is kept."""

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from animal_chats import chats
from tuning import FILE, catalog, resource, write_rows

from outlast.dialects.nebius.hyperparameters import Hyperparameters as HyperparametersOnWire
from outlast.dialects.nebius.hyperparameters import hyperparameters_on_wire, hyperparameters_spec
from outlast.inference import local
from outlast.kinds.fine_tuning import fine_tuning_kind, kinds
from outlast.kinds.tuning.kept import (
    KEPT_MAX,
    fetch_checkpoint,
    publications,
    publish_partly,
    read_state,
    store_checkpoint,
)
from outlast.kinds.tuning.plan import FineTuningPlan, Hyperparameters, RowFiles
from outlast.kinds.tuning.rows import (
    LINE_BYTES_MAX,
    RowCheck,
    RowProblem,
    check_rows,
    read_row,
    read_rows,
)
from outlast.operations import documents
from outlast.operations.errors import Fatal, InvalidSpec, NotFound
from outlast.resources.datasets.model import Column, Manifest, Part
from outlast.testing.running import FolderFiles, ListedCatalog

ROWS = RowFiles(files=("rows",))
KIND = fine_tuning_kind(is_installed=lambda: True)
CHAT = next(chats(1))


def dataset(*columns):
    part = Part(sha256="a" * 64, bytes=10, rows=1)
    manifest = Manifest(columns=columns, parts=(part,), rows=1)
    return [
        resource("dataset", "talks", {"created_by": "ann", "current_version": manifest.version}),
        resource(
            "dataset_version",
            "talks.0000000001",
            {"dataset": "talks", "manifest": manifest, "created_by": "ann"},
            name=f"talks.{manifest.version}",
        ),
    ]


def prepared(tmp_path, *more, kind=KIND, **spec):
    wish = {"model": "tiny", "train": {"file": FILE}} | spec
    decoded = msgspec.json.decode(documents.encode(wish), type=kind.spec)
    return asyncio.run(kind.prepare(decoded, ListedCatalog(catalog(tmp_path, *more))))


def test_a_file_is_staged_part_by_part(tmp_path):
    ready = prepared(tmp_path, validation={"file": FILE})
    assert set(ready.inputs) == {"train-0", "train-1", "validation-0", "validation-1"}
    assert ready.plan.train == RowFiles(files=("train-0", "train-1"))
    assert ready.plan.folder == str(tmp_path)
    assert (ready.plan.base, ready.plan.method, ready.plan.seed) == ("tiny", "lora", 42)


def test_a_dataset_is_exported_with_its_column(tmp_path):
    more = dataset(Column("chat", "json"), Column("id", "int64"))
    ready = prepared(tmp_path, *more, train={"dataset": "talks", "messages": "chat"})
    assert ready.plan.train == RowFiles(files=("train.jsonl",), column="chat")
    assert ready.exports == {"train.jsonl": ["tenant/default/parts/" + "a" * 64 + ".parquet"]}


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"model": "gpt"}, "model", "endpoint"),
        ({"train": {}}, "train", "either a file or a dataset"),
        ({"train": {"file": FILE, "dataset": "talks"}}, "train", "either"),
        (
            {"train": {"dataset": "talks"}},
            "train.messages",
            "no column 'messages'; it has chat, id",
        ),
        ({"train": {"dataset": "talks", "messages": "id"}}, "train.messages", "of type int64"),
        ({"validation": {"dataset": "talks"}}, "validation.messages", "no column"),
        ({"train": {"file": FILE, "version": "a"}}, "train.version", "no versions"),
        ({"suffix": "a b"}, "suffix", "1 to 64"),
        ({"suffix": "a" * 65}, "suffix", "1 to 64"),
    ],
)
def test_what_does_not_fit_what_exists_is_refused_by_field(tmp_path, spec, field, words):
    more = dataset(Column("chat", "json"), Column("id", "int64"))
    with pytest.raises(InvalidSpec, match=re.escape(words)) as refused:
        prepared(tmp_path, *more, **spec)
    assert list(refused.value.field_errors) == [field]


@pytest.mark.parametrize(
    "spec",
    [
        {"model": "nothing"},
        {"train": {"file": "01J00000000000000ZZZ"}},
        {"train": {"dataset": "nothing"}},
    ],
)
def test_what_does_not_exist_is_not_found(tmp_path, spec):
    with pytest.raises(NotFound):
        prepared(tmp_path, **spec)


def test_an_unknown_model_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(NotFound, match="known are gpt, tiny"):
        prepared(tmp_path, model="nothing")


@pytest.mark.parametrize(
    "hyperparameters",
    [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0}, {"lora_dropout": 1}, {"wrong": 1}],
)
def test_hyperparameters_have_bounds(hyperparameters):
    with pytest.raises(msgspec.ValidationError, match=next(iter(hyperparameters))):
        msgspec.convert({"hyperparameters": hyperparameters}, KIND.spec | type(None))


def test_without_the_extra_the_spec_is_still_checked_and_then_refused(tmp_path):
    kind = fine_tuning_kind(is_installed=lambda: False)
    with pytest.raises(InvalidSpec, match=re.escape("pip install 'outlast[finetuning]'")):
        prepared(tmp_path, kind=kind)
    with pytest.raises(InvalidSpec, match="endpoint"):
        prepared(tmp_path, kind=kind, model="gpt")


@pytest.mark.skipif(local.can_train(), reason="the extra `finetuning` is installed here")
def test_this_installation_says_that_it_lacks_the_extra(tmp_path):
    with pytest.raises(InvalidSpec, match="finetuning"):
        prepared(tmp_path, kind=kinds[0])


class TestTunedModels:
    def tuned(self, *files):
        document = {"base": "tiny", "files": {name: f"key/{name}" for name in files}}
        return resource("model", "01J.1", document, name="ft:tiny:x")

    def test_an_adapter_is_staged_over_its_base(self, tmp_path):
        more = self.tuned("adapter_config.json", "adapter_model.safetensors")
        ready = prepared(tmp_path, more, model="ft:tiny:x")
        assert ready.inputs["tuned-adapter_config.json"] == "key/adapter_config.json"
        assert ready.plan.tuned == ("adapter_config.json", "adapter_model.safetensors")
        assert ready.plan.base == "tiny"

    def test_a_whole_model_gets_no_adapter(self, tmp_path):
        more = self.tuned("config.json", "model.safetensors")
        with pytest.raises(InvalidSpec, match="in full"):
            prepared(tmp_path, more, model="ft:tiny:x")
        assert prepared(tmp_path, more, model="ft:tiny:x", method="full").plan.tuned


def test_rows_may_be_cut_anywhere_between_files(tmp_path):
    text = b"".join(json.dumps(chat).encode() + b"\r\n\n" for chat in chats(5))
    for number, (start, end) in enumerate([(0, 7), (7, 7), (7, 300), (300, None)]):
        (tmp_path / str(number)).write_bytes(text[start:end])
    check = RowCheck("training")
    rows = list(read_rows(RowFiles(files=tuple("0123")), Looking(tmp_path), check))
    assert len(rows) == check.rows == 5
    check.close()


def test_each_kind_of_row_is_read():
    assert read_row(b'{"text": "a"}', None).text == "a"
    assert read_row(b'{"prompt": "a", "completion": "b"}', None).completion == "b"
    assert read_row(json.dumps(CHAT).encode(), None).messages[-1].role == "assistant"


def test_a_column_holds_messages_as_text_or_as_they_are():
    messages = [{"role": "user", "content": "a", "name": None}, CHAT["messages"][-1]]
    for value in (messages, json.dumps(messages)):
        row = read_row(json.dumps({"chat": value, "id": 1}).encode(), "chat")
        assert [message.role for message in row.messages] == ["user", "assistant"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "truncated"),
        ("[]", "not a JSON object"),
        ("{}", "has neither"),
        ('{"messages": []}', "length >= 1"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "of the user"),
        ('{"messages": [{"role": "king", "content": "a"}]}', "messages[0].role"),
        ('{"messages": [{"role": "assistant"}]}', "neither content nor tool calls"),
        ('{"messages": [{"role": "assistant", "content": "a", "weight": 0}]}', "weight"),
        ('{"prompt": "a"}', "completion"),
        ('{"text": ""}', "length >= 1"),
        ('{"text": 1}', "Expected `str`"),
        ('{"text": "' + "a" * LINE_BYTES_MAX + '"}', "longer than"),
        ('{"text": ' + "[" * 5000 + "]" * 5000 + "}", "recursion"),
    ],
)
def test_what_is_wrong_with_a_row_is_said(line, words):
    with pytest.raises(RowProblem, match=re.escape(words)):
        read_row(line.encode(), None)


@pytest.mark.parametrize("value", [None, 1, "[", "[]", "[1]", '[{"role": "user", "content": "a"}]'])
def test_what_is_wrong_with_a_column_is_said(value):
    with pytest.raises(RowProblem):
        read_row(json.dumps({"chat": value}).encode(), "chat")


def test_the_first_bad_rows_are_named_and_all_are_counted(tmp_path):
    write_rows(tmp_path / "rows", [CHAT, *({"wrong": 1} for _ in range(30)), CHAT])
    with pytest.raises(Fatal) as failed:
        check_rows(ROWS, "training", Looking(tmp_path))
    assert failed.value.code == "invalid_rows"
    assert failed.value.message == "30 of 32 training rows are invalid"
    lines = failed.value.details["lines"]
    assert (len(lines), lines[0][:24]) == (20, "training row 2: has neit")


def test_no_row_at_all_is_a_failure(tmp_path):
    write_rows(tmp_path / "rows", [])
    with pytest.raises(Fatal, match="there are no validation rows"):
        check_rows(ROWS, "validation", Looking(tmp_path))


def test_a_cancel_is_seen_while_rows_are_read(tmp_path):
    write_rows(tmp_path / "rows", [CHAT] * 1000)
    check_rows(ROWS, "training", Looking(tmp_path))
    with pytest.raises(asyncio.CancelledError):
        check_rows(ROWS, "training", Looking(tmp_path, cancelled=True))


@dataclass
class Looking:
    """What reading rows asks of a context."""

    workdir: Path
    cancelled: bool = False


class Keeping:
    """Checkpoints of an operation, saved and fetched as a training does it."""

    plan = FineTuningPlan(
        base="tiny",
        folder="/tiny",
        method="lora",
        hyperparameters=Hyperparameters(),
        train=RowFiles(files=()),
        seed=1,
        suffix="x",
    )

    def __init__(self, folder):
        self.workdir = folder / "work"
        self.files = FolderFiles(folder / "files")
        self.state = None

    def save(self, step):
        folder = self.workdir / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        for name in ("adapter_model.safetensors", "tokenizer.json", "optimizer.pt"):
            (folder / name).write_text(f"{name} at {step}")
        config = {"base_model_name_or_path": "/secret/folder", "r": step}
        (folder / "adapter_config.json").write_text(json.dumps(config))
        for name in ("training_args.bin", "README.md", "trainer_state.json"):
            (folder / name).write_text(name)
        self.state = store_checkpoint(
            *(folder, step, self.state, self.plan, self),
            trained_tokens=step * 10,
            rows_digest="abc",
            metrics={"train_loss": 1 / step},
        )
        return self.state

    def content(self, stored):
        return self.files.path(stored).read_text()


def test_the_last_checkpoints_are_kept_and_nothing_pickled_is_published(tmp_path):
    keeping = Keeping(tmp_path)
    for step in range(1, 8):
        state = read_state(documents.decode(documents.encode(keeping.save(step))))
        for one in state.kept:
            assert set(one.files) == {
                *("adapter_model.safetensors", "adapter_config.json", "tokenizer.json")
            }
            config = json.loads(keeping.content(one.files["adapter_config.json"]))
            assert config == {"base_model_name_or_path": "tiny", "r": one.step}
            weights = keeping.content(one.files["adapter_model.safetensors"])
            assert weights == f"adapter_model.safetensors at {one.step}"
    assert [one.step for one in state.kept] == [5, 6, 7]
    assert len(state.kept) == KEPT_MAX
    assert len(keeping.files.list()) == 3 * (KEPT_MAX + 1) + 2 * 2


def test_a_crash_while_saving_spoils_nothing_that_the_last_checkpoint_names(tmp_path):
    keeping = Keeping(tmp_path)
    for step in range(1, 6):
        durable = keeping.save(step)
    keeping.save(6)  # its files are there, its checkpoint was never made durable
    folder = fetch_checkpoint(durable, keeping)
    assert (folder / "optimizer.pt").read_text() == "optimizer.pt at 5"
    assert (folder / "adapter_model.safetensors").read_text().endswith("at 5")
    for one in durable.kept:
        assert keeping.content(one.files["tokenizer.json"]).endswith(f"at {one.step}")


def test_a_checkpoint_whose_files_are_gone_is_not_used(tmp_path):
    keeping = Keeping(tmp_path)
    state = keeping.save(3)
    keeping.files.path(state.state["optimizer.pt"]).unlink()
    assert fetch_checkpoint(state, keeping) is None


def test_the_last_checkpoint_of_a_success_is_its_model(tmp_path):
    keeping = Keeping(tmp_path)
    for step in (4, 8):
        state = keeping.save(step)
    first, last = publications(state, is_final=True)
    assert (first.step, first.is_final, first.is_partial) == (4, False, False)
    assert (last.step, last.is_final, last.metrics) == (8, True, {"train_loss": 0.125})
    assert (last.base, last.suffix, last.method) == ("tiny", "x", "lora")


def test_what_failed_or_was_cancelled_leaves_its_checkpoints(tmp_path):
    state = documents.decode(documents.encode(Keeping(tmp_path).save(4)))
    [only] = KIND.partial(state)
    assert (only.step, only.is_final, only.is_partial) == (4, False, True)
    assert publish_partly(None) == []


def test_the_dialect_tells_the_defaults_that_hold():
    ours = Hyperparameters()
    for method in ("lora", "full"):
        told = hyperparameters_on_wire({"method": method})
        assert told.learning_rate == ours.learning_rate_for(method)
    assert (told.batch_size, told.n_epochs) == (ours.batch_size, ours.epochs)
    assert (told.warmup_ratio, told.weight_decay) == (ours.warmup_ratio, ours.weight_decay)
    assert (told.max_grad_norm, told.lora_r) == (ours.gradient_norm_max, ours.lora_rank)
    assert (told.lora_alpha, told.lora_dropout) == (ours.lora_alpha, ours.lora_dropout)


def test_what_the_dialect_asks_for_fits_the_kind():
    asked = HyperparametersOnWire(n_epochs=2, lora=True, learning_rate="auto", context_length=64)
    spec = hyperparameters_spec(asked, "hyperparameters")
    wish = {"model": "tiny", "train": {"file": FILE}, **spec}
    read = msgspec.convert(wish, KIND.spec)
    assert (read.method, read.hyperparameters) == (
        "lora",
        Hyperparameters(epochs=2, context_tokens=64),
    )
