"""What the state machine of `store_machine` believes of a store. It knows no adapter and no domain.

Only plain rules: who is next, what an ending leads to, what is overdue.
"""

from dataclasses import dataclass, field

from outlast.operations.model import SECOND, Submission
from outlast.operations.states import State

LEASE_SECONDS = 10
RETENTION_SECONDS = 60
RETRY_SECONDS = 5


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


class Model(dict[str, Expected]):
    """All operations, by id."""

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

    def next(self, kinds: set[str], limit: int, now: int) -> list[str]:
        """What a claim takes, in order."""
        busy = {
            (each.submission.tenant, each.submission.concurrency_key)
            for each in self.values()
            if each.state is State.RUNNING
        }
        chosen: list[str] = []
        by_rank = sorted(self.items(), key=lambda item: (-item[1].submission.priority, item[0]))
        for id_, each in by_rank:
            wish = each.submission
            key = (wish.tenant, wish.concurrency_key)
            if (
                each.state is State.PENDING
                and wish.kind in kinds
                and each.available_at <= now
                and not each.is_late(now)
                and (wish.concurrency_key is None or key not in busy)
                and len(chosen) < limit
            ):
                busy.add(key)
                chosen.append(id_)
        return chosen

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
