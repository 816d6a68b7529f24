"""Operations on the wire. A key whose value is not known, or not yet, is absent.

Only the duration of a resource is null until it is known.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Final, cast

import msgspec
from msgspec import UNSET, UnsetType

from outlast.dialects.lakesail.errors import Error, ErrorDetails
from outlast.dialects.lakesail.ids import ResourceId, show_id, show_name
from outlast.dialects.lakesail.instance_types import KIND as DISCOVERY
from outlast.dialects.lakesail.instance_types import discovery_on_wire
from outlast.dialects.lakesail.names import deployment_path
from outlast.dialects.lakesail.words import (
    STATUSES,
    ErrorType,
    Status,
    failure_error_type,
    operation_word,
)
from outlast.operations.failure import Failure
from outlast.operations.instants import show_instant
from outlast.operations.model import Operation
from outlast.operations.progress import Progress, ResourceStatus, Summary
from outlast.operations.states import State

DEPLOY: Final = "deploy"
"""The kind that makes and changes stacks."""

CANCELLED: Final = "cancelled"
"""The code of the error of what was cancelled."""

Instant = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
Object = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object"})]


class OperationResource(msgspec.Struct, frozen=True, kw_only=True):
    """One of the things that an operation works on. `duration` is in seconds."""

    urn: str
    type: str
    name: str
    operation: str
    status: ResourceStatus
    duration: float | None


class OperationProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an operation has come. The counters of `summary` are those of `resources`."""

    stage: str
    message: str
    resources: Sequence[OperationResource]
    summary: Summary


class LakeSailOperation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A long-running operation."""

    id: ResourceId
    organization_id: ResourceId
    member_id: ResourceId
    operation: str
    status: Status
    result: Object | UnsetType = UNSET
    error: Error | UnsetType = UNSET
    progress: OperationProgress | UnsetType = UNSET
    resource_type: str | UnsetType = UNSET
    resource_id: ResourceId | UnsetType = UNSET
    created_at: Instant
    updated_at: Instant
    started_at: Instant | UnsetType = UNSET
    completed_at: Instant | UnsetType = UNSET


class Included(msgspec.Struct, frozen=True, kw_only=True):
    """The operations that the items of a list name, as far as they are kept."""

    operations: Sequence[LakeSailOperation]


class OperationList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Operations, newest first. A `marker` is there if there are more."""

    items: Sequence[LakeSailOperation]
    marker: str | UnsetType = UNSET


def operation_on_wire(operation: Operation) -> LakeSailOperation:
    """An operation as the wire has it."""
    one = operation
    return LakeSailOperation(
        id=one.id,
        organization_id=show_name(one.tenant),
        member_id=show_name(one.created_by),
        operation=operation_word(one.kind, one.resource_type, is_first=_is_first(one)),
        status=STATUSES[one.state],
        result=_result(one),
        error=_error(one),
        progress=UNSET if one.progress is None else _progress(one.progress),
        resource_type=UNSET if one.resource_type is None else one.resource_type,
        resource_id=UNSET if one.resource_id is None else show_id(one.resource_id),
        created_at=show_instant(one.created_at),
        updated_at=show_instant(one.updated_at),
        started_at=_instant(one.started_at),
        completed_at=_instant(one.finished_at),
    )


class _Deployment(msgspec.Struct):
    """What matters here of the spec of a deployment."""

    module: str | None = None


def _instant(at: int | None) -> str | UnsetType:
    return UNSET if at is None else show_instant(at)


def _is_first(operation: Operation) -> bool:
    """Whether it makes what it works on: then its spec says what of."""
    if operation.kind != DEPLOY or not operation.spec:
        return False
    return msgspec.json.decode(operation.spec, type=_Deployment).module is not None


def _result(operation: Operation) -> msgspec.Raw | UnsetType:
    if operation.state is not State.SUCCEEDED or operation.result in {None, b"", b"null"}:
        return UNSET
    result = operation.result or b""
    if operation.kind == DISCOVERY:
        result = discovery_on_wire(result)
    return msgspec.Raw(result if result.startswith(b"{") else b'{"value":' + result + b"}")


def _error(operation: Operation) -> Error | UnsetType:
    request_id: str | UnsetType = operation.request_id or UNSET
    if operation.state is State.CANCELLED:
        return Error(
            code=CANCELLED,
            message="The operation was cancelled",
            error_type=ErrorType.CANCELLED,
            details=ErrorDetails(retryable=True, request_id=request_id),
        )
    failure = operation.failure
    if operation.state is not State.FAILED or failure is None:
        return UNSET
    after = failure.retry_after_seconds
    return Error(
        code=failure.code,
        message=failure.message,
        error_type=failure_error_type(failure),
        details=ErrorDetails(
            retryable=failure.retryable,
            retry_after=UNSET if after is None else math.ceil(after),
            field_errors=_fields(operation, failure) or UNSET,
            request_id=request_id,
            caused_by=UNSET if failure.cause is None else _cause(failure.cause),
        ),
    )


def _fields(operation: Operation, failure: Failure) -> dict[str, str]:
    """What is wrong with which field, as requests name it."""
    if operation.kind != DEPLOY:
        return dict(failure.field_errors)
    word = operation.resource_type or "stack"
    return {deployment_path(path, word): why for path, why in failure.field_errors.items()}


def _cause(failure: Failure) -> str:
    """What led to a failure, down to the first cause."""
    text = f"{failure.code}: {failure.message}"
    return text if failure.cause is None else f"{text}; {_cause(failure.cause)}"


def _progress(progress: Progress) -> OperationProgress:
    return OperationProgress(
        stage=progress.stage,
        message=progress.message or _count(progress),
        # Renamed as they are: to read and write hundreds costs more than all else of a poll.
        resources=cast("Sequence[OperationResource]", _renamed(progress.encoded_resources)),
        summary=progress.summary,
    )


def _count(progress: Progress) -> str:
    """How much is done, for which the wire has no place of its own."""
    summary = progress.summary
    if progress.done is None and summary.total:
        ended = summary.succeeded + summary.failed + summary.unchanged
        return f"{ended:,} of {summary.total:,} resources"
    if progress.done is None:
        return ""
    total = "" if progress.total is None else f" of {progress.total:,.15g}"
    return f"{progress.done:,.15g}{total} {progress.unit}".rstrip()


def _renamed(resources: msgspec.Raw) -> msgspec.Raw:
    """The JSON of resources with the wire's name of the duration.

    Within a string of JSON no quote stands without a backslash before it: a quote, the name, a
    quote and a colon are the key and nothing else. Bytes are replaced fastest by as many others.
    """
    return msgspec.Raw(bytes(resources).replace(b'"duration_seconds":', b'"duration":        '))
