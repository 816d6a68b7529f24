"""The chore that makes the operations of schedules when they are due.

Any number of processes may look: the operation and the schedule's next instant are written in one
transaction, at the revision that was read, so that each instant has one winner.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import Final

import msgspec

from outlast.engine.access import Principal, Role
from outlast.engine.operations import Engine
from outlast.engine.scheduled import last_alive, rewrite_of, wish_of
from outlast.engine.tokens import Tokens
from outlast.operations import ids
from outlast.operations.errors import (
    Forbidden,
    Invalid,
    OutlastError,
    RateLimited,
    RevisionMismatch,
    Unavailable,
)
from outlast.operations.kind import CatalogWrite, Resource
from outlast.operations.model import SECOND
from outlast.operations.schedules import (
    SCHEDULE,
    ScheduleDocument,
    TickFailure,
    decode_schedule,
    next_due,
)
from outlast.store.port import Creation

LOOK_SECONDS: Final = 1.0
"""How often a process looks for what is due."""

RETRY_SECONDS: Final = 60
"""After how long a tick is tried again that found the server, not the schedule, at fault."""

_BATCH: Final = 50

logger = logging.getLogger(__name__)


class _Plan(msgspec.Struct, frozen=True):
    """What shall come of one instant: an operation, or the schedule put off."""

    resource: Resource
    outcome: Creation | CatalogWrite


class Ticker:
    """Makes the operations that are due, for one process, until it is cancelled."""

    def __init__(self, engine: Engine, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._engine = engine
        self._store = engine.store
        self._tokens = Tokens(engine.store)
        self._look_seconds = look_seconds

    async def run(self) -> None:
        """Look about every `look_seconds`, for ever."""
        while True:
            # Spread out, so that many processes do not all look at the same moment.
            pause = self._look_seconds * random.uniform(0.5, 1.0)  # noqa: S311  not a secret
            await asyncio.sleep(pause)
            try:
                await self.tick()
            except Unavailable as error:
                logger.warning("schedules wait for the store: %s", error)
            except Exception:
                # An edge: nobody would miss schedules that are never looked at again.
                logger.exception("schedules were not looked at")

    async def tick(self) -> None:
        """Make, skip or put off all that is due now. Raises Unavailable, and what is due stays."""
        now = self._store.operations.now()
        while True:
            due = await self._store.catalog.due(SCHEDULE, now, _BATCH)
            plans = await asyncio.gather(*map(self._plan, due))
            put_off = await self._create(plans)
            # Every process writes in the order of what is due: none waits for one that waits for
            # it.
            await asyncio.gather(*(self._write(resource, write) for resource, write in put_off))
            if len(due) < _BATCH:
                return

    async def _plan(self, resource: Resource) -> _Plan:
        document = decode_schedule(resource.document)
        try:
            next_at = next_due(document, self._store.operations.now())
            if await last_alive(self._store, resource.tenant, document) is None:
                return _Plan(resource, await self._creation(resource, document, next_at))
            skipped = msgspec.structs.replace(document, last_skipped_at=resource.due_at)
            return _Plan(resource, rewrite_of(resource, skipped, next_at))
        except Exception as error:  # noqa: BLE001  an edge: it concerns this schedule alone
            return _Plan(resource, self._put_off(resource, error))

    async def _creation(
        self, resource: Resource, document: ScheduleDocument, next_at: int
    ) -> Creation:
        principal = await self._principal(resource, document)
        now = self._store.operations.now()
        made = msgspec.structs.replace(
            document,
            operation_id=ids.make_id(now, ids.random_bits()),
            last_due_at=resource.due_at,
            last_failure=None,
        )
        return await self._engine.creation(principal, wish_of(resource, made, next_at))

    async def _principal(self, resource: Resource, document: ScheduleDocument) -> Principal:
        """In whose name the operation is made, with what both then and now allow. Forbidden."""
        role = Role(document.role)
        if document.belongs_to is None:
            today = await self._tokens.role_of(
                resource.tenant, document.created_by, document.token_id
            )
            if today is None:
                raise Forbidden(
                    f"{document.created_by} has no token of this tenant any more; whoever changes"
                    " the schedule takes it over"
                )
            role = min(role, today, key=list(Role).index)
        return Principal(
            tenant=resource.tenant,
            member=document.created_by,
            role=role,
            token_id=document.token_id,
        )

    async def _create(self, plans: Sequence[_Plan]) -> list[tuple[Resource, CatalogWrite]]:
        """Create operations; what is to be written of the schedules that have none."""
        creations = [one.outcome for one in plans if isinstance(one.outcome, Creation)]
        answers = iter(await self._store.operations.create(creations) if creations else ())
        put_off: list[tuple[Resource, CatalogWrite]] = []
        for plan in plans:
            if isinstance(plan.outcome, CatalogWrite):
                put_off.append((plan.resource, plan.outcome))
                continue
            answer = next(answers)
            if isinstance(answer, OutlastError):
                put_off.append((plan.resource, self._put_off(plan.resource, answer)))
        return put_off

    def _put_off(self, resource: Resource, error: Exception) -> CatalogWrite:
        """The schedule with the reason why there is no operation, due again later."""
        document = decode_schedule(resource.document)
        now = self._store.operations.now()
        if isinstance(error, OutlastError):
            logger.info("schedule %s made nothing: %s", resource.id, error.code)
            failure = TickFailure(code=error.code, message=error.message, at=now)
        else:
            logger.error("schedule %s made nothing", resource.id, exc_info=error)
            message = "something went wrong on the server; its log has more"
            failure = TickFailure(code="internal_error", message=message, at=now)
        document = msgspec.structs.replace(document, last_failure=failure)
        try:
            due_at = next_due(document, now)
        except Invalid:
            # A clock that is not known any more, or an expression whose time is over.
            document = msgspec.structs.replace(document, is_paused=True)
            return rewrite_of(resource, document, None)
        # A revision: what the kind would have written was written by somebody else meanwhile.
        if isinstance(error, RateLimited | RevisionMismatch | Unavailable):
            due_at = min(due_at, now + RETRY_SECONDS * SECOND)
        return rewrite_of(resource, document, due_at)

    async def _write(self, resource: Resource, write: CatalogWrite) -> None:
        try:
            await self._store.catalog.write(resource.tenant, [write])
        except RevisionMismatch:
            # Another process was faster, or somebody has changed the schedule.
            logger.debug("schedule %s has moved on", resource.id)
