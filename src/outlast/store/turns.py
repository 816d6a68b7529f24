"""Whose turn it is in a claim, and what limits leave: one rule for every adapter.

An adapter says which tenants have claimable work of which kinds, how much of theirs is running, and
what the limits leave; then it asks whose turns are next, fetches so many candidates of each tenant,
and takes what may be taken, until there are no more turns.
"""

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from outlast.operations.model import SECOND, Operation
from outlast.settings import KindShare, TenantShare
from outlast.store.port import Claim

RUNNING_COUNTED: Final = 200
"""Tenants that run so many or more are equals: a claim shall not count for long."""
_MINUTE: Final = 60 * SECOND

Scope: TypeAlias = tuple[Literal["tenant", "kind"], str]


class Limited(msgspec.Struct, frozen=True):
    """A tenant or a kind whose running attempts, or whose rate, have a limit."""

    scope: Scope
    running_max: int | None
    starts_per_minute: int | None

    def room(self, running: int, next_at: int, now: int) -> int:
        """How many attempts may begin now."""
        rooms = []
        if self.running_max is not None:
            rooms.append(self.running_max - running)
        if self.starts_per_minute is not None:
            rooms.append(starts_left(self.starts_per_minute, next_at, now))
        return max(0, min(rooms))


class Turns:
    """The turns of one claim. `waiting` are the pairs (kind, tenant) that have claimable work."""

    def __init__(self, claim: Claim, waiting: Iterable[tuple[str, str]]) -> None:
        kinds: dict[str, list[str]] = {}
        for kind, tenant in waiting:
            kinds.setdefault(tenant, []).append(kind)
        order = sorted(kinds, key=lambda tenant: (tenant <= claim.after_tenant, tenant))
        self._sharing = claim.sharing
        self._kinds = kinds
        self._place = {tenant: place for place, tenant in enumerate(order)}
        self._weight = {tenant: claim.sharing.of_tenant(tenant).weight or 1 for tenant in order}
        self._running = dict.fromkeys(order, 0)
        self._served = claim.served
        self._room: dict[Scope, int] = {}
        self.started: Counter[Scope] = Counter()
        """How many attempts were taken of each tenant and kind that is limited."""

    @property
    def tenants(self) -> Sequence[str]:
        """The tenants that have a turn."""
        return list(self._kinds)

    def limited(self, tenants: Iterable[str] | None = None) -> list[Limited]:
        """What is limited among these tenants (None: all) and their kinds, in a fixed order."""
        chosen = [tenant for tenant in (tenants or self._kinds) if tenant in self._kinds]
        shares: dict[Scope, TenantShare | KindShare] = {}
        for tenant in chosen:
            shares["tenant", tenant] = self._sharing.of_tenant(tenant)
            for kind in self._kinds[tenant]:
                shares["kind", kind] = self._sharing.of_kind(kind)
        return [
            Limited(scope, share.running_max, share.starts_per_minute)
            for scope, share in sorted(shares.items(), key=lambda item: item[0])
            if share.running_max is not None or share.starts_per_minute is not None
        ]

    def count_running(self, running: Mapping[str, int]) -> None:
        """Learn how many operations of each tenant are running."""
        for tenant, count in running.items():
            self._running[tenant] = min(count, RUNNING_COUNTED)

    def leave(self, scope: Scope, room: int) -> None:
        """Learn what limits leave of a tenant or a kind."""
        self._room[scope] = room

    def allot(self, wanted: int) -> list[str]:
        """Whose turns the next ones are, at most so many, had every tenant enough to take."""
        heap = [
            (self._level(tenant), self._place[tenant], tenant)
            for tenant in self._kinds
            if self._has_room(tenant)
        ]
        heapq.heapify(heap)
        counts: Counter[str] = Counter()
        turns: list[str] = []
        while heap and len(turns) < wanted:
            _, place, tenant = heap[0]
            room = self._room.get(("tenant", tenant), wanted) - counts[tenant]
            # Whoever is alone need not be compared.
            step = min(wanted - len(turns), room) if len(heap) == 1 else 1
            turns += [tenant] * step
            counts[tenant] += step
            if step == room:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (self._level(tenant, counts[tenant]), place, tenant))
        return turns

    def kinds(self, tenant: str) -> list[str]:
        """The kinds of the tenant's work that have room."""
        return [kind for kind in self._kinds[tenant] if self._room.get(("kind", kind), 1) > 0]

    def take(self, tenant: str, kind: str) -> bool:
        """Count an attempt as begun; False if a limit holds it back."""
        if self._room and not self._spend(("tenant", tenant), ("kind", kind)):
            return False
        self._running[tenant] += 1
        return True

    def exhaust(self, tenant: str) -> None:
        """The tenant has no more claimable work."""
        self._kinds.pop(tenant, None)

    def _spend(self, *scopes: Scope) -> bool:
        limited = [scope for scope in scopes if scope in self._room]
        if any(self._room[scope] < 1 for scope in limited):
            return False
        for scope in limited:
            self._room[scope] -= 1
            self.started[scope] += 1
        return True

    def _level(self, tenant: str, more: int = 0) -> float:
        running = self._running[tenant] + more
        return (running + self._served.get(tenant, 0)) / self._weight[tenant]

    def _has_room(self, tenant: str) -> bool:
        return self._room.get(("tenant", tenant), 1) > 0 and bool(self.kinds(tenant))


class Line:
    """A tenant's first candidates: of so many as were wanted."""

    def __init__(self, wanted: int, candidates: Iterable[Operation]) -> None:
        self._candidates = deque(candidates)
        self._is_short = len(self._candidates) < wanted
        self._put_off = False

    def next(self) -> Operation | None:
        """The next candidate, or None if those behind must be fetched, or there are none."""
        return self._candidates.popleft() if self._candidates else None

    def put_off(self) -> None:
        """The last candidate was not taken: there may be others in its place."""
        self._put_off = True

    @property
    def is_all(self) -> bool:
        """Whether the tenant has no others."""
        return self._is_short and not self._put_off


def starts_left(per_minute: int, next_at: int, now: int) -> int:
    """How many attempts may begin now at this rate: what a second has room for, and one."""
    early = now + SECOND - max(next_at, now)
    return 0 if early < 0 else early // _interval(per_minute) + 1


def next_start_at(per_minute: int, next_at: int, now: int, starts: int) -> int:
    """When, at this rate, the next attempt would begin after so many begin now."""
    return max(next_at, now) + starts * _interval(per_minute)


def _interval(per_minute: int) -> int:
    return -(-_MINUTE // per_minute)
