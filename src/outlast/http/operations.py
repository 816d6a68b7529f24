"""Following operations: get, list, cancel, delete, events, logs."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from outlast.engine import Engine, Principal
from outlast.engine.access import Verb
from outlast.engine.bulk import Cancelled, cancel_many
from outlast.engine.tokens import Tokens
from outlast.http.auth import authenticate
from outlast.http.listing import FILTERS, PAGE, PAGE_SIZE, VIEW, list_filters, list_query, window
from outlast.http.paging import page_position, page_token
from outlast.http.parsing import (
    parse_integer,
    parse_seconds,
    read_empty,
    read_json,
)
from outlast.http.rendering import (
    EventView,
    Instant,
    OperationsView,
    OperationView,
    encode,
    etag,
    event_view,
    instant,
    retry_after,
    view,
)
from outlast.http.routing import Answer, Call, Header, Parameter, Route
from outlast.http.streaming import OperationStream, while_connected
from outlast.operations import ids
from outlast.operations.errors import InvalidPageToken
from outlast.operations.model import Operation
from outlast.operations.states import State
from outlast.store.port import Query, View

EVENTS_MAX: Final = 1000
LOG_LINES_MAX: Final = 5000
_NUMBER_MAX: Final = 2**53

_WAIT: Final = Parameter(
    name="wait",
    schema={"type": "number", "minimum": 0, "maximum": 60},
    says="Answer when the revision differs from If-None-Match or, without that header, when the "
    "operation has ended; at the latest after so many seconds.",
)
_IF_NONE_MATCH: Final = Parameter(
    name="If-None-Match",
    schema={"type": "string"},
    says="An ETag: 304 while the operation is still at that revision.",
)
_LAST_EVENT_ID: Final = Parameter(
    name="Last-Event-ID",
    schema={"type": "string"},
    says="The revision that the client has seen (event streams).",
)


class CancelFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which operations; what is absent does not filter."""

    state: list[State] | State | None = None
    kind: list[str] | str | None = None
    labels: dict[str, str] = {}
    resource_type: str | None = None
    resource_id: str | None = None
    project: str | None = None


class CancelBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which operations shall be cancelled; a dry run only counts them."""

    filter: CancelFilter
    dry_run: bool = False


class EventsView(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an operation's history."""

    events: Sequence[EventView]


