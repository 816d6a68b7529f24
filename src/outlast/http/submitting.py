"""Creating operations: one, many at once, and again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec

from outlast.engine import Engine, Wish
from outlast.engine.access import Verb
from outlast.http.errors import Problem, problem
from outlast.http.metrics import Metrics
from outlast.http.parsing import (
    decode_json,
    parse_prefer_wait,
    parse_traceparent,
    read_empty,
    read_json,
    to_microseconds,
)
from outlast.http.rendering import OperationView, encode, etag, retry_after, view
from outlast.http.routing import Answer, Call, Header, Parameter, Route
from outlast.http.streaming import while_connected
from outlast.operations.errors import Invalid, OutlastError, TooLarge, Unavailable
from outlast.operations.model import Operation
from outlast.store.port import Created

Moment = Annotated[datetime, msgspec.Meta(tz=True)]

SUBMIT_ERRORS: Final = (
    "conflict",
    "idempotency_mismatch",
    "invalid_spec",
    "not_found",
    "operation_id_taken",
    "prepare_timed_out",
    "request_timeout",
    "resource_exists",
    "resource_in_use",
    "revision_mismatch",
    "store_full",
    "too_large",
    "too_many_pending",
    "unknown_kind",
    "unsupported_media_type",
)
IDEMPOTENCY_KEY: Final = Parameter(
    name="Idempotency-Key",
    schema={"type": "string", "minLength": 1, "maxLength": 255},
    says="The same key with the same body gives the first answer again.",
)
_OPERATION_ID: Final = Parameter(
    name="Operation-Id",
    schema={"type": "string", "pattern": "^[A-Za-z0-9._~-]{1,128}$"},
    says="An id of the caller's own choice, unique in the tenant.",
)
_PREFER: Final = Parameter(
    name="Prefer",
    schema={"type": "string", "examples": ["wait=10"]},
    says="wait=N: answer when the operation has ended, or after N seconds.",
)
_TRACEPARENT: Final = Parameter(
    name="traceparent", schema={"type": "string"}, says="W3C trace context, kept if well-formed."
)


class SubmitBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shall be done."""

    kind: str
    spec: msgspec.Raw
    labels: dict[str, str] = {}
    priority: Annotated[int, msgspec.Meta(ge=-100, le=100)] = 0
    available_at: Moment | None = None
    deadline_at: Moment | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    project: str | None = None
    project_version: str | None = None


