"""What callers can do with schedules. What comes of them by themselves is in `ticking`."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from outlast.engine.access import Principal, Verb
from outlast.engine.operations import Engine
from outlast.engine.scheduled import (
    authority,
    last_alive,
    plain_wish,
    rewrite_of,
    wish_of,
)
from outlast.operations import documents, ids
from outlast.operations.errors import (
    Conflict,
    Invalid,
    NotFound,
    ResourceExists,
    ResourceInUse,
    RevisionMismatch,
)
from outlast.operations.kind import CatalogWrite, Resource
from outlast.operations.schedules import (
    LABEL,
    SCHEDULE,
    ScheduleDocument,
    check_timing,
    decode_schedule,
    next_due,
    schedule_removal,
    schedule_write,
)
from outlast.store.port import AuditEntry, Created

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._~-]{0,127}")
DEADLINE_SECONDS_MAX: Final = 10 * 366 * 86_400
_TRIES: Final = 8
_TIMING: Final = ("every_seconds", "cron", "time_zone")
_SAID: Final = (
    "kind",
    "spec",
    *_TIMING,
    "labels",
    "priority",
    "deadline_seconds",
    "resource_type",
    "resource_id",
    "project",
)
"""What a caller says of a schedule, and may change."""

_T = TypeVar("_T")


class ScheduleWish(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule that a caller asks for, not yet checked. The fields mean ScheduleDocument's."""

    name: str
    kind: str
    spec: Any
    every_seconds: int | None = None
    cron: str | None = None
    time_zone: str = "UTC"
    labels: Mapping[str, str] = {}
    priority: int = 0
    deadline_seconds: int | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    project: str | None = None


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A stored schedule. `next_at` is when it is due, None while it is paused."""

    id: str
    name: str
    revision: int
    created_at: int
    updated_at: int
    next_at: int | None
    document: ScheduleDocument


class Schedules:
    """The schedules of all tenants."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.store

    async def create(
        self, principal: Principal, wish: ScheduleWish, request_id: str | None = None
    ) -> tuple[Schedule, bool]:
        """A new schedule, and whether it is new: the same wish under the same name is granted once.

        Raises what would stand in the way of the operation that it makes, ResourceExists, Conflict.
        """
        principal.require(Verb.SUBMIT)
        if not _NAME.fullmatch(wish.name) or ids.is_id(wish.name):
            raise Invalid(
                "a schedule's name has 1 to 128 of A-Z a-z 0-9 . _ ~ - and is not an id",
                field_errors={"name": "is not a name"},
            )
        now = self._store.operations.now()
        said = {name: getattr(wish, name) for name in _SAID}
        document = ScheduleDocument(**said, created_by=principal.member, anchor_at=now)
        document = msgspec.structs.replace(document, **authority(principal))
        earlier = await self._earlier(principal, wish.name, document)
        if earlier is not None:
            return earlier, False
        schedule_id = ids.make_id(now, ids.random_bits())
        await self._check(principal, schedule_id, document)
        await self._check_room(principal.tenant)
        due_at = next_due(document, now)
        write = schedule_write(schedule_id, document, due_at, name=wish.name, expected_revision=0)
        audit = _audit(principal, "schedule.create", schedule_id, request_id)
        try:
            return await self._write(principal.tenant, write, audit), True
        except ResourceExists:
            # The same call, at the same time.
            earlier = await self._earlier(principal, wish.name, document)
            if earlier is None:
                raise
            return earlier, False

    async def get(self, principal: Principal, ref: str) -> Schedule:
        """The schedule with this id or name. Raises NotFound."""
        principal.require(Verb.READ)
        return _schedule(await self._read(principal, ref))

    async def find(
        self,
        principal: Principal,
        *,
        filters: Mapping[str, str],
        before_id: str | None = None,
        limit: int,
    ) -> list[Schedule]:
        """The tenant's schedules, newest first. Filters: `kind`, `created_by`, `belongs_to`."""
        principal.require(Verb.READ)
        found = await self._store.catalog.find(
            principal.tenant, SCHEDULE, fields=filters, before_id=before_id, limit=limit
        )
        return [_schedule(one) for one in found]

    async def update(
        self,
        principal: Principal,
        ref: str,
        changes: Mapping[str, Any],
        request_id: str | None = None,
    ) -> Schedule:
        """Change some of what was said of a schedule, which is the principal's from then on.

        An interval takes the place of an expression, and the other way round. With another timing
        the next instant is counted from now.
        """

        async def attempt() -> Schedule:
            old = await self._own(principal, ref)
            before = _loose(old)
            now = self._store.operations.now()
            document = _changed(before, changes, principal, now)
            await self._check(principal, old.id, document)
            is_timed_anew = document.anchor_at != before.anchor_at
            due_at = next_due(document, now) if is_timed_anew else old.due_at
            audit = _audit(principal, "schedule.update", old.id, request_id)
            return await self._replace(old, document, due_at, audit)

        return await _until_it_stands(attempt)

    async def pause(
        self, principal: Principal, ref: str, request_id: str | None = None
    ) -> Schedule:
        """Let no instant come until the schedule is resumed."""

        async def attempt() -> Schedule:
            old = await self._own(principal, ref)
            document = decode_schedule(old.document)
            if document.is_paused:
                return _schedule(old)
            document = msgspec.structs.replace(document, is_paused=True)
            audit = _audit(principal, "schedule.pause", old.id, request_id)
            return await self._replace(old, document, None, audit)

        return await _until_it_stands(attempt)

    async def resume(
        self, principal: Principal, ref: str, request_id: str | None = None
    ) -> Schedule:
        """Let instants come again. What would have been due in between is not made up for."""

        async def attempt() -> Schedule:
            old = await self._own(principal, ref)
            document = decode_schedule(old.document)
            if not document.is_paused:
                return _schedule(old)
            document = msgspec.structs.replace(document, is_paused=False, last_failure=None)
            due_at = next_due(document, self._store.operations.now())
            audit = _audit(principal, "schedule.resume", old.id, request_id)
            return await self._replace(old, document, due_at, audit)

        return await _until_it_stands(attempt)

    async def delete(self, principal: Principal, ref: str, request_id: str | None = None) -> None:
        """Delete a schedule. The operations that it has made stay."""
        old = await self._own(principal, ref)
        _loose(old)
        await self._store.catalog.write(
            principal.tenant,
            [schedule_removal(old.id)],
            _audit(principal, "schedule.delete", old.id, request_id),
        )

    async def trigger(
        self,
        principal: Principal,
        ref: str,
        *,
        idempotency_key: str | None = None,
        request_id: str | None = None,
    ) -> Created:
        """Make the schedule's operation now, in the principal's name; instants come as before.

        Raises ResourceInUse while the operation that was made last is alive.
        """

        async def attempt() -> Created:
            old = await self._own(principal, ref)
            document = decode_schedule(old.document)
            last = await last_alive(self._store, old.tenant, document)
            if last is not None and not await self._is_known(principal, idempotency_key):
                raise ResourceInUse(
                    f"the schedule's last operation {last.id} has not ended",
                    details={"operation_id": last.id},
                )
            operation_id = ids.make_id(self._store.operations.now(), ids.random_bits())
            document = msgspec.structs.replace(document, operation_id=operation_id)
            wish = msgspec.structs.replace(
                wish_of(old, document, old.due_at),
                idempotency_key=idempotency_key,
                request_id=request_id,
            )
            return await self._engine.submit(principal, wish)

        return await _until_it_stands(attempt)

    async def _is_known(self, principal: Principal, idempotency_key: str | None) -> bool:
        if idempotency_key is None:
            return False
        operations = self._store.operations
        return await operations.find_by_key(principal.tenant, idempotency_key) is not None

    async def _earlier(
        self, principal: Principal, name: str, document: ScheduleDocument
    ) -> Schedule | None:
        """The schedule that the same call made before. Raises ResourceExists for another one."""
        found = await self._store.catalog.read(principal.tenant, SCHEDULE, name)
        if found is None:
            return None
        earlier = _schedule(found)
        if _said(earlier.document) != _said(document):
            raise ResourceExists(f"the schedule {name!r} exists already")
        return earlier

    async def _check(
        self, principal: Principal, schedule_id: str, document: ScheduleDocument
    ) -> None:
        """Raise Invalid, or what would stand in the way of the operation."""
        if LABEL in document.labels:
            raise Invalid(
                f"the label {LABEL!r} names the schedule itself",
                field_errors={f"labels.{LABEL}": "is set by the server"},
            )
        deadline = document.deadline_seconds
        if deadline is not None and not 1 <= deadline <= DEADLINE_SECONDS_MAX:
            raise Invalid(
                f"deadline_seconds is from 1 to {DEADLINE_SECONDS_MAX}",
                field_errors={"deadline_seconds": "range"},
            )
        check_timing(document)
        await self._engine.check(principal, plain_wish(schedule_id, document))

    async def _check_room(self, tenant: str) -> None:
        # Two calls at once may both find the last place: the limit is against thousands, not one.
        limit = self._engine.limits.schedules
        found = await self._store.catalog.find(
            tenant, SCHEDULE, fields={"belongs_to": ""}, limit=limit
        )
        if len(found) >= limit:
            raise Conflict(f"a tenant has at most {limit} schedules")

    async def _read(self, principal: Principal, ref: str) -> Resource:
        found = await self._store.catalog.read(principal.tenant, SCHEDULE, ref)
        if found is None:
            raise NotFound("there is no such schedule")
        return found

    async def _own(self, principal: Principal, ref: str) -> Resource:
        """The schedule, if the principal may change it."""
        principal.require(Verb.SUBMIT)
        found = await self._read(principal, ref)
        principal.require_over(decode_schedule(found.document).created_by)
        return found

    async def _replace(
        self, old: Resource, document: ScheduleDocument, due_at: int | None, audit: AuditEntry
    ) -> Schedule:
        return await self._write(old.tenant, rewrite_of(old, document, due_at), audit)

    async def _write(self, tenant: str, write: CatalogWrite, audit: AuditEntry) -> Schedule:
        [resource] = await self._store.catalog.write(tenant, [write], audit)
        return _schedule(resource)


