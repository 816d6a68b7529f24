"""What the state machine of `store_machine` believes of a store. It knows no adapter and no domain.

Only plain rules: who is next, what an ending leads to, what is overdue.
"""

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import msgspec

from outlast.operations.model import SECOND, Operation, Submission
from outlast.operations.states import State
from outlast.settings import KindShare, Sharing, TenantShare
from outlast.store.port import Claim

LEASE_SECONDS = 10
RETENTION_SECONDS = 60
RETRY_SECONDS = 5

TURNS: tuple[dict[str, Any], ...] = (
    {},
    {"after_tenant": "acme"},
    {"served": {"acme": 1.5}, "after_tenant": "other"},
    {"served": {"acme": 0.25, "other": 2}},
)
SHARINGS = (
    Sharing(),
    Sharing(),
    Sharing(tenants={"acme": TenantShare(running_max=1)}),
    Sharing(every_tenant=TenantShare(running_max=3), tenants={"other": TenantShare(weight=2)}),
    Sharing(kinds={"a": KindShare(running_max=1)}),
    Sharing(
        tenants={"acme": TenantShare(starts_per_minute=60)},
        kinds={"b": KindShare(starts_per_minute=7, running_max=4)},
    ),
)


@dataclass
class Expected:
    """What the model believes of one operation. `tokens` are all that its leases ever had."""

    submission: Submission
    available_at: int
    state: State = State.PENDING
    attempt: int = 0
    token: str | None = None
    lease_expires_at: int = 0
    is_cancelling: bool = False
    expire_at: int | None = None
    checkpoint: bytes | None = None
    notes: int = 0
    tokens: list[str] = field(default_factory=list)

    def start(self, token: str, now: int) -> None:
        """An attempt begins."""
        self.state, self.attempt, self.token = State.RUNNING, self.attempt + 1, token
        self.lease_expires_at = now + LEASE_SECONDS * SECOND
        self.tokens.append(token)

    def stop(self, how: str, now: int) -> None:
        """The holder of the lease ends the attempt."""
        if how == "succeed":
            self.end(State.SUCCEEDED, now)
        elif self.is_cancelling:
            self.end(State.CANCELLED, now)
        elif how == "release":
            self.attempt -= 1
            self.wait(now)
        elif how == "retry" and self.attempt < self.submission.attempts_max:
            self.wait(now + RETRY_SECONDS * SECOND)
        else:
            self.end(State.FAILED, now)

    def lose(self, now: int) -> None:
        """The lease has expired."""
        if self.attempt < self.submission.attempts_max and not self.is_cancelling:
            self.wait(now)
        else:
            self.end(State.FAILED, now)

    def cancel(self, now: int) -> None:
        """Somebody asks to cancel what has not ended."""
        if self.state is State.PENDING:
            self.end(State.CANCELLED, now)
        else:
            self.is_cancelling = True

    def end(self, state: State, now: int) -> None:
        """Come to a terminal state."""
        self.state, self.token = state, None
        self.expire_at = now + RETENTION_SECONDS * SECOND

    def wait(self, available_at: int) -> None:
        """Go back to the queue."""
        self.state, self.token, self.available_at = State.PENDING, None, available_at

    def is_late(self, now: int) -> bool:
        """Whether it is pending past its deadline."""
        deadline_at = self.submission.deadline_at
        return self.state is State.PENDING and deadline_at is not None and deadline_at <= now

    def is_lost(self, now: int) -> bool:
        """Whether its lease has expired."""
        return self.token is not None and self.lease_expires_at <= now


class Bucket:
    """A rate: what it holds at most is what a second brings, and one."""

    def __init__(self, per_minute: int) -> None:
        self._per_instant = Fraction(1, math.ceil(Fraction(60 * SECOND, per_minute)))
        self._most = SECOND * self._per_instant + 1
        self._at = 0
        self.tokens = self._most

    def fill(self, now: int) -> None:
        """Let it fill until now."""
        self.tokens = min(self._most, self.tokens + (now - self._at) * self._per_instant)
        self._at = now


