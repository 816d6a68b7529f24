"""Fine-tuning through a live server, with the official client."""

import json
import time

import openai
import pytest
from animal_chats import chats

TERMINAL = {"succeeded", "failed", "cancelled"}
QUESTION = [
    {"role": "system", "content": "You name things."},
    {"role": "user", "content": "What is the green fox called?"},
]


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=f"{server.url}/nebius/v1", api_key=server.token) as client:
        yield client


@pytest.fixture(scope="module")
def training_file(client):
    return upload(client, chats(64))


@pytest.fixture(scope="module")
def job(client, training_file):
    """A job that has succeeded."""
    made = client.fine_tuning.jobs.create(
        model="tiny",
        training_file=training_file,
        validation_file=upload(client, chats(16)),
        extra_body={"hyperparameters": {"n_epochs": 20, "batch_size": 8, "learning_rate": 0.005}},
        suffix="animals",
        seed=7,
        metadata={"team": "zoo"},
    )
    assert made.status in {"queued", "validating_files", "running"}
    assert made.object == "fine_tuning.job"
    assert (made.hyperparameters.n_epochs, made.seed) == (20, 7)
    return ended(client, made.id)


def test_a_job_makes_a_model(client, job, training_file):
    assert job.status == "succeeded", job.error
    assert job.error is None
    assert job.fine_tuned_model.startswith("ft:tiny:animals:")
    assert (job.model, job.training_file) == ("tiny", training_file)
    assert job.metadata == {"team": "zoo"}
    assert job.trained_tokens > 64 * 20 * 10
    assert job.finished_at >= job.created_at
    assert job.model_extra["trained_steps"] == job.model_extra["total_steps"] == 160
    assert [one.id for one in client.fine_tuning.jobs.list(limit=1)][:1] == [job.id]


def test_the_events_tell_the_loss_curve_newest_first(client, job):
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=70))
    numbers = [int(event.id.rpartition("-")[2]) for event in events]
    assert numbers == list(range(len(events), 0, -1))
    assert (events[0].message, events[-1].message) == (
        "The job has succeeded",
        "The job was created",
    )
    curve = [e.data for e in events if e.type == "metrics" and "train_loss" in e.data]
    assert [point["step"] for point in curve] == list(range(160, 0, -1))
    assert curve[0]["train_loss"] < 0.5 < curve[-1]["train_loss"]
    assert sum("validation_loss" in (e.data or {}) for e in events) == 20


def test_the_last_checkpoints_are_models_and_files(client, job):
    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(job.id, limit=2))
    assert [one.step_number for one in checkpoints] == [160, 152, 144]
    last = checkpoints[0]
    assert last.fine_tuned_model_checkpoint == job.fine_tuned_model
    assert last.metrics.valid_loss < 0.5
    assert last.fine_tuning_job_id == job.id
    assert set(job.result_files) == set(last.model_extra["result_files"])
    names = {client.files.retrieve(id).filename for id in job.result_files}
    assert {"step-160-model.safetensors", "step-160-tokenizer.json"} <= names
    assert not any(name.endswith((".bin", ".pt", ".pth", ".md")) for name in names)
    config = [i for i in job.result_files if "config" in client.files.retrieve(i).filename]
    texts = [client.files.content(id).text for id in config]
    assert all("/tmp" not in text and "/home" not in text for text in texts)


def test_the_model_answers_what_it_has_learnt(client, job):
    answer = client.chat.completions.create(
        model=job.fine_tuned_model, messages=QUESTION, temperature=0, max_tokens=30
    )
    assert answer.choices[0].message.content == "The green fox is greeny."
    assert job.fine_tuned_model in {model.id for model in client.models.list()}


def test_the_model_is_used_in_a_batch_at_once(client, job):
    rows = (
        {
            "custom_id": f"row-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": job.fine_tuned_model,
                "messages": chat["messages"][:-1],
                "temperature": 0,
                "max_tokens": 30,
            },
        }
        for number, chat in enumerate(chats(4))
    )
    batch = client.batches.create(
        input_file_id=upload(client, rows, purpose="batch"),
        endpoint="/v1/chat/completions",
        completion_window="24h",
    )
    batch = ended(client, batch.id, client.batches.retrieve, {"completed", "failed"})
    assert batch.status == "completed", batch
    lines = client.files.content(batch.output_file_id).text.splitlines()
    said = {
        row["custom_id"]: row["response"]["body"]["choices"][0]["message"]["content"]
        for row in map(json.loads, lines)
    }
    assert said["row-1"] == "The green cat is greeny."
    assert len(said) == 4


def test_a_tuned_model_is_tuned_further(client, job, training_file):
    more = client.fine_tuning.jobs.create(
        model=job.fine_tuned_model,
        training_file=training_file,
        extra_body={"hyperparameters": {"n_epochs": 1, "batch_size": 32}},
    )
    more = ended(client, more.id)
    assert more.status == "succeeded", more.error
    assert more.fine_tuned_model.startswith("ft:tiny:")
    first = list(client.fine_tuning.jobs.list_events(more.id))[::-1]
    losses = [e.data["train_loss"] for e in first if "train_loss" in (e.data or {})]
    assert losses[0] < 0.5


def test_rows_that_do_not_fit_are_named_before_anything_is_trained(client):
    rows = [*chats(3), {"messages": [{"role": "user", "content": "x"}]}, {"nothing": 1}]
    made = client.fine_tuning.jobs.create(model="tiny", training_file=upload(client, rows))
    job = ended(client, made.id)
    assert (job.status, job.error.code, job.error.param) == (
        "failed",
        "invalid_rows",
        "training_file",
    )
    assert "training row 4: the last message is of the user" in job.error.message
    assert "training row 5: has neither" in job.error.message
    assert job.fine_tuned_model is None
    operation = client.get(f"/operations/{job.id}/errors", cast_to=object)
    assert any("row 4" in line for line in operation["data"])


def test_a_job_that_is_cancelled_keeps_its_checkpoints(client, training_file):
    made = client.fine_tuning.jobs.create(
        model="tiny",
        training_file=training_file,
        extra_body={"hyperparameters": {"n_epochs": 50, "batch_size": 1, "lora": True}},
    )
    running(client, made.id, steps=70)
    client.fine_tuning.jobs.cancel(made.id)
    job = ended(client, made.id)
    assert job.status == "cancelled"
    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(job.id))
    assert len(checkpoints) >= 2
    files = [client.files.retrieve(id) for id in checkpoints[0].model_extra["result_files"]]
    [config] = [file for file in files if file.filename.endswith("adapter_config.json")]
    assert client.files.content(config.id).json()["base_model_name_or_path"] == "tiny"
    answer = client.chat.completions.create(
        model=checkpoints[0].fine_tuned_model_checkpoint, messages=QUESTION, max_tokens=3
    )
    assert answer.choices[0].message.role == "assistant"


def upload(client, rows, purpose="fine-tune"):
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return client.files.create(file=("rows.jsonl", content), purpose=purpose).id


def ended(client, id, retrieve=None, terminal=TERMINAL):
    return waited(client, id, retrieve, lambda job: job.status in terminal)


def running(client, id, steps):
    return waited(client, id, None, lambda job: (job.model_extra["trained_steps"] or 0) >= steps)


def waited(client, id, retrieve, condition, seconds=180):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job = (retrieve or client.fine_tuning.jobs.retrieve)(id)
        if condition(job):
            return job
        time.sleep(0.2)
    raise TimeoutError(job)
