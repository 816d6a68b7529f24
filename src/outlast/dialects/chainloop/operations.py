"""Operations on the wire: proto3 JSON in which every field is there, also the empty ones."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from outlast.dialects.chainloop.ids import show_id
from outlast.dialects.chainloop.paging import Pagination
from outlast.dialects.chainloop.words import STATUSES, Status
from outlast.operations.instants import show_instant
from outlast.operations.model import Operation
from outlast.operations.states import State

CANCELLED = "The operation was cancelled"

Timestamp = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class AsyncOperationResult(msgspec.Struct, frozen=True, kw_only=True):
    """An operation. A text that there is none of is empty, an instant is null."""

    id: str
    kind: str
    status: Status
    output: str
    error_message: str
    resource_type: str
    resource_id: str
    project_id: str
    project_version_id: str
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None


class GetOperationResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One operation."""

    operation: AsyncOperationResult


class ListOperationsResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A page of operations, newest first."""

    operations: Sequence[AsyncOperationResult]
    pagination: Pagination


def operation_on_wire(operation: Operation) -> AsyncOperationResult:
    """An operation as the wire has it."""
    one = operation
    return AsyncOperationResult(
        id=show_id(one.id),
        kind=one.kind,
        status=STATUSES[one.state],
        output=_output(one),
        error_message=_error_message(one),
        resource_type=one.resource_type or "",
        resource_id=one.resource_id or "",
        project_id=one.project or "",
        project_version_id=one.project_version or "",
        created_at=show_instant(one.created_at),
        started_at=None if one.started_at is None else show_instant(one.started_at),
        finished_at=None if one.finished_at is None else show_instant(one.finished_at),
    )


def _output(operation: Operation) -> str:
    """The result as JSON text; nothing for what has none."""
    if operation.state is not State.SUCCEEDED or operation.result in {None, b"null"}:
        return ""
    return (operation.result or b"").decode()


def _error_message(operation: Operation) -> str:
    if operation.state is State.CANCELLED:
        return CANCELLED
    failure = operation.failure
    if operation.state is not State.FAILED or failure is None:
        return ""
    fields = [
        f"{path}: {reason}"
        for path, reason in failure.field_errors.items()
        if path not in failure.message
    ]
    return "; ".join([failure.message or failure.code, *fields])
