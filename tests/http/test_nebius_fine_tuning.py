"""Fine-tuning jobs as OpenAI's client sees them: all but the training itself, which is not here."""

import json

import openai
import pytest
from serving import Serving

from outlast.kinds.fine_tuning import fine_tuning_kind
from outlast.operations import transitions
from outlast.operations.failure import Failure
from outlast.operations.ids import from_hex
from outlast.operations.progress import Report
from outlast.resources.models import ModelDocument, ModelFile
from outlast.resources.models.model import model_id, name_model, write_model
from outlast.settings import Backend

ROW = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
PATH = "/v1/fine_tuning/jobs"


@pytest.fixture
def has_extra():
    return True


@pytest.fixture
async def serving(tmp_path, has_extra):
    backends = {
        "tiny": Backend(folder=tmp_path),
        "far": Backend(url="http://127.0.0.1:9/v1", models=("gpt",)),
    }
    kind = fine_tuning_kind(is_installed=lambda: has_extra)
    serving = Serving(tmp_path, kinds=[kind], backends=backends)
    await serving.open()
    yield serving
    await serving.close()


@pytest.fixture
async def official(serving):
    async with serving.listening() as port:
        client = openai.AsyncOpenAI(
            base_url=f"http://127.0.0.1:{port}/nebius/v1",
            api_key=serving.texts["default", "submitter"],
            max_retries=0,
        )
        async with client:
            yield client


@pytest.fixture
async def file(official):
    content = json.dumps(ROW).encode()
    return (await official.files.create(file=("a.jsonl", content), purpose="fine-tune")).id


@pytest.fixture
async def make(official, file):
    async def make(**fields):
        wish = {"model": "tiny", "training_file": file} | fields
        return await official.fine_tuning.jobs.create(**wish)

    return make


@pytest.fixture
async def started(serving, make):
    """A job that is running, and its operation."""
    job = await make()
    [operation] = await serving.claim()
    return job, operation


async def test_a_job_waits_with_the_hyperparameters_that_hold(make, file, official):
    job = await make(
        suffix="birds",
        metadata={"team": "zoo"},
        validation_file=file,
        method={
            "type": "supervised",
            "supervised": {"hyperparameters": {"n_epochs": 5, "batch_size": "auto"}},
        },
    )
    assert (job.object, job.status, job.model) == ("fine_tuning.job", "queued", "tiny")
    assert (job.training_file, job.validation_file, len(job.id)) == (file, file, 32)
    assert (job.hyperparameters.n_epochs, job.hyperparameters.batch_size) == (5, 8)
    assert job.method.supervised.hyperparameters.n_epochs == 5
    assert (job.seed, job.metadata, job.organization_id) == (42, {"team": "zoo"}, "")
    assert (job.fine_tuned_model, job.error, job.finished_at) == (None, None, None)
    assert (job.result_files, job.trained_tokens, job.estimated_finish) == ([], None, None)
    assert job.model_extra["suffix"] == "birds"
    assert await official.fine_tuning.jobs.retrieve(job.id) == job


async def test_the_services_own_hyperparameters_are_known(serving, make):
    asked = {
        "batch_size": 16,
        "learning_rate": 2e-5,
        "n_epochs": 2,
        "warmup_ratio": 0.1,
        "weight_decay": 0.01,
        "packing": True,
        "max_grad_norm": 0.5,
        "context_length": 512,
        "lora": True,
        "lora_r": 32,
        "lora_alpha": 64,
        "lora_dropout": 0.05,
    }
    job = await make(extra_body={"hyperparameters": asked, "seed": 7, "tags": "mine"})
    shown = job.hyperparameters.model_dump(exclude_none=True)
    assert shown == asked | {"packing": False}
    [operation] = await serving.claim()
    spec = json.loads(operation.spec)
    assert (spec["method"], spec["seed"]) == ("lora", 7)
    assert spec["hyperparameters"] == {
        "batch_size": 16,
        "epochs": 2,
        "learning_rate": 2e-5,
        "warmup_ratio": 0.1,
        "weight_decay": 0.01,
        "gradient_norm_max": 0.5,
        "context_tokens": 512,
        "lora_rank": 32,
        "lora_alpha": 64,
        "lora_dropout": 0.05,
    }


