"""Schedules over a store with a clock that is turned, and members with real tokens, for tests."""

import asyncio
from typing import Any

import msgspec

from outlast.engine import Engine, Hub, Principal, Role
from outlast.engine.schedules import Schedules, ScheduleWish
from outlast.engine.ticking import Ticker
from outlast.engine.tokens import Tokens
from outlast.operations import transitions
from outlast.operations.errors import NotFound
from outlast.operations.kind import Kind
from outlast.operations.schedules import SCHEDULE
from outlast.settings import Limits, Retention, Sharing
from outlast.store.port import Change, Claim, Query

TENANT = "default"
ROOT = Principal(tenant=TENANT, member="root", role=Role.ROOT)


class EchoSpec(msgspec.Struct, forbid_unknown_fields=True):
    text: str = "hi"


async def _echo(plan, _context):
    return plan.text


class Scheduling:
    """An engine, its schedules, and one look for what is due. `missing` makes the kind refuse."""

    def __init__(self, store, clock=None, *, limits=None, sharing=Sharing):
        self.store = store
        self.clock = clock
        self.missing = None
        self.kinds = {}
        for name, verb in (("echo", None), ("secretive", "read_history")):
            self.kinds[name] = Kind(
                name,
                spec=EchoSpec,
                result=str,
                run=_echo,
                prepare=self._prepare,
                executor="inline",
                verb=verb,
            )
        self.engine = Engine(
            store,
            self.kinds,
            hub=Hub(store.operations, 100),
            limits=limits or Limits(),
            retention=Retention(),
            sharing=sharing,
        )
        self.schedules = Schedules(self.engine)
        self.ticker = Ticker(self.engine)
        self.tokens = Tokens(store)

    def _prepare(self, spec, _catalog):
        if self.missing is not None:
            raise self.missing
        return spec

    async def member(self, name, role, **token):
        """Whoever shows a new token."""
        _, text = await self.tokens.create(ROOT, role, member=name, **token)
        return await self.tokens.authenticate(text)

    async def create(self, principal, name="nightly", **wish: Any):
        if "cron" not in wish:
            wish.setdefault("every_seconds", 60)
        wish = {"kind": "echo", "spec": {}, **wish}
        schedule, _ = await self.schedules.create(principal, ScheduleWish(name=name, **wish))
        return schedule

    async def tick(self, seconds=0):
        """Let time pass, then look for what is due."""
        if seconds:
            self.clock.advance(seconds)
        await self.ticker.tick()

    async def made(self, schedule):
        """The operations that a schedule has made, oldest first."""
        query = Query(tenant=TENANT, labels={SCHEDULE: schedule.id}, limit=500)
        page = await self.store.operations.find(query)
        return list(reversed(page.operations))

    async def finish(self):
        """End every operation that waits."""
        operations = self.store.operations
        claim = Claim(kinds=frozenset(self.kinds), worker="w", limit=100, lease_seconds=60)
        for claimed in await operations.claim(claim):
            token = claimed.lease.token

            def decide(stored, now, token=token):
                return transitions.succeed(stored, token, b'"hi"', now)

            await operations.apply([Change(id=claimed.id, tenant=None, decide=decide)])

    async def now(self, principal, schedule):
        """The schedule as it stands."""
        return await self.schedules.get(principal, schedule.id)

    async def exists(self, principal, schedule):
        try:
            await self.schedules.get(principal, schedule.id)
        except NotFound:
            return False
        return True


def at_once(*awaitables):
    return asyncio.gather(*awaitables, return_exceptions=True)
