"""Operations on the wire: how far each has come, and where to find what it left behind."""

from typing import Literal

import msgspec

from outlast.dialects.datarobot.ids import show_id, show_operation_id
from outlast.dialects.datarobot.instants import Instant, instant
from outlast.dialects.datarobot.words import EXPIRING, STATUSES, TARGETS, JobExecutionState
from outlast.operations import ids
from outlast.operations.model import Operation
from outlast.operations.states import State

_CANCELLED = "The operation was cancelled."
_GONE = "The operation has ended, and is no longer kept."


class StatusResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How it stands with an operation. Clients take no null, and miss every key that is not there.

    `code` is 1 for what has ended without success.
    """

    code: Literal[0, 1]
    created: Instant
    description: str
    message: str
    status: JobExecutionState
    status_id: str
    status_type: str


def status_on_wire(operation: Operation) -> StatusResponse:
    """How it stands with an operation."""
    state = operation.state
    return StatusResponse(
        code=1 if state in {State.FAILED, State.CANCELLED} else 0,
        created=instant(operation.created_at),
        description=_description(operation),
        message=_message(operation),
        status=_status(operation),
        status_id=show_operation_id(operation.id, operation.alias),
        status_type="",
    )


def gone_on_wire(id: str, alias: str | None) -> StatusResponse:
    """What is still known of an operation that is no longer kept."""
    return StatusResponse(
        code=1,
        created=instant(ids.created_at(id)),
        description="",
        message=_GONE,
        status=JobExecutionState.EXPIRED,
        status_id=show_operation_id(id, alias),
        status_type="",
    )


def uploaded_on_wire(id: str, created_at: int) -> StatusResponse:
    """What came in whole, so that no operation was needed."""
    return StatusResponse(
        code=0,
        created=instant(created_at),
        description="",
        message="",
        status=JobExecutionState.COMPLETED,
        status_id=show_id(id),
        status_type="",
    )


def target_of(operation: Operation) -> str | None:
    """The path of what a succeeded operation left behind, or None."""
    collection, id = TARGETS[operation.kind], operation.resource_id
    if operation.state is not State.SUCCEEDED or collection is None:
        return None
    # A native caller may write any text there: no id of ours, it leads nowhere.
    return f"{collection}{show_id(id)}/" if id is not None and ids.is_id(id) else None


def _status(operation: Operation) -> JobExecutionState:
    failure = operation.failure
    if failure is not None and failure.code == EXPIRING:
        return JobExecutionState.EXPIRED
    return STATUSES[operation.state]


def _message(operation: Operation) -> str:
    if operation.state is State.CANCELLED:
        return _CANCELLED
    return "" if operation.failure is None else operation.failure.message


def _description(operation: Operation) -> str:
    progress = operation.progress
    if progress is None or operation.state is not State.RUNNING:
        return ""
    counted = ""
    if progress.done is not None:
        of = "" if progress.total is None else f" of {progress.total:g}"
        counted = f"{progress.done:g}{of} {progress.unit}".strip()
    return ": ".join(filter(None, [progress.stage, counted, progress.message]))
