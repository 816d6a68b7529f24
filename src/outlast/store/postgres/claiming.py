"""Claims: which pending operations are next.

A pending operation has a readiness. Scheduled ones are promoted when their time has come. One whose
concurrency key is running is parked, so that it is looked at once and not at every claim; whatever
ends the running one unparks the first of those that wait. Both hold the key's advisory lock.

What a limit holds back stays claimable: tenants and kinds without room are left out before anything
of theirs is looked at. Whoever starts what is limited holds an advisory lock of the tenant or kind,
and counts under it, so that two claims at once do not both take the last room.
"""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from outlast.operations import transitions
from outlast.operations.model import SECOND, Lease, Operation
from outlast.store.port import Claim
from outlast.store.postgres.transaction import (
    OVERDUE,
    PARKED,
    SELECT,
    Transaction,
    key_number,
)
from outlast.store.turns import RUNNING_COUNTED, Limited, Line, Scope, Turns, next_start_at

_PROMOTED_MAX: Final = 500
_LOOKED_AT_MAX: Final = 1_000
_WAITING_MAX: Final = 2_000
_PROMOTE: Final = (
    "UPDATE operations SET readiness = 1 WHERE id IN (SELECT id FROM operations"
    " WHERE readiness = 0 AND available_at <= $1 ORDER BY available_at LIMIT $2"
    " FOR UPDATE SKIP LOCKED)"
)
_NOBODY: Final = "''"
_HEAD: Final = (
    "(SELECT tenant FROM operations WHERE readiness = 1 AND kind = {0}.kind AND tenant > {1}"
    " ORDER BY tenant, priority DESC, id LIMIT 1) AS head"
)
LOOK: Final = (
    "SELECT EXISTS (SELECT 1 FROM operations WHERE readiness = 0 AND available_at <= $1),"
    " EXISTS (SELECT 1 FROM unnest($2::text[]) AS asked (kind) CROSS JOIN LATERAL"
    f" {_HEAD.format('asked', _NOBODY)})"
)
WAITING: Final = (
    "WITH RECURSIVE waiting (kind, tenant) AS (SELECT asked.kind, head.tenant"
    " FROM unnest($1::text[]) AS asked (kind) CROSS JOIN LATERAL "
    f"{_HEAD.format('asked', '$2')} UNION ALL SELECT waiting.kind, head.tenant FROM waiting"
    f" CROSS JOIN LATERAL {_HEAD.format('waiting', 'waiting.tenant')})"
    " SELECT kind, tenant FROM waiting LIMIT $3"
)
"""The pairs of kind and tenant that have claimable work: an index is skipped through."""
TENANT_RUNNING: Final = (
    "SELECT asked.tenant, (SELECT count(*) FROM (SELECT 1 FROM operations"
    " WHERE tenant = asked.tenant AND state = 'running' LIMIT $2) AS running)"
    " FROM unnest($1::text[]) AS asked (tenant)"
)
KIND_RUNNING: Final = (
    "SELECT asked.kind, (SELECT count(*) FROM operations"
    " WHERE lease_expires_at IS NOT NULL AND kind = asked.kind)"
    " FROM unnest($1::text[]) AS asked (kind)"
)
PENDING: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM operations WHERE tenant = $1 AND state = 'pending'"
    " LIMIT $2) AS pending"
)
_NEXT_AT: Final = (
    "SELECT scope, name, next_at FROM rates"
    " JOIN unnest($1::text[], $2::text[]) AS asked (scope, name) USING (scope, name)"
)
_SET_NEXT_AT: Final = (
    "INSERT INTO rates (scope, name, next_at) VALUES ($1, $2, $3)"
    " ON CONFLICT (scope, name) DO UPDATE SET next_at = excluded.next_at"
)
CANDIDATES: Final = (
    f"{SELECT} WHERE id IN (SELECT id FROM (SELECT first.id, asked.wanted, row_number() OVER"
    " (PARTITION BY asked.tenant ORDER BY first.priority DESC, first.id) AS place"
    " FROM unnest($1::text[], $2::text[], $3::bigint[]) AS asked (tenant, kind, wanted)"
    " CROSS JOIN LATERAL (SELECT id, priority FROM operations WHERE readiness = 1"
    " AND kind = asked.kind AND tenant = asked.tenant AND NOT id = ANY($4::text[])"
    " ORDER BY priority DESC, id LIMIT asked.wanted FOR UPDATE SKIP LOCKED) AS first) AS ranked"
    " WHERE place <= wanted LIMIT $5) ORDER BY priority DESC, id"
)
"""An index walk for each tenant and kind.

Ordered by priority first, which neither the primary key nor another index can give. The last limit
takes nothing away: it says how few rows there are to be, else all of a table is read for a backlog.
"""
_TRY_LOCKS: Final = "SELECT pg_try_advisory_xact_lock(number) FROM unnest($1::bigint[]) AS number"
_TRY_KEY: Final = "SELECT pg_try_advisory_xact_lock($1)"
_KEY_IS_RUNNING: Final = (
    "SELECT EXISTS (SELECT 1 FROM operations"
    " WHERE tenant = $1 AND concurrency_key = $2 AND state = 'running')"
)


