"""Schedules: what is made again and again, and when."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from outlast.engine import Engine
from outlast.engine.access import Verb
from outlast.engine.schedules import DEADLINE_SECONDS_MAX, Schedule, Schedules, ScheduleWish
from outlast.http.listing import PAGE, PAGE_SIZE
from outlast.http.metrics import Metrics
from outlast.http.paging import page_position, page_token
from outlast.http.parsing import parse_integer, read_empty, read_json
from outlast.http.rendering import Instant, OperationView, encode, instant, instant_or_none
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.http.submitting import IDEMPOTENCY_KEY, SUBMIT_ERRORS, accepted, replayed
from outlast.operations.schedules import EVERY_SECONDS_MAX

Every: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=EVERY_SECONDS_MAX)]
Deadline: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=DEADLINE_SECONDS_MAX)]
Priority: TypeAlias = Annotated[int, msgspec.Meta(ge=-100, le=100)]

_FILTERS: Final = (
    Parameter(name="kind", schema={"type": "string"}, says="Only of this kind."),
    Parameter(name="created_by", schema={"type": "string"}, says="Only in this member's name."),
    Parameter(
        name="belongs_to",
        schema={"type": "string"},
        says="Only of this resource (TYPE/ID); empty: only of none.",
    ),
)
_BODY_ERRORS: Final = ("not_found", "request_timeout", "revision_mismatch", "store_full")


class ScheduleBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shall be made, and when: either `every_seconds` or `cron`, by the clocks of a zone."""

    name: str
    kind: str
    spec: Any
    every_seconds: Every | None = None
    cron: str | None = None
    time_zone: str = "UTC"
    labels: dict[str, str] = {}
    priority: Priority = 0
    deadline_seconds: Deadline | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    project: str | None = None


class ScheduleChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shall be different. A field that is left out stays as it is."""

    kind: str | UnsetType = UNSET
    spec: Any = UNSET
    every_seconds: Every | UnsetType | None = UNSET
    cron: str | UnsetType | None = UNSET
    time_zone: str | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    deadline_seconds: Deadline | UnsetType | None = UNSET
    resource_type: str | UnsetType | None = UNSET
    resource_id: str | UnsetType | None = UNSET
    project: str | UnsetType | None = UNSET


class TickFailureView(msgspec.Struct, frozen=True, kw_only=True):
    """Why a tick made no operation."""

    code: str
    message: str
    at: Instant


class ScheduleView(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule. `next_at` is null while it is paused.

    `operation_id` is the operation that was made last, for the instant `last_due_at`;
    `last_skipped_at` is the last instant at which that one was still alive; `last_failure` says why
    the last tick made nothing.
    """

    id: str
    name: str
    revision: int
    kind: str
    spec: Any
    every_seconds: int | None
    cron: str | None
    time_zone: str
    labels: Mapping[str, str]
    priority: int
    deadline_seconds: int | None
    resource_type: str | None
    resource_id: str | None
    project: str | None
    created_by: str
    belongs_to: str | None
    created_at: Instant
    updated_at: Instant
    is_paused: bool
    next_at: Instant | None
    operation_id: str | None
    last_due_at: Instant | None
    last_skipped_at: Instant | None
    last_failure: TickFailureView | None


