"""Operations on the wire: one of three forms, by status."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from outlast.dialects.gooddata.errors import CANCELLED, sentence, title_of
from outlast.dialects.gooddata.ids import show_id
from outlast.dialects.gooddata.words import STATUSES, WORDS, OperationKind, Status
from outlast.dialects.port import FieldFault
from outlast.operations.failure import Failure
from outlast.operations.model import Operation


class OperationError(msgspec.Struct, frozen=True, kw_only=True):
    """Why an operation failed."""

    title: str
    status: int
    detail: str


class PendingOperation(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="status", tag=str(Status.PENDING)
):
    """An operation that has not ended."""

    id: str
    kind: OperationKind


class SucceededOperation(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="status", tag=str(Status.SUCCEEDED)
):
    """An operation that has succeeded. Clients take no null: without a result there is no key."""

    id: str
    kind: OperationKind
    result: dict[str, Any] | UnsetType = UNSET


class FailedOperation(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="status", tag=str(Status.FAILED)
):
    """An operation that has failed, or was cancelled."""

    id: str
    kind: OperationKind
    error: OperationError


AnyOperation: TypeAlias = PendingOperation | SucceededOperation | FailedOperation


def operation_on_wire(operation: Operation) -> AnyOperation:
    """An operation as the wire has it; its kind must have a word."""
    id, kind = operation_id(operation), WORDS[operation.kind]
    match STATUSES[operation.state]:
        case Status.PENDING:
            return PendingOperation(id=id, kind=kind)
        case Status.SUCCEEDED:
            return SucceededOperation(id=id, kind=kind, result=_result(operation))
        case Status.FAILED:
            return FailedOperation(id=id, kind=kind, error=_error(operation.failure))


def operation_id(operation: Operation) -> str:
    """The id that the caller chose, else our own."""
    return operation.alias or show_id(operation.id)


def _result(operation: Operation) -> dict[str, Any] | UnsetType:
    result = msgspec.json.decode(operation.result) if operation.result else None
    if result is None:
        return UNSET
    return result if isinstance(result, dict) else {"value": result}


def _error(failure: Failure | None) -> OperationError:
    if failure is None:
        return OperationError(
            title=title_of(CANCELLED), status=CANCELLED, detail="The operation was cancelled"
        )
    default = HTTPStatus.BAD_REQUEST if failure.fault == "user" else _PLATFORM
    status = int(_STATUS_BY_CODE.get(failure.code, default))
    faults = [
        FieldFault(place="body", path=path, reason=reason)
        for path, reason in failure.field_errors.items()
    ]
    return OperationError(
        title=title_of(status), status=status, detail=sentence(failure.message, faults)
    )


_PLATFORM: Final = HTTPStatus.INTERNAL_SERVER_ERROR
_STATUS_BY_CODE: Final[Mapping[str, HTTPStatus]] = MappingProxyType(
    {
        "conflict": HTTPStatus.CONFLICT,
        "deadline_exceeded": HTTPStatus.GATEWAY_TIMEOUT,
        "not_found": HTTPStatus.NOT_FOUND,
        "resource_exists": HTTPStatus.CONFLICT,
        "resource_in_use": HTTPStatus.CONFLICT,
        "revision_mismatch": HTTPStatus.CONFLICT,
        "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    }
)
"""Failures that say more than whose fault it is."""
