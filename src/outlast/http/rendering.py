"""From the domain to the wire: every key is there, instants are RFC 3339."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, cast

import msgspec

from outlast.operations.failure import Failure
from outlast.operations.instants import show_instant
from outlast.operations.model import SECOND, HistoryEvent, Operation
from outlast.operations.progress import Progress, ResourceStatus, Summary
from outlast.operations.states import State

RETRY_AFTER_MAX: Final = 30

Instant = Annotated[
    str,
    msgspec.Meta(
        extra_json_schema={"format": "date-time"},
        description="RFC 3339 in UTC, with milliseconds",
        examples=["2026-11-22T10:00:00.123Z"],
    ),
]


class ResourceView(msgspec.Struct, frozen=True, kw_only=True):
    """One of the things that an operation works on."""

    urn: str
    type: str
    name: str
    operation: str
    status: ResourceStatus
    duration_seconds: float | None


class ProgressView(msgspec.Struct, frozen=True, kw_only=True):
    """How far the last attempt has come; rate and ETA are as of `at`."""

    attempt: int
    at: Instant
    stage: str
    message: str
    done: float | None
    total: float | None
    unit: str
    resources: Sequence[ResourceView]
    summary: Summary
    rate_per_second: float | None
    eta_seconds: float | None


class FailureView(msgspec.Struct, frozen=True, kw_only=True):
    """Why an operation failed, and who can mend it."""

    code: str
    message: str
    fault: Literal["user", "platform"]
    retryable: bool
    retry_after_seconds: float | None
    field_errors: Mapping[str, str]
    details: Mapping[str, Any]
    cause: "FailureView | None"


class OperationView(msgspec.Struct, frozen=True, kw_only=True):
    """An operation. Lists leave `spec` and `result` null unless asked for view=full."""

    id: str
    alias: str | None
    kind: str
    kind_version: str
    state: State
    revision: int
    labels: Mapping[str, str]
    priority: int
    project: str | None
    project_version: str | None
    resource_type: str | None
    resource_id: str | None
    concurrency_key: str | None
    created_by: str
    created_at: Instant
    updated_at: Instant
    available_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    deadline_at: Instant | None
    expire_at: Instant | None
    attempt: int
    attempts_max: int
    cancel_requested_at: Instant | None
    cancel_seen_at: Instant | None
    spec: msgspec.Raw | None
    result: msgspec.Raw | None
    progress: ProgressView | None
    failure: FailureView | None
    parent_id: str | None
    request_id: str | None


class OperationsView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of operations, newest first."""

    operations: Sequence[OperationView]
    next_page_token: str | None


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded fact of an operation's history."""

    number: int
    revision: int
    type: str
    at: Instant
    attempt: int
    actor: str
    data: Mapping[str, Any]


encode: Final = msgspec.json.Encoder().encode
"""The bytes of a view."""


instant: Final = show_instant
"""An instant as it is written on the wire."""


def instant_or_none(at: int | None) -> str | None:
    """An instant as it is written on the wire, if there is one."""
    return None if at is None else show_instant(at)


def view(operation: Operation, *, is_full: bool = True) -> OperationView:
    """An operation as clients see it, with its spec and result or without."""
    one = operation
    progress, failure = one.progress, one.failure
    return OperationView(
        id=one.id,
        alias=one.alias,
        kind=one.kind,
        kind_version=one.kind_version,
        state=one.state,
        revision=one.revision,
        labels=one.labels,
        priority=one.priority,
        project=one.project,
        project_version=one.project_version,
        resource_type=one.resource_type,
        resource_id=one.resource_id,
        concurrency_key=one.concurrency_key,
        created_by=one.created_by,
        created_at=instant(one.created_at),
        updated_at=instant(one.updated_at),
        available_at=instant(one.available_at),
        started_at=instant_or_none(one.started_at),
        finished_at=instant_or_none(one.finished_at),
        deadline_at=instant_or_none(one.deadline_at),
        expire_at=instant_or_none(one.expire_at),
        attempt=one.attempt,
        attempts_max=one.attempts_max,
        cancel_requested_at=instant_or_none(one.cancel_requested_at),
        cancel_seen_at=instant_or_none(one.cancel_seen_at),
        spec=msgspec.Raw(one.spec) if is_full and one.spec else None,
        result=msgspec.Raw(one.result) if is_full and one.result else None,
        progress=None if progress is None else _progress(progress),
        failure=None if failure is None else _failure(failure),
        parent_id=one.parent_id,
        request_id=one.request_id,
    )


def event_view(event: HistoryEvent) -> EventView:
    """An event as clients see it."""
    return EventView(
        number=event.number,
        revision=event.revision,
        type=event.type,
        at=instant(event.at),
        attempt=event.attempt,
        actor=event.actor,
        data=event.data,
    )


def etag(operation: Operation) -> bytes:
    """The operation's revision as an entity tag."""
    return b'"%d"' % operation.revision


def retry_after(operation: Operation, now: int) -> bytes:
    """After how many seconds to ask again: 1 at first, then a tenth of the operation's age."""
    tenth = (now - operation.created_at) // (10 * SECOND)
    return b"%d" % max(1, min(RETRY_AFTER_MAX, tenth))


def _progress(progress: Progress) -> ProgressView:
    return ProgressView(
        attempt=progress.attempt,
        at=instant(progress.at),
        stage=progress.stage,
        message=progress.message,
        done=progress.done,
        total=progress.total,
        unit=progress.unit,
        # Written as they are: to read and write hundreds costs more than all else of a poll.
        resources=cast("Sequence[ResourceView]", progress.encoded_resources),
        summary=progress.summary,
        rate_per_second=progress.rate_per_second,
        eta_seconds=progress.eta_seconds,
    )


def _failure(failure: Failure) -> FailureView:
    cause = failure.cause
    return FailureView(
        code=failure.code,
        message=failure.message,
        fault=failure.fault,
        retryable=failure.retryable,
        retry_after_seconds=failure.retry_after_seconds,
        field_errors=failure.field_errors,
        details=failure.details,
        cause=None if cause is None else _failure(cause),
    )