class Asking(msgspec.Struct, frozen=True):
    """A claim, and whether the look before it has seen scheduled operations that are due."""

    claim: Claim
    are_due: bool


async def claim(
    transaction: Transaction, asked: Sequence[Asking]
) -> list[tuple[list[Operation], bool]]:
    """For each: what was claimed, and whether another transaction may find more."""
    if any(each.are_due for each in asked):
        await transaction.connection.execute(_PROMOTE, transaction.now, _PROMOTED_MAX)
    return [await _Claiming(transaction, each.claim).run() for each in asked]


class _Claiming:
    """One claim. The limits in `_seen` are locked and counted, or locked by another claim."""

    def __init__(self, transaction: Transaction, claim: Claim) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self._claim = claim
        self._turns = Turns(claim, ())
        self._seen: set[Scope] = set()
        self._next_at: dict[Scope, int] = {}
        self._passed_over: list[str] = []
        self._is_contended = False
        self._claimed: list[Operation] = []

    async def run(self) -> tuple[list[Operation], bool]:
        self._turns = turns = Turns(self._claim, await self._waiting())
        if len(turns.tenants) > 1:
            running = await self._running(turns.tenants, RUNNING_COUNTED)
            turns.count_running({name: count for (_, name), count in running.items()})
        limited = turns.limited()
        await self._measure(limited)
        looked_at = 0
        while order := turns.allot(self._claim.limit - len(self._claimed)):
            if looked_at >= _LOOKED_AT_MAX:
                break
            unseen = [one for one in turns.limited(order) if one.scope not in self._seen]
            if unseen:
                # What they leave may change whose turns are next.
                await self._hold(unseen)
                continue
            looked_at += len(order)
            await self._serve(order, await self._lines(Counter(order)))
        await self._count_starts(limited)
        return self._claimed, bool(order) or self._is_contended

    async def _waiting(self) -> list[tuple[str, str]]:
        # What was claimed in this transaction so far must not be a candidate any more.
        await self._transaction.flush()
        found = await self._waiting_after("")
        if len(found) < _WAITING_MAX:
            return found
        # There are more than are looked at, so that those come first whose turn it is.
        return list(dict.fromkeys(await self._waiting_after(self._claim.after_tenant) + found))

    async def _waiting_after(self, tenant: str) -> list[tuple[str, str]]:
        kinds = sorted(self._claim.kinds)
        rows = await self._connection.fetch(WAITING, kinds, tenant, _WAITING_MAX)
        return [(kind, found) for kind, found in rows]

    async def _measure(self, limited: Sequence[Limited]) -> None:
        """Learn what limits leave."""
        counted = [one for one in limited if one.running_max is not None]
        most = max([0, *(one.running_max or 0 for one in counted)])
        running = await self._running(_names(counted, "tenant"), most)
        if kinds := _names(counted, "kind"):
            rows = await self._connection.fetch(KIND_RUNNING, kinds)
            running |= {("kind", name): count for name, count in rows}
        rated = [one.scope for one in limited if one.starts_per_minute is not None]
        if rated:
            rows = await self._connection.fetch(_NEXT_AT, *zip(*rated, strict=True))
            self._next_at |= {(scope, name): next_at for scope, name, next_at in rows}
        for one in limited:
            next_at = self._next_at.get(one.scope, 0)
            room = one.room(running.get(one.scope, 0), next_at, self._transaction.now)
            self._turns.leave(one.scope, room)

    async def _running(self, tenants: Sequence[str], most: int) -> dict[Scope, int]:
        if not tenants:
            return {}
        rows = await self._connection.fetch(TENANT_RUNNING, tenants, most)
        return {("tenant", name): count for name, count in rows}

    async def _hold(self, limited: Sequence[Limited]) -> None:
        """Lock what is limited, and count again; what another claim has locked is left to it."""
        numbers = [key_number("limit of a " + one.scope[0], one.scope[1]) for one in limited]
        rows = await self._connection.fetch(_TRY_LOCKS, numbers)
        ours = []
        for one, (is_ours,) in zip(limited, rows, strict=True):
            self._seen.add(one.scope)
            if is_ours:
                ours.append(one)
            else:
                self._is_contended = True
                self._turns.leave(one.scope, 0)
        await self._measure(ours)

    async def _lines(self, wanted: Mapping[str, int]) -> dict[str, Line]:
        asked = [
            (tenant, kind, count)
            for tenant, count in wanted.items()
            for kind in self._turns.kinds(tenant)
        ]
        await self._transaction.flush()
        rows = await self._connection.fetch(
            CANDIDATES, *zip(*asked, strict=True), self._passed_over, sum(wanted.values())
        )
        found: dict[str, list[Operation]] = {tenant: [] for tenant in wanted}
        for operation in self._transaction.remember(rows):
            found[operation.tenant].append(operation)
        return {tenant: Line(wanted[tenant], found[tenant]) for tenant in wanted}

    async def _serve(self, order: Sequence[str], lines: Mapping[str, Line]) -> None:
        """Start the first of each turn's tenant, until somebody's next ones must be fetched."""
        for tenant in order:
            line = lines[tenant]
            while (operation := line.next()) is not None:
                if await self._is_free(operation) and self._turns.take(tenant, operation.kind):
                    self._claimed.append(self._start(operation))
                    break
                line.put_off()
            else:
                if not line.is_all:
                    break
                self._turns.exhaust(tenant)

    async def _is_free(self, operation: Operation) -> bool:
        """Whether nothing but a limit keeps it from starting; if not, it is no candidate now."""
        transaction, key = self._transaction, operation.concurrency_key
        if operation.deadline_at is not None and operation.deadline_at <= transaction.now:
            await transaction.set_readiness([operation.id], OVERDUE)
            if key is not None:
                transaction.free(operation.tenant, key)
            return False
        if key is None:
            return True
        if not await self._connection.fetchval(_TRY_KEY, key_number(operation.tenant, key)):
            self._passed_over.append(operation.id)
            return False
        await transaction.flush()
        if await self._connection.fetchval(_KEY_IS_RUNNING, operation.tenant, key):
            await transaction.set_readiness([operation.id], PARKED)
            return False
        return True

    def _start(self, operation: Operation) -> Operation:
        transaction, claim = self._transaction, self._claim
        lease = Lease(
            token=transaction.random_bytes(8).hex(),
            worker=claim.worker,
            expires_at=transaction.now + int(claim.lease_seconds * SECOND),
        )
        transition = transitions.claim(operation, lease, transaction.now)
        transaction.update(transition)
        return transition.operation

    async def _count_starts(self, limited: Sequence[Limited]) -> None:
        for one in limited:
            starts = self._turns.started[one.scope]
            if one.starts_per_minute is not None and starts:
                old, now = self._next_at.get(one.scope, 0), self._transaction.now
                next_at = next_start_at(one.starts_per_minute, old, now, starts)
                await self._connection.execute(_SET_NEXT_AT, *one.scope, next_at)


def _names(limited: Sequence[Limited], scope: str) -> list[str]:
    return [one.scope[1] for one in limited if one.scope[0] == scope]


async def release(transaction: Transaction, claimed: Sequence[Operation]) -> list[None]:
    """Give back what was claimed for callers that had gone by then."""
    found = await transaction.lock(operation.id for operation in claimed)
    for operation in claimed:
        current = found.get(operation.id)
        if current is not None and operation.lease is not None:
            transaction.update(transitions.release(current, operation.lease.token, transaction.now))
    return [None for _ in claimed]
