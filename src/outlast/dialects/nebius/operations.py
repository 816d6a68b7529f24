"""Operations on the wire: requests, answers, lists, and what went wrong."""

from collections.abc import Sequence
from typing import Final, Literal, cast

import msgspec

from outlast.dialects.nebius.ids import show_id
from outlast.dialects.nebius.operation_types import (
    CONVERSIONS,
    OperationResponse,
    OperationWish,
    RunOperationRequest,
)
from outlast.dialects.nebius.words import KINDS, STATUSES, TYPES, OperationType
from outlast.operations.failure import Failure
from outlast.operations.model import SECOND, Operation

LIST_MAX: Final = 100


class OperationList(msgspec.Struct, frozen=True, kw_only=True):
    """Operations, newest first."""

    data: Sequence[OperationResponse]
    object: Literal["list"] = "list"


class OperationErrors(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, a line for each problem."""

    data: Sequence[str]
    object: Literal["list"] = "list"


def read_request(request: RunOperationRequest) -> OperationWish:
    """What a request asks for. Raises Invalid, naming fields of the request."""
    return CONVERSIONS[request_type(request)].wish(request)


def request_kind(request: RunOperationRequest) -> str:
    """The kind that runs what a request asks for."""
    return KINDS[request_type(request)]


def request_type(request: RunOperationRequest) -> OperationType:
    """The type of operation that a request asks for."""
    return OperationType(str(request.__struct_config__.tag))


def request_path(request: RunOperationRequest, path: str) -> str:
    """Where a request has what a path of its spec names."""
    return CONVERSIONS[request_type(request)].wire_path(path)


def operation_on_wire(operation: Operation) -> OperationResponse:
    """An operation as the wire has it; its kind must have a type."""
    fields = {
        "id": show_id(operation.id),
        "status": STATUSES[operation.state],
        "created_at": operation.created_at // SECOND,
        "in_progress_at": seconds(operation.started_at),
        "finished_at": seconds(operation.finished_at),
        "ai_project_id": operation.project,
    }
    conversion = CONVERSIONS[TYPES[operation.kind]]
    return cast("OperationResponse", conversion.response(operation, fields))


def seconds(at: int | None) -> int | None:
    """An instant in Unix seconds, if there is one."""
    return None if at is None else at // SECOND


def error_lines(failure: Failure | None) -> list[str]:
    """What went wrong, a line for each problem: the failure, its fields, its rows, its cause."""
    if failure is None:
        return []
    lines = [failure.message]
    lines.extend(f"{path}: {reason}" for path, reason in failure.field_errors.items())
    listed = failure.details.get("lines")
    if isinstance(listed, Sequence) and not isinstance(listed, str):
        lines.extend(str(line) for line in listed)
    return lines + error_lines(failure.cause)