class Model(dict[str, Expected]):
    """All operations, by id."""

    def __init__(self) -> None:
        super().__init__()
        self.buckets: dict[tuple[str, str], Bucket] = {}

    def running(self) -> list[tuple[str, Expected, str]]:
        """Whose attempts hold a lease, and which."""
        return [(id_, each, each.token) for id_, each in self.items() if each.token is not None]

    def stale(self) -> list[tuple[str, str]]:
        """The leases that were held once."""
        return [
            (id_, token)
            for id_, each in self.items()
            for token in each.tokens
            if token != each.token
        ]

    def next(self, claim: Claim, now: int) -> list[str]:
        """What a claim takes, in order. What it takes of a rate is spent."""
        chosen: list[str] = []
        while len(chosen) < claim.limit:
            free = [id_ for id_ in self if self._may_start(id_, claim, chosen, now)]
            if not free:
                break
            tenant = min(
                {self._wish(id_).tenant for id_ in free},
                key=lambda each: (
                    (self._running("tenant", each, chosen) + claim.served.get(each, 0))
                    / (claim.sharing.of_tenant(each).weight or 1),
                    each <= claim.after_tenant,
                    each,
                ),
            )
            first = min(
                (id_ for id_ in free if self._wish(id_).tenant == tenant),
                key=lambda id_: (-self._wish(id_).priority, id_),
            )
            chosen.append(first)
            for bucket in self._buckets(first, claim, now):
                bucket.tokens -= 1
        return chosen

    def _may_start(self, id_: str, claim: Claim, chosen: list[str], now: int) -> bool:
        each, wish = self[id_], self._wish(id_)
        key = (wish.tenant, wish.concurrency_key)
        busy = [
            (self._wish(other).tenant, self._wish(other).concurrency_key)
            for other in self
            if self[other].state is State.RUNNING or other in chosen
        ]
        return (
            each.state is State.PENDING
            and id_ not in chosen
            and wish.kind in claim.kinds
            and each.available_at <= now
            and not each.is_late(now)
            and (wish.concurrency_key is None or key not in busy)
            and all(
                share.running_max is None or self._running(scope, name, chosen) < share.running_max
                for scope, name, share in self._shares(id_, claim)
            )
            and all(bucket.tokens >= 1 for bucket in self._buckets(id_, claim, now))
        )

    def _shares(self, id_: str, claim: Claim) -> list[tuple[str, str, TenantShare | KindShare]]:
        wish = self._wish(id_)
        return [
            ("tenant", wish.tenant, claim.sharing.of_tenant(wish.tenant)),
            ("kind", wish.kind, claim.sharing.of_kind(wish.kind)),
        ]

    def _running(self, scope: str, name: str, chosen: list[str]) -> int:
        return sum(
            getattr(each.submission, scope) == name
            for id_, each in self.items()
            if each.state is State.RUNNING or id_ in chosen
        )

    def _buckets(self, id_: str, claim: Claim, now: int) -> "list[Bucket]":
        found = []
        for scope, name, share in self._shares(id_, claim):
            if share.starts_per_minute is not None:
                bucket = self.buckets.setdefault((scope, name), Bucket(share.starts_per_minute))
                bucket.fill(now)
                found.append(bucket)
        return found

    def _wish(self, id_: str) -> Submission:
        return self[id_].submission

    def reap(self, now: int) -> set[str]:
        """End what is overdue; which operations that were."""
        lost = {id_ for id_, each in self.items() if each.is_lost(now)}
        for id_ in lost:
            self[id_].lose(now)
        late = {id_ for id_, each in self.items() if each.is_late(now)}
        for id_ in late:
            self[id_].end(State.FAILED, now)
        return lost | late

    def expired(self, now: int) -> list[str]:
        """What is past its retention."""
        return [
            id_
            for id_, each in self.items()
            if each.expire_at is not None and each.expire_at <= now
        ]

    def with_key(self, submission: Submission) -> str | None:
        """The operation that has this submission's idempotency key."""
        if submission.idempotency_key is None:
            return None
        scope = (submission.tenant, submission.idempotency_key)
        for id_, each in self.items():
            if (each.submission.tenant, each.submission.idempotency_key) == scope:
                return id_
        return None

    def listed(
        self, tenant: str, states: set[State], kinds: set[str], label: str | None
    ) -> list[str]:
        """What a list shows, newest first."""
        return [
            id_
            for id_, each in sorted(self.items(), reverse=True)
            if each.submission.tenant == tenant
            and (not states or each.state in states)
            and (not kinds or each.submission.kind in kinds)
            and (label is None or each.submission.labels.get("team") == label)
        ]


def visible(operation: Operation) -> Operation:
    """What clients see of the operation, its revision aside."""
    lease = operation.lease
    return msgspec.structs.replace(
        operation,
        revision=0,
        lease=None if lease is None else msgspec.structs.replace(lease, expires_at=0),
    )
