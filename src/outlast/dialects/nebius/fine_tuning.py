"""Fine-tuning jobs on the wire: OpenAI's objects, with the fields that the service adds."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from outlast.dialects.nebius.hyperparameters import (
    Hyperparameters,
    HyperparametersInForce,
    hyperparameters_on_wire,
    hyperparameters_spec,
    wire_hyperparameter,
)
from outlast.dialects.nebius.ids import read_id, show_id
from outlast.operations.errors import Invalid
from outlast.operations.failure import Failure
from outlast.operations.model import SECOND, Operation
from outlast.operations.states import State

KIND: Final = "fine_tuning"
JOBS_MAX: Final = 100
VALIDATING: Final = "validating"
"""What the kind calls the stage in which it checks the rows."""

Seconds = Annotated[int, Meta(description="Unix seconds")]
JobStatus = Literal["validating_files", "queued", "running", "succeeded", "failed", "cancelled"]
_STATUSES: Final[Mapping[State, JobStatus]] = {
    State.PENDING: "queued",
    State.RUNNING: "running",
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}


class Supervised(msgspec.Struct, frozen=True, kw_only=True):
    """The hyperparameters of supervised fine-tuning."""

    hyperparameters: Hyperparameters | None = None


class MethodRequest(msgspec.Struct, frozen=True, kw_only=True):
    """How the model learns: from examples, the only way here."""

    type: Literal["supervised"]
    supervised: Supervised | None = None


class JobRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A fine-tuning that is asked for. `metadata` becomes the operation's labels."""

    model: Annotated[str, Meta(min_length=1)]
    training_file: Annotated[str, Meta(min_length=1)]
    validation_file: str | None = None
    hyperparameters: Hyperparameters | None = None
    method: MethodRequest | None = None
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    suffix: Annotated[str, Meta(max_length=64)] | None = None
    metadata: dict[str, str] | None = None
    integrations: list[dict[str, Any]] | None = None
    from_checkpoint: dict[str, Any] | None = None
    ai_project_id: str | None = None


class JobError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job failed."""

    code: str
    message: str
    param: str | None = None


class SupervisedInForce(msgspec.Struct, frozen=True, kw_only=True):
    """The hyperparameters that a job has."""

    hyperparameters: HyperparametersInForce


class MethodInForce(msgspec.Struct, frozen=True, kw_only=True):
    """How a job's model learns."""

    supervised: SupervisedInForce
    type: Literal["supervised"] = "supervised"


class FineTuningJob(msgspec.Struct, frozen=True, kw_only=True):
    """A fine-tuning job. `result_files` are the files of the new model."""

    id: str
    created_at: Seconds
    hyperparameters: HyperparametersInForce
    method: MethodInForce
    model: str
    status: JobStatus
    training_file: str
    validation_file: str | None
    fine_tuned_model: str | None
    error: JobError | None
    finished_at: Seconds | None
    estimated_finish: Seconds | None
    trained_tokens: int | None
    trained_steps: int | None
    total_steps: int | None
    result_files: Sequence[str]
    seed: int
    suffix: str | None
    metadata: Mapping[str, str]
    ai_project_id: str | None
    object: Literal["fine_tuning.job"] = "fine_tuning.job"
    organization_id: str = ""
    integrations: Sequence[dict[str, Any]] = ()


class JobList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of jobs, newest first."""

    data: Sequence[FineTuningJob]
    has_more: bool
    object: Literal["list"] = "list"


class ModelDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """A tuned model that is gone."""

    id: str
    deleted: Literal[True] = True
    object: Literal["model"] = "model"


def job_spec(request: JobRequest) -> dict[str, Any]:
    """The spec that a request asks for. Raises Invalid, naming fields of the request."""
    if request.integrations:
        raise _not_here("integrations", "no integration is supported")
    if request.from_checkpoint:
        raise _not_here("from_checkpoint", "name the checkpoint's model as `model` instead")
    place, asked = "hyperparameters", request.hyperparameters
    if request.method is not None and request.method.supervised is not None:
        place, asked = (
            "method.supervised.hyperparameters",
            request.method.supervised.hyperparameters,
        )
    spec = {
        "model": request.model,
        "train": {"file": read_id(request.training_file)},
        **hyperparameters_spec(asked, place),
    }
    if request.validation_file:
        spec["validation"] = {"file": read_id(request.validation_file)}
    if request.seed is not None:
        spec["seed"] = request.seed
    if request.suffix:
        spec["suffix"] = request.suffix
    return spec


def job_path(path: str) -> str:
    """Where a request has what a path of its spec names."""
    if path.startswith("hyperparameters."):
        return wire_hyperparameter(path.removeprefix("hyperparameters."))
    known = {"train": "training_file", "validation": "validation_file"}
    known["method"] = "hyperparameters.lora"
    return known.get(path.partition(".")[0], path)


def job_on_wire(operation: Operation, result_files: Sequence[str] = ()) -> FineTuningJob:
    """An operation of our kind as a job."""
    spec: dict[str, Any] = msgspec.json.decode(operation.spec)
    result: dict[str, Any] = msgspec.json.decode(operation.result) if operation.result else {}
    asked = hyperparameters_on_wire(spec)
    progress = operation.progress
    counted = progress if progress is not None and progress.unit == "steps" else None
    return FineTuningJob(
        id=show_id(operation.id),
        created_at=operation.created_at // SECOND,
        hyperparameters=asked,
        method=MethodInForce(supervised=SupervisedInForce(hyperparameters=asked)),
        model=spec["model"],
        status=job_status(operation),
        training_file=_source(spec["train"]) or "",
        validation_file=_source(spec.get("validation")),
        fine_tuned_model=result.get("model"),
        error=_error(operation.failure),
        finished_at=_seconds(operation.finished_at),
        estimated_finish=_estimate(operation),
        trained_tokens=result.get("trained_tokens"),
        trained_steps=None if counted is None else _count(counted.done),
        total_steps=None if counted is None else _count(counted.total),
        result_files=[show_id(id) for id in result_files],
        seed=spec.get("seed", 42),
        suffix=spec.get("suffix"),
        metadata=operation.labels,
        ai_project_id=operation.project,
    )


def job_status(operation: Operation) -> JobStatus:
    """The word for where a job stands."""
    progress = operation.progress
    is_early = progress is None or progress.stage in {"", VALIDATING}
    if operation.state is State.RUNNING and is_early:
        return "validating_files"
    return _STATUSES[operation.state]


def _error(failure: Failure | None) -> JobError | None:
    if failure is None:
        return None
    lines = failure.details.get("lines")
    shown = [failure.message, *map(str, lines if isinstance(lines, list | tuple) else ())]
    fields = [job_path(path) for path in failure.field_errors]
    is_rows = failure.code == "invalid_rows"
    param = "training_file" if is_rows else next(iter(fields), None)
    return JobError(code=failure.code, message="\n".join(shown), param=param)


def _estimate(operation: Operation) -> int | None:
    progress = operation.progress
    if operation.state is not State.RUNNING or progress is None or progress.eta_seconds is None:
        return None
    return int(progress.at / SECOND + progress.eta_seconds)


def _source(source: Mapping[str, Any] | None) -> str | None:
    """The file that rows come from, or the dataset."""
    return show_id(source.get("file") or source["dataset"]) if source else None


def _count(number: float | None) -> int | None:
    return None if number is None else int(number)


def _seconds(at: int | None) -> int | None:
    return None if at is None else at // SECOND


def _not_here(field: str, message: str) -> Invalid:
    return Invalid(f"{field}: {message}", field_errors={field: message})