class SchedulesView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of schedules, newest first."""

    schedules: Sequence[ScheduleView]
    next_page_token: str | None


class ScheduleRoutes:
    """The routes of /v1/schedules."""

    def __init__(self, engine: Engine, metrics: Metrics, body_seconds: float) -> None:
        self._engine = engine
        self._schedules = Schedules(engine)
        self._metrics = metrics
        self._body_seconds = body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._of_all(), *self._of_one(), *self._of_deeds()]

    def _of_all(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path="/v1/schedules",
                handle=self._create,
                says="Create a schedule",
                verb=Verb.SUBMIT,
                body=ScheduleBody,
                answers={200: ScheduleView, 201: ScheduleView},
                errors=SUBMIT_ERRORS,
            ),
            Route(
                method="GET",
                path="/v1/schedules",
                handle=self._list,
                says="Schedules, newest first",
                verb=Verb.READ,
                query=(*_FILTERS, *PAGE),
                answers={200: SchedulesView},
                errors=("invalid_page_token",),
            ),
        ]

    def _of_one(self) -> list[Route]:
        path = "/v1/schedules/{ref}"
        return [
            Route(
                method="GET",
                path=path,
                handle=self._get,
                says="A schedule, and what came of it",
                verb=Verb.READ,
                answers={200: ScheduleView},
                errors=("not_found",),
            ),
            Route(
                method="PATCH",
                path=path,
                handle=self._update,
                says="Change a schedule, which is the caller's from then on",
                verb=Verb.SUBMIT,
                body=ScheduleChanges,
                answers={200: ScheduleView},
                errors=SUBMIT_ERRORS,
            ),
            Route(
                method="DELETE",
                path=path,
                handle=self._delete,
                says="Delete a schedule; what it has made stays",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=("not_found", "resource_in_use"),
            ),
        ]

    def _of_deeds(self) -> list[Route]:
        path = "/v1/schedules/{ref}"
        return [
            Route(
                method="POST",
                path=f"{path}/pause",
                handle=self._pause,
                says="Let no instant come until the schedule is resumed",
                verb=Verb.SUBMIT,
                answers={200: ScheduleView},
                errors=_BODY_ERRORS,
            ),
            Route(
                method="POST",
                path=f"{path}/resume",
                handle=self._resume,
                says="Let instants come again; those of the pause are not made up for",
                verb=Verb.SUBMIT,
                answers={200: ScheduleView},
                errors=_BODY_ERRORS,
            ),
            Route(
                method="POST",
                path=f"{path}/trigger",
                handle=self._trigger,
                says="Make the schedule's operation now, in the caller's name",
                verb=Verb.SUBMIT,
                headers=(IDEMPOTENCY_KEY,),
                answers={200: OperationView, 202: OperationView},
                errors=SUBMIT_ERRORS,
            ),
        ]

    async def _create(self, call: Call) -> Answer:
        limit = self._engine.limits.body_bytes
        body = await read_json(call, ScheduleBody, limit, self._body_seconds)
        wish = ScheduleWish(**msgspec.structs.asdict(body))
        schedule, is_new = await self._schedules.create(call.principal, wish, call.request_id)
        return Answer(
            status=201 if is_new else 200,
            body=encode(schedule_view(schedule)),
            headers=[(b"location", f"/v1/schedules/{schedule.id}".encode())],
        )

    async def _list(self, call: Call) -> Answer:
        limit = parse_integer(call, "page_size", PAGE_SIZE, 1, self._engine.limits.page_size)
        names = [parameter.name for parameter in _FILTERS]
        filters = {name: value for name in names if (value := call.one(name)) is not None}
        bound_to = ["schedules", call.principal.tenant, filters]
        token = call.one("page_token")
        before_id = None if token is None else page_position(token, bound_to)
        found = await self._schedules.find(
            call.principal, filters=filters, before_id=before_id, limit=limit + 1
        )
        page = found[:limit]
        listed = SchedulesView(
            schedules=[schedule_view(schedule) for schedule in page],
            next_page_token=page_token(page[-1].id, bound_to) if len(found) > limit else None,
        )
        return Answer(body=encode(listed))

    async def _get(self, call: Call) -> Answer:
        return _answer(await self._schedules.get(call.principal, call.params["ref"]))

    async def _update(self, call: Call) -> Answer:
        limit = self._engine.limits.body_bytes
        body = await read_json(call, ScheduleChanges, limit, self._body_seconds)
        changes = {
            name: value
            for name, value in msgspec.structs.asdict(body).items()
            if value is not UNSET
        }
        return _answer(
            await self._schedules.update(
                call.principal, call.params["ref"], changes, call.request_id
            )
        )

    async def _delete(self, call: Call) -> Answer:
        await self._schedules.delete(call.principal, call.params["ref"], call.request_id)
        return Answer(status=204)

    async def _pause(self, call: Call) -> Answer:
        await self._nothing(call)
        return _answer(
            await self._schedules.pause(call.principal, call.params["ref"], call.request_id)
        )

    async def _resume(self, call: Call) -> Answer:
        await self._nothing(call)
        return _answer(
            await self._schedules.resume(call.principal, call.params["ref"], call.request_id)
        )

    async def _trigger(self, call: Call) -> Answer:
        await self._nothing(call)
        created = await self._schedules.trigger(
            call.principal,
            call.params["ref"],
            idempotency_key=call.header(b"idempotency-key"),
            request_id=call.request_id,
        )
        operation = created.operation
        self._metrics.count_created(operation.kind, is_new=created.is_new)
        return accepted(self._engine, operation, replayed(created))

    async def _nothing(self, call: Call) -> None:
        await read_empty(call, self._engine.limits.body_bytes, self._body_seconds)


def schedule_view(schedule: Schedule) -> ScheduleView:
    """A schedule as clients see it."""
    document = schedule.document
    failure = document.last_failure
    return ScheduleView(
        id=schedule.id,
        name=schedule.name,
        revision=schedule.revision,
        kind=document.kind,
        spec=document.spec,
        every_seconds=document.every_seconds,
        cron=document.cron,
        time_zone=document.time_zone,
        labels=document.labels,
        priority=document.priority,
        deadline_seconds=document.deadline_seconds,
        resource_type=document.resource_type,
        resource_id=document.resource_id,
        project=document.project,
        created_by=document.created_by,
        belongs_to=document.belongs_to,
        created_at=instant(schedule.created_at),
        updated_at=instant(schedule.updated_at),
        is_paused=document.is_paused,
        next_at=instant_or_none(schedule.next_at),
        operation_id=document.operation_id,
        last_due_at=instant_or_none(document.last_due_at),
        last_skipped_at=instant_or_none(document.last_skipped_at),
        last_failure=None
        if failure is None
        else TickFailureView(code=failure.code, message=failure.message, at=instant(failure.at)),
    )


def _answer(schedule: Schedule) -> Answer:
    return Answer(body=encode(schedule_view(schedule)))