def _changed(
    before: ScheduleDocument, changes: Mapping[str, Any], principal: Principal, now: int
) -> ScheduleDocument:
    changes = dict(changes)
    for one, other in (("every_seconds", "cron"), ("cron", "every_seconds")):
        if changes.get(one) is not None:
            changes.setdefault(other, None)
    document = msgspec.structs.replace(before, **changes, **authority(principal), last_failure=None)
    if any(getattr(before, name) != getattr(document, name) for name in _TIMING):
        document = msgspec.structs.replace(document, anchor_at=now)
    return document


def _loose(resource: Resource) -> ScheduleDocument:
    """The schedule's document, unless the schedule goes with another resource."""
    document = decode_schedule(resource.document)
    if document.belongs_to is not None:
        raise ResourceInUse(
            f"this schedule belongs to {document.belongs_to}, and is changed and deleted with it",
            details={"belongs_to": document.belongs_to},
        )
    return document


def _said(document: ScheduleDocument) -> bytes:
    names = ("created_by", *_SAID)
    return documents.canonical({name: getattr(document, name) for name in names})


def _schedule(resource: Resource) -> Schedule:
    return Schedule(
        id=resource.id,
        name=resource.name,
        revision=resource.revision,
        created_at=resource.created_at,
        updated_at=resource.updated_at,
        next_at=resource.due_at,
        document=decode_schedule(resource.document),
    )


async def _until_it_stands(attempt: Callable[[], Awaitable[_T]]) -> _T:
    """Try again when a tick came between the look and the write."""
    for _ in range(_TRIES - 1):
        try:
            return await attempt()
        except RevisionMismatch:
            continue
    return await attempt()


def _audit(principal: Principal, action: str, target: str, request_id: str | None) -> AuditEntry:
    return AuditEntry(actor=principal.member, action=action, target=target, request_id=request_id)