class BatchItem(SubmitBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of many: what the headers say for a single operation stands in its fields."""

    operation_id: str | None = None
    idempotency_key: str | None = None


class BatchBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Operations to create, each with its own outcome."""

    operations: list[BatchItem]


class _RawBatch(msgspec.Struct, forbid_unknown_fields=True):
    """A batch whose members are not looked at yet: one that is wrong spoils no other."""

    operations: list[msgspec.Raw]


class BatchOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one member: the operation, or why there is none."""

    operation: OperationView | None = None
    error: Problem | None = None


class BatchView(msgspec.Struct, frozen=True, kw_only=True):
    """The outcomes, in the order of the request."""

    results: list[BatchOutcome]


class SubmittingRoutes:
    """POST /v1/operations and what else creates operations."""

    def __init__(self, engine: Engine, metrics: Metrics, body_seconds: float) -> None:
        self._engine = engine
        self._metrics = metrics
        self._body_seconds = body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        operation = {200: OperationView, 202: OperationView}
        return [
            Route(
                method="POST",
                path="/v1/operations",
                handle=self._submit,
                says="Create an operation",
                verb=Verb.SUBMIT,
                headers=(IDEMPOTENCY_KEY, _OPERATION_ID, _PREFER, _TRACEPARENT),
                body=SubmitBody,
                answers=operation,
                errors=SUBMIT_ERRORS,
            ),
            Route(
                method="POST",
                path="/v1/operations:batch",
                handle=self._submit_many,
                says="Create many operations, each with its own outcome",
                verb=Verb.SUBMIT,
                headers=(_TRACEPARENT,),
                body=BatchBody,
                answers={200: BatchView},
                errors=("request_timeout", "store_full", "too_large", "unsupported_media_type"),
            ),
            Route(
                method="POST",
                path="/v1/operations/{ref}/retry",
                handle=self._retry,
                says="Create an operation like one that failed or was cancelled",
                verb=Verb.SUBMIT,
                headers=(IDEMPOTENCY_KEY,),
                answers=operation,
                errors=("illegal_transition", *SUBMIT_ERRORS),
            ),
        ]

    async def _submit(self, call: Call) -> Answer:
        limits = self._engine.limits
        body = await read_json(call, SubmitBody, limits.body_bytes, self._body_seconds)
        wish = _wish(body, call, call.header(b"operation-id"), call.header(b"idempotency-key"))
        created = await self._engine.submit(call.principal, wish)
        self._count(created)
        operation = created.operation
        extra = replayed(created)
        seconds = parse_prefer_wait(call)
        if seconds is not None:
            seconds = min(seconds, limits.wait_seconds)
            try:
                operation = await while_connected(
                    call.receive, self._engine.wait(call.principal, operation.id, seconds)
                )
                extra.append((b"preference-applied", b"wait=%d" % seconds))
            except Unavailable:
                # It was created: that there is no room to wait is no reason to say otherwise.
                pass
        return accepted(self._engine, operation, extra)

    async def _submit_many(self, call: Call) -> Answer:
        limits = self._engine.limits
        batch = await read_json(call, _RawBatch, limits.body_bytes, self._body_seconds)
        if len(batch.operations) > limits.batch:
            raise TooLarge(f"at most {limits.batch} operations at once")
        wishes: list[Wish] = []
        results: list[BatchOutcome | None] = [None] * len(batch.operations)
        places: list[int] = []
        for place, raw in enumerate(batch.operations):
            try:
                item = decode_json(bytes(raw), BatchItem)
                wishes.append(_wish(item, call, item.operation_id, item.idempotency_key))
                places.append(place)
            except Invalid as error:
                results[place] = BatchOutcome(error=problem(error, call.request_id))
        outcomes = await self._engine.submit_many(call.principal, wishes)
        for place, outcome in zip(places, outcomes, strict=True):
            results[place] = self._outcome(outcome, call.request_id)
        view_ = BatchView(results=[result for result in results if result is not None])
        return Answer(body=encode(view_))

    async def _retry(self, call: Call) -> Answer:
        await read_empty(call, self._engine.limits.body_bytes, self._body_seconds)
        created = await self._engine.retry(
            call.principal,
            call.params["ref"],
            idempotency_key=call.header(b"idempotency-key"),
            request_id=call.request_id,
        )
        self._count(created)
        return accepted(self._engine, created.operation, replayed(created))

    def _outcome(self, outcome: Created | OutlastError, request_id: str) -> BatchOutcome:
        if isinstance(outcome, OutlastError):
            return BatchOutcome(error=problem(outcome, request_id))
        self._count(outcome)
        return BatchOutcome(operation=view(outcome.operation))

    def _count(self, created: Created) -> None:
        self._metrics.count_created(created.operation.kind, is_new=created.is_new)


def accepted(engine: Engine, operation: Operation, extra: Sequence[Header] = ()) -> Answer:
    """The answer to whoever has made an operation."""
    location = f"/v1/operations/{operation.id}".encode()
    headers = [
        (b"location", location),
        (b"operation-location", location),
        (b"etag", etag(operation)),
        *extra,
    ]
    if not operation.state.is_terminal:
        now = engine.store.operations.now()
        headers.append((b"retry-after", retry_after(operation, now)))
    return Answer(
        status=200 if operation.state.is_terminal else 202,
        body=encode(view(operation)),
        headers=headers,
    )


def replayed(created: Created) -> list[Header]:
    """The header that says that an answer was given before."""
    return [] if created.is_new else [(b"idempotent-replayed", b"true")]


def _wish(
    body: SubmitBody, call: Call, operation_id: str | None, idempotency_key: str | None
) -> Wish:
    return Wish(
        kind=body.kind,
        spec=bytes(body.spec),
        labels=_labels(body.labels),
        priority=body.priority,
        available_at=_instant(body.available_at),
        deadline_at=_instant(body.deadline_at),
        resource_type=body.resource_type,
        resource_id=body.resource_id,
        project=body.project,
        project_version=body.project_version,
        operation_id=operation_id,
        idempotency_key=idempotency_key,
        request_id=call.request_id,
        traceparent=parse_traceparent(call),
    )


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(labels.items()))


def _instant(moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(moment)