async def test_a_multiplier_multiplies_what_would_hold(make):
    job = await make(hyperparameters={"learning_rate_multiplier": 3})
    assert job.hyperparameters.model_extra["learning_rate"] == pytest.approx(3e-5)
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        await make(hyperparameters={"learning_rate_multiplier": 2e-5})
    assert "`learning_rate`" in str(refused.value.body)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"hyperparameters": {"n_epochs": 0}}, ["body", "hyperparameters", "n_epochs"]),
        ({"suffix": "a b"}, ["body", "suffix"]),
        ({"suffix": "a" * 65}, ["body", "suffix"]),
        ({"model": "gpt"}, ["body", "model"]),
        ({"integrations": [{"type": "wandb", "wandb": {}}]}, ["body", "integrations"]),
        ({"extra_body": {"from_checkpoint": {"repo": "x"}}}, ["body", "from_checkpoint"]),
        ({"method": {"type": "dpo"}}, ["body", "method", "type"]),
    ],
)
async def test_what_cannot_be_done_is_refused_by_field(make, fields, place):
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        await make(**fields)
    assert refused.value.body["detail"][0]["loc"] == place


async def test_what_is_not_there_is_not_found(make, official):
    with pytest.raises(openai.NotFoundError) as refused:
        await make(model="nothing")
    assert "known are gpt, tiny" in refused.value.body["detail"]
    with pytest.raises(openai.NotFoundError) as refused:
        await make(training_file="0" * 32)
    assert "no file" in refused.value.body["detail"]
    with pytest.raises(openai.NotFoundError):
        await official.fine_tuning.jobs.retrieve("0" * 32)


class TestWithoutTheExtra:
    @pytest.fixture
    def has_extra(self):
        return False

    async def test_a_job_is_refused_with_what_to_install(self, make, official):
        with pytest.raises(openai.BadRequestError) as refused:
            await make()
        assert "pip install 'outlast[finetuning]'" in refused.value.body["detail"]
        assert [job async for job in official.fine_tuning.jobs.list()] == []


async def test_jobs_are_listed_newest_first(make, official):
    made = [(await make()).id for _ in range(5)]
    assert [job.id async for job in official.fine_tuning.jobs.list(limit=2)] == made[::-1]
    page = await official.fine_tuning.jobs.list(after=made[2], limit=1)
    assert ([job.id for job in page.data], page.has_more) == ([made[1]], True)


async def test_jobs_of_a_project_are_listed_apart(make, official):
    await make()
    mine = await make(extra_body={"ai_project_id": "p1"})
    listed = official.fine_tuning.jobs.list(extra_query={"ai_project_id": "p1"})
    assert [job.id async for job in listed] == [mine.id]


async def test_a_job_that_waits_is_cancelled_at_once_and_again_is_the_same(make, official):
    job = await make()
    assert (await official.fine_tuning.jobs.cancel(job.id)).status == "cancelled"
    cancelled = await official.fine_tuning.jobs.cancel(job.id)
    assert cancelled.status == "cancelled"
    assert cancelled.finished_at >= cancelled.created_at


async def test_a_running_job_says_how_far_it_is(serving, started, official):
    job, operation = started
    retrieve = official.fine_tuning.jobs.retrieve
    assert (await retrieve(job.id)).status == "validating_files"
    report = Report(stage="validating")
    await serving.decide(operation, transitions.report, report)
    assert (await retrieve(job.id)).status == "validating_files"
    report = Report(done=3, total=10, unit="steps", stage="training")
    await serving.decide(operation, transitions.report, report)
    seen = await retrieve(job.id)
    assert seen.status == "running"
    assert (seen.model_extra["trained_steps"], seen.model_extra["total_steps"]) == (3, 10)