class LineView(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an operation's log."""

    number: int
    at: Instant
    attempt: int
    text: str


class LogView(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an operation's log."""

    lines: Sequence[LineView]


class OperationRoutes:
    """The routes of /v1/operations that create nothing."""

    def __init__(self, engine: Engine, tokens: Tokens, body_seconds: float) -> None:
        self._engine = engine
        self._tokens = tokens
        self._body_seconds = body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented. The status poll, which is asked most, comes first."""
        return [*self._reading(), *self._changing()]

    def _reading(self) -> list[Route]:
        one = "/v1/operations/{ref}"
        return [
            Route(
                method="GET",
                path=one,
                handle=self._get,
                says="An operation",
                verb=Verb.READ,
                query=(_WAIT,),
                headers=(_IF_NONE_MATCH,),
                answers={200: OperationView, 304: None},
                errors=("not_found",),
            ),
            Route(
                method="GET",
                path="/v1/operations",
                handle=self._list,
                says="Operations, newest first",
                verb=Verb.READ,
                query=(*FILTERS, *PAGE, VIEW),
                answers={200: OperationsView},
                errors=("invalid_page_token",),
            ),
            Route(
                method="GET",
                path=one + "/events",
                handle=self._events,
                says="An operation's history, or, as text/event-stream, its changes as they happen",
                verb=Verb.READ,
                query=window(EVENTS_MAX, 500),
                headers=(_LAST_EVENT_ID,),
                answers={200: EventsView, 204: None},
                answer_media=("application/json", "text/event-stream"),
                errors=("not_found",),
            ),
            Route(
                method="GET",
                path=one + "/logs",
                handle=self._log,
                says="What an operation's handler logged",
                verb=Verb.READ,
                query=window(LOG_LINES_MAX, 1000),
                answers={200: LogView},
                errors=("not_found",),
            ),
        ]

    def _changing(self) -> list[Route]:
        one = "/v1/operations/{ref}"
        body_errors = ("request_timeout", "too_large")
        return [
            Route(
                method="DELETE",
                path=one,
                handle=self._delete,
                says="Delete an operation that has ended",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=("not_found", "not_terminal"),
            ),
            Route(
                method="POST",
                path=one + "/cancel",
                handle=self._cancel,
                says="Ask for an operation to be stopped",
                verb=Verb.SUBMIT,
                answers={200: OperationView, 202: OperationView},
                errors=("illegal_transition", "not_found", *body_errors),
            ),
            Route(
                method="POST",
                path="/v1/operations:cancel",
                handle=self._cancel_many,
                says="Ask for many operations to be stopped",
                verb=Verb.SUBMIT,
                body=CancelBody,
                answers={200: Cancelled},
                errors=("unsupported_media_type", *body_errors),
            ),
        ]

    async def _get(self, call: Call) -> Answer:
        engine, ref = self._engine, call.params["ref"]
        wait = call.one("wait")
        seconds = 0.0 if wait is None else parse_seconds(wait, "wait", engine.limits.wait_seconds)
        condition = call.headers.get(b"if-none-match")
        operation = await engine.get(call.principal, ref)
        is_seen = condition is not None and _matches(condition, operation)
        # A terminal operation is final: nothing that a wait is for can still happen.
        if seconds and not operation.state.is_terminal and (is_seen or condition is None):
            revision = operation.revision if is_seen else None
            operation = await while_connected(
                call.receive, engine.wait(call.principal, operation.id, seconds, revision)
            )
            is_seen = condition is not None and _matches(condition, operation)
        headers: list[Header] = [(b"etag", etag(operation))]
        if not operation.state.is_terminal:
            headers.append((b"retry-after", retry_after(operation, engine.store.operations.now())))
        if is_seen:
            return Answer(status=304, headers=headers, cache=b"private, no-cache")
        return Answer(body=encode(view(operation)), headers=headers, cache=b"private, no-cache")

    async def _list(self, call: Call) -> Answer:
        filters = list_filters(call)
        limit = parse_integer(call, "page_size", PAGE_SIZE, 1, self._engine.limits.page_size)
        token = call.one("page_token")
        before_id = None if token is None else page_position(token, filters)
        if before_id is not None and not ids.is_id(before_id):
            raise InvalidPageToken
        query = msgspec.structs.replace(list_query(call), before_id=before_id, limit=limit)
        page = await self._engine.find(call.principal, query)
        is_full = query.view is View.FULL
        next_id = page.next_before_id
        listed = OperationsView(
            operations=[view(operation, is_full=is_full) for operation in page.operations],
            next_page_token=None if next_id is None else page_token(next_id, filters),
        )
        return Answer(body=encode(listed))

    async def _delete(self, call: Call) -> Answer:
        await self._engine.delete(call.principal, call.params["ref"], call.request_id)
        return Answer(status=204)

    async def _cancel(self, call: Call) -> Answer:
        await read_empty(call, self._engine.limits.body_bytes, self._body_seconds)
        operation = await self._engine.cancel(call.principal, call.params["ref"], call.request_id)
        headers: list[Header] = [(b"etag", etag(operation))]
        if operation.state.is_terminal:
            return Answer(body=encode(view(operation)), headers=headers)
        headers.append((b"retry-after", b"1"))
        return Answer(status=202, body=encode(view(operation)), headers=headers)

    async def _cancel_many(self, call: Call) -> Answer:
        limits = self._engine.limits
        body = await read_json(call, CancelBody, limits.body_bytes, self._body_seconds)
        wanted = body.filter
        outcome = await cancel_many(
            self._engine,
            call.principal,
            Query(
                tenant="",
                states=frozenset(_many(wanted.state)),
                kinds=frozenset(_many(wanted.kind)),
                labels=wanted.labels,
                resource_type=wanted.resource_type,
                resource_id=wanted.resource_id,
                project=wanted.project,
            ),
            dry_run=body.dry_run,
            request_id=call.request_id,
        )
        return Answer(body=encode(outcome))

    async def _events(self, call: Call) -> Answer:
        ref = call.params["ref"]
        if "text/event-stream" in (call.header(b"accept") or ""):
            return await self._stream(call, ref)
        after = parse_integer(call, "after", 0, 0, _NUMBER_MAX)
        limit = parse_integer(call, "limit", 500, 1, EVENTS_MAX)
        events = await self._engine.events(call.principal, ref, after, limit)
        return Answer(body=encode(EventsView(events=[event_view(event) for event in events])))

    async def _stream(self, call: Call, ref: str) -> Answer:
        async def allow() -> Principal:
            return await authenticate(self._tokens, call.headers)

        seen = call.header(b"last-event-id") or ""
        last_seen = int(seen) if seen.isascii() and seen[:18].isdigit() else None
        stream = await OperationStream(self._engine, allow).open(call.principal, ref, last_seen)
        if stream is None:
            return Answer(status=204)
        return Answer(
            media=b"text/event-stream", headers=[(b"x-accel-buffering", b"no")], stream=stream
        )

    async def _log(self, call: Call) -> Answer:
        after = parse_integer(call, "after", 0, 0, _NUMBER_MAX)
        limit = parse_integer(call, "limit", 1000, 1, LOG_LINES_MAX)
        lines = await self._engine.log(call.principal, call.params["ref"], after, limit)
        return Answer(
            body=encode(
                LogView(
                    lines=[
                        LineView(
                            number=line.number,
                            at=instant(line.at),
                            attempt=line.attempt,
                            text=line.text,
                        )
                        for line in lines
                    ]
                )
            )
        )


def _matches(condition: bytes, operation: Operation) -> bool:
    """Whether an If-None-Match names the operation's revision. Weak tags count as strong ones."""
    tags = [tag.strip().removeprefix(b"W/") for tag in condition.split(b",")]
    return etag(operation) in tags or tags == [b"*"]


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
