"""What a fine-tuning job leaves on the wire: the events of its history, and its checkpoints."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from outlast.dialects.nebius.fine_tuning import Seconds
from outlast.dialects.nebius.ids import show_id
from outlast.operations.errors import Invalid
from outlast.operations.model import SECOND, HistoryEvent
from outlast.operations.states import Event

EVENTS_MAX: Final = 500
CHECKPOINTS_MAX: Final = 100
_TOLD: Final[Mapping[str, str]] = {
    "training_metrics": "Step {step}: training loss={train_loss}",
    "validation_metrics": "Step {step}: validation loss={validation_loss}",
    "checkpoint_saved": "Checkpoint saved at step {step}",
    Event.CREATED: "The job was created",
    Event.CLAIMED: "An attempt has started",
    Event.SUCCEEDED: "The job has succeeded",
}


class JobEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a job's history."""

    id: str
    created_at: Seconds
    level: Literal["info", "warn", "error"]
    message: str
    type: Literal["message", "metrics"]
    data: Mapping[str, Any]
    object: Literal["fine_tuning.job.event"] = "fine_tuning.job.event"


class JobEventList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of events, newest first."""

    data: Sequence[JobEvent]
    has_more: bool
    object: Literal["list"] = "list"


class CheckpointMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """How well a checkpoint did. Validation reads all rows: both kinds of figures are the same."""

    step: float
    train_loss: float | None = None
    train_mean_token_accuracy: float | None = None
    valid_loss: float | None = None
    valid_mean_token_accuracy: float | None = None
    full_valid_loss: float | None = None
    full_valid_mean_token_accuracy: float | None = None


class JobCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint that can be used as a model. `result_files` are its files."""

    id: str
    created_at: Seconds
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    metrics: CheckpointMetrics
    step_number: int
    result_files: Sequence[str]
    object: Literal["fine_tuning.job.checkpoint"] = "fine_tuning.job.checkpoint"


class JobCheckpointList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of checkpoints, newest first."""

    data: Sequence[JobCheckpoint]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: Literal["list"] = "list"


def event_on_wire(operation_id: str, event: HistoryEvent) -> JobEvent:
    """One event of an operation's history as a job's."""
    is_metrics = event.type in {"training_metrics", "validation_metrics"}
    is_bad = event.type in {Event.FAILED, Event.DEADLINE_PASSED}
    is_worrying = event.type in {Event.RETRY_SCHEDULED, Event.LEASE_LOST}
    return JobEvent(
        id=f"ftevent-{show_id(operation_id)}-{event.number}",
        created_at=event.at // SECOND,
        level="error" if is_bad else "warn" if is_worrying else "info",
        message=_message(event),
        type="metrics" if is_metrics else "message",
        data=event.data if is_metrics else {},
    )


def event_number(event_id: str) -> int:
    """The number of the event that an id names. Raises Invalid."""
    number = event_id.rpartition("-")[2]
    if not (event_id.startswith("ftevent-") and number.isascii() and number.isdecimal()):
        raise _not_here("after", "is the id of an event")
    return int(number[:18])


def checkpoint_on_wire(
    operation_id: str,
    *,
    model: str,
    step: int,
    created_at: int,
    metrics: Mapping[str, float],
    result_files: Sequence[str],
) -> JobCheckpoint:
    """A kept checkpoint as the wire has it."""
    valid, accuracy = metrics.get("validation_loss"), metrics.get("validation_accuracy")
    return JobCheckpoint(
        id=checkpoint_id(operation_id, step),
        created_at=created_at // SECOND,
        fine_tuned_model_checkpoint=model,
        fine_tuning_job_id=show_id(operation_id),
        metrics=CheckpointMetrics(
            step=step,
            train_loss=metrics.get("train_loss"),
            train_mean_token_accuracy=metrics.get("train_accuracy"),
            valid_loss=valid,
            valid_mean_token_accuracy=accuracy,
            full_valid_loss=valid,
            full_valid_mean_token_accuracy=accuracy,
        ),
        step_number=step,
        result_files=[show_id(id) for id in result_files],
    )


def checkpoint_page(
    checkpoints: Sequence[JobCheckpoint], after: str | None, limit: int
) -> JobCheckpointList:
    """A page of an operation's checkpoints, which come newest first."""
    known = [one.id for one in checkpoints]
    if after is not None and after not in known:
        raise _not_here("after", "is the id of a checkpoint of this job")
    start = 0 if after is None else known.index(after) + 1
    data = checkpoints[start : start + limit]
    return JobCheckpointList(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=start + limit < len(checkpoints),
    )


def checkpoint_id(operation_id: str, step: int) -> str:
    """A checkpoint's id on the wire."""
    return f"ftckpt-{show_id(operation_id)}-{step}"


def _message(event: HistoryEvent) -> str:
    if event.type in _TOLD:
        return _TOLD[event.type].format_map(_Shown(event.data))
    failure = event.data.get("failure") or {}
    reason = failure.get("message") or event.data.get("code")
    name = event.type.replace("_", " ").capitalize()
    return f"{name}: {reason}" if reason else name


class _Shown(dict[str, Any]):
    """An event's data, as a sentence can hold it."""

    def __missing__(self, key: str) -> str:
        return "?"


def _not_here(field: str, message: str) -> Invalid:
    return Invalid(f"{field}: {message}", field_errors={field: message})