async def test_a_failed_job_says_why_and_what_to_mend(serving, started, official):
    job, operation = started
    failure = Failure(
        code="invalid_rows",
        message="1 of 2 training rows are invalid",
        fault="user",
        details={"lines": ["training row 2: is not a JSON object"]},
    )
    await serving.decide(operation, transitions.fail, failure, 0)
    seen = await official.fine_tuning.jobs.retrieve(job.id)
    assert (seen.status, seen.error.code, seen.error.param) == (
        "failed",
        "invalid_rows",
        "training_file",
    )
    assert seen.error.message.endswith("training row 2: is not a JSON object")
    with pytest.raises(openai.ConflictError):
        await official.fine_tuning.jobs.cancel(job.id)


async def test_events_are_paged_from_the_newest(serving, started, official):
    job, operation = started
    for step in range(1, 6):
        data = {"step": step, "train_loss": 1 / step}
        await serving.decide(operation, transitions.note, "training_metrics", data)
    listed = [event async for event in official.fine_tuning.jobs.list_events(job.id, limit=2)]
    assert len({event.id for event in listed}) == 7
    assert listed[0].message == "Step 5: training loss=0.2"
    assert (listed[0].type, listed[0].level) == ("metrics", "info")
    assert listed[0].data == {"step": 5, "train_loss": 0.2}
    assert listed[-1].message == "The job was created"
    with pytest.raises(openai.UnprocessableEntityError):
        await official.fine_tuning.jobs.list_events(job.id, after="nonsense")


async def test_checkpoints_are_models_with_files(serving, started, official):
    job, operation = started
    id = from_hex(job.id)
    for step in (10, 20, 30):
        name = name_model("tiny", None, id, None if step == 30 else step)
        document = ModelDocument(
            base="tiny",
            method="lora",
            files={"adapter_model.safetensors": "k"},
            sizes={"adapter_model.safetensors": ModelFile(bytes=1, file_id=id)},
            step=step,
            operation_id=id,
            created_by="submitter-1",
            metrics={"train_loss": 1 / step, "validation_loss": 2 / step},
        )
        write = write_model(model_id(id, step), name, document)
        await serving.store.catalog.write("default", [write])
    result = {"model": name, "trained_tokens": 99}
    await serving.decide(operation, transitions.succeed, json.dumps(result).encode())
    seen = await official.fine_tuning.jobs.retrieve(job.id)
    assert (seen.status, seen.fine_tuned_model, seen.trained_tokens) == ("succeeded", name, 99)
    assert seen.result_files == [job.id]
    listed = official.fine_tuning.jobs.checkpoints.list(job.id, limit=2)
    checkpoints = [one async for one in listed]
    assert [one.step_number for one in checkpoints] == [30, 20, 10]
    assert checkpoints[0].fine_tuned_model_checkpoint == name
    assert checkpoints[1].metrics.full_valid_loss == pytest.approx(0.1)
    assert checkpoints[2].fine_tuning_job_id == job.id
    raw = await official.get(f"/operations/{job.id}/results", cast_to=object)
    assert [one["step_number"] for one in raw["data"]] == [30, 20, 10]
    assert (await official.models.delete(name)).deleted
    with pytest.raises(openai.NotFoundError):
        await official.models.delete(name)
    with pytest.raises(openai.NotFoundError):
        await official.models.delete("tiny")


async def test_other_kinds_are_no_jobs(serving, official):
    other = await serving.submit(serving.client("submitter"))
    with pytest.raises(openai.NotFoundError):
        await official.fine_tuning.jobs.retrieve(other["id"])
    assert [job async for job in official.fine_tuning.jobs.list()] == []


async def test_a_viewer_looks_and_does_not_create(serving, make, file):
    job = await make()
    viewer = serving.client("viewer")
    assert (await viewer.get(f"/nebius{PATH}/{job.id}")).status_code == 200
    body = {"model": "tiny", "training_file": file}
    assert (await viewer.post(f"/nebius{PATH}", json=body)).status_code == 403
    away = serving.client("admin", "away")
    assert (await away.get(f"/nebius{PATH}/{job.id}")).status_code == 404
