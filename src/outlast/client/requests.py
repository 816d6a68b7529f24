"""The calls about operations and kinds: each builds a request and says how its answer is read.

Pure: nothing here waits, sends or looks at a clock.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from outlast.client.answers import (
    CancelCounts,
    HistoryEvent,
    Kind,
    LogLine,
    Operation,
    OperationPage,
)
from outlast.client.wire import (
    Call,
    Request,
    decoding,
    json_request,
    nothing,
    path,
    query,
    read_json,
)

WAIT_SECONDS_MAX: Final = 60
"""The longest that the server is asked to hold one request."""

_ANSWER_SECONDS: Final = 5
"""How much later than the wait's end its answer may come."""

_NOT_MODIFIED: Final = 304


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which operations a list shows or a cancel of many takes. Empty fields do not matching.

    `created_after`, `created_before` and `parent_id` are for lists alone.
    """

    states: Sequence[str] = ()
    kinds: Sequence[str] = ()
    labels: Mapping[str, str] = {}
    resource_type: str | None = None
    resource_id: str | None = None
    project: str | None = None
    parent_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A wish for an operation. Either name makes sending it twice safe."""

    kind: str
    spec: Any
    labels: Mapping[str, str] = {}
    priority: int | None = None
    available_at: datetime | None = None
    deadline_at: datetime | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    project: str | None = None
    project_version: str | None = None
    operation_id: str | None = None
    idempotency_key: str | None = None


def submit(submission: Submission, wait_seconds: float | None = None) -> Call[Operation]:
    """Create an operation; the answer may wait up to `wait_seconds` for its end."""
    headers = {}
    if submission.idempotency_key is not None:
        headers["idempotency-key"] = submission.idempotency_key
    if submission.operation_id is not None:
        headers["operation-id"] = submission.operation_id
    if wait_seconds:
        headers["prefer"] = f"wait={_whole(wait_seconds)}"
    body = {
        "kind": submission.kind,
        "spec": submission.spec,
        "labels": submission.labels or None,
        "priority": submission.priority,
        "available_at": _instant(submission.available_at),
        "deadline_at": _instant(submission.deadline_at),
        "resource_type": submission.resource_type,
        "resource_id": submission.resource_id,
        "project": submission.project,
        "project_version": submission.project_version,
    }
    request = json_request(
        "POST",
        path("operations"),
        body,
        headers=headers,
        repeatable="idempotency-key" in headers or "operation-id" in headers,
        read_seconds=None if not wait_seconds else _whole(wait_seconds) + _ANSWER_SECONDS,
    )
    return Call(request, decoding(Operation))


def get(ref: str, *, wait_seconds: float | None = None) -> Call[Operation]:
    """An operation; with `wait_seconds`, once it has ended, or as it is after that time."""
    request = Request(
        method="GET",
        path=path("operations", ref),
        query=query(wait=None if wait_seconds is None else _whole(wait_seconds)),
        read_seconds=None if wait_seconds is None else _whole(wait_seconds) + _ANSWER_SECONDS,
    )
    return Call(request, decoding(Operation))


def get_changed(ref: str, revision: int) -> Call[Operation | None]:
    """An operation, or None if it still has this revision."""
    request = Request(
        method="GET",
        path=path("operations", ref),
        headers={"if-none-match": f'"{revision}"'},
    )
    return Call(
        request,
        lambda answer: None if answer.status == _NOT_MODIFIED else read_json(answer, Operation),
    )


def list_page(
    matching: Filter, *, page_size: int | None, page_token: str | None = None, full: bool = False
) -> Call[OperationPage]:
    """One page of a list, newest first."""
    parameters = query(
        state=matching.states,
        kind=matching.kinds,
        resource_type=matching.resource_type,
        resource_id=matching.resource_id,
        project=matching.project,
        parent_id=matching.parent_id,
        created_after=_instant(matching.created_after),
        created_before=_instant(matching.created_before),
        page_size=page_size,
        page_token=page_token,
        view="full" if full else None,
    )
    parameters += [(f"label.{key}", value) for key, value in matching.labels.items()]
    request = Request(method="GET", path=path("operations"), query=parameters)
    return Call(request, decoding(OperationPage))


def watch(ref: str, last_revision: int | None) -> Request:
    """The stream of an operation's changes since a revision."""
    headers = {"accept": "text/event-stream", "cache-control": "no-store"}
    if last_revision is not None:
        headers["last-event-id"] = str(last_revision)
    return Request(method="GET", path=path("operations", ref, "events"), headers=headers)


def cancel(ref: str) -> Call[Operation]:
    """Ask for an operation to be stopped. To ask again changes nothing."""
    request = Request(method="POST", path=path("operations", ref, "cancel"))
    return Call(request, decoding(Operation))


def cancel_many(matching: Filter, *, dry_run: bool) -> Call[CancelCounts]:
    """Ask for every matching operation to be stopped, up to a thousand in one call."""
    wanted = {
        "state": list(matching.states) or None,
        "kind": list(matching.kinds) or None,
        "labels": dict(matching.labels) or None,
        "resource_type": matching.resource_type,
        "resource_id": matching.resource_id,
        "project": matching.project,
    }
    present = {name: value for name, value in wanted.items() if value is not None}
    request = json_request("POST", "/v1/operations:cancel", {"filter": present, "dry_run": dry_run})
    return Call(request, decoding(CancelCounts))


def delete(ref: str) -> Call[None]:
    """Delete an operation that has ended."""
    return Call(Request(method="DELETE", path=path("operations", ref)), nothing)


def retry(ref: str, idempotency_key: str) -> Call[Operation]:
    """Make a new operation like a failed or cancelled one."""
    request = Request(
        method="POST",
        path=path("operations", ref, "retry"),
        headers={"idempotency-key": idempotency_key},
    )
    return Call(request, decoding(Operation))


def events(ref: str, *, after: int = 0, limit: int | None = None) -> Call[list[HistoryEvent]]:
    """History events with a number greater than `after`."""
    request = Request(
        method="GET",
        path=path("operations", ref, "events"),
        query=query(after=after, limit=limit),
        headers={"accept": "application/json"},
    )
    return Call(request, lambda answer: read_json(answer, _Events).events)


def logs(ref: str, *, after: int = 0, limit: int | None = None) -> Call[list[LogLine]]:
    """Log lines with a number greater than `after`."""
    request = Request(
        method="GET",
        path=path("operations", ref, "logs"),
        query=query(after=after, limit=limit),
    )
    return Call(request, lambda answer: read_json(answer, _Lines).lines)


def kinds() -> Call[list[Kind]]:
    """Every kind that the server can run."""
    request = Request(method="GET", path=path("kinds"))
    return Call(request, lambda answer: read_json(answer, _Kinds).kinds)


def kind(name: str) -> Call[Kind]:
    """One kind."""
    return Call(Request(method="GET", path=path("kinds", name)), decoding(Kind))


def is_ready() -> Call[bool]:
    """Whether the server answers and can do its work."""
    return Call(Request(method="GET", path="/readyz"), lambda _: True)


class _Events(msgspec.Struct):
    events: list[HistoryEvent]


class _Lines(msgspec.Struct):
    lines: list[LogLine]


class _Kinds(msgspec.Struct):
    kinds: list[Kind]


def _whole(seconds: float) -> int:
    return max(1, min(WAIT_SECONDS_MAX, math.ceil(seconds)))


def _instant(value: datetime | None) -> str | None:
    if value is None:
        return None
    text = value.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
