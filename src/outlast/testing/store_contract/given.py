"""What the tests of the contract begin with: a store, a clock, and operations in any state."""

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from outlast.operations import transitions
from outlast.operations.errors import OutlastError
from outlast.operations.failure import Failure
from outlast.operations.kind import CatalogWrite
from outlast.operations.model import HistoryEvent, Operation, Submission, Transition
from outlast.operations.progress import Report
from outlast.operations.states import State
from outlast.store.port import (
    AuditEntry,
    CatalogStore,
    Change,
    Claim,
    Created,
    Creation,
    Decide,
    Held,
    OperationStore,
    Query,
    Store,
)
from outlast.testing.clock import ManualClock

MakeStore: TypeAlias = Callable[[], Store]
KIND = "thumbnails"
TENANT = "acme"
MEMBER = "ada"
RETRYABLE = Failure(code="crashed", message="it broke", fault="platform", retryable=True)
FATAL = Failure(code="bad_input", message="it is empty", fault="user")


def wish(**fields: Any) -> Submission:
    """A submission in which only the given fields matter."""
    defaults = {"tenant": TENANT, "created_by": MEMBER, "kind": KIND, "spec": b'{"size":64}'}
    return Submission(**{**defaults, **fields})


def held(operation: Operation) -> Held:
    """The lease that the operation's attempt holds."""
    assert operation.lease is not None
    return Held(id=operation.id, token=operation.lease.token)


def ending(operation: Operation, state: State) -> Decide:
    """A decision that leads the running operation to a terminal state."""
    token = held(operation).token
    match state:
        case State.SUCCEEDED:
            return lambda stored, now: transitions.succeed(stored, token, b'"done"', now)
        case State.FAILED:
            return lambda stored, now: transitions.fail(stored, token, FATAL, 0, now)
        case _:
            return lambda stored, now: transitions.confirm_cancel(stored, token, now)


def retrying(operation: Operation, delay_seconds: float) -> Decide:
    """A decision that ends the attempt; another one may follow after the delay."""
    token = held(operation).token
    return lambda stored, now: transitions.fail(stored, token, RETRYABLE, delay_seconds, now)


def releasing(operation: Operation) -> Decide:
    """A decision that gives the attempt back."""
    token = held(operation).token
    return lambda stored, now: transitions.release(stored, token, now)


def cancelling(stored: Operation, now: int) -> Transition:
    """The decision to cancel."""
    return transitions.request_cancel(stored, MEMBER, now)


class Given:
    """A store with shorthands for what a test needs to be so."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.operations: OperationStore = store.operations
        self.catalog: CatalogStore = store.catalog
        self.clock = clock

    async def create(
        self,
        operation_id: str | None = None,
        writes: Sequence[CatalogWrite] = (),
        audit: AuditEntry | None = None,
        **fields: Any,
    ) -> Created:
        """Create one operation, or raise what it was refused with."""
        creation = Creation(
            submission=wish(**fields), operation_id=operation_id, writes=writes, audit=audit
        )
        (answer,) = await self.operations.create([creation])
        if isinstance(answer, OutlastError):
            raise answer
        return answer

    async def pending(self, **fields: Any) -> Operation:
        """A new operation. Each is created a millisecond after the one before."""
        self.clock.advance(0.001)
        return (await self.create(**fields)).operation

    async def claim(self, *kinds: str, limit: int = 1, lease_seconds: float = 15) -> list[str]:
        """The ids of what a claim takes."""
        claimed = await self.claimed(*kinds, limit=limit, lease_seconds=lease_seconds)
        return [operation.id for operation in claimed]

    async def claimed(
        self, *kinds: str, limit: int = 1, lease_seconds: float = 15, worker: str = "w1"
    ) -> list[Operation]:
        """What a claim takes."""
        claim = Claim(
            kinds=frozenset(kinds or {KIND}),
            worker=worker,
            limit=limit,
            lease_seconds=lease_seconds,
        )
        return await self.operations.claim(claim)

    async def running(self, **fields: Any) -> Operation:
        """A new operation whose attempt has started. Nothing else of its kind may be claimable."""
        pending = await self.pending(**fields)
        (operation,) = await self.claimed(pending.kind)
        assert operation.id == pending.id
        return operation

    async def ended(self, state: State = State.SUCCEEDED, **fields: Any) -> Operation:
        """A new operation that has come to this terminal state."""
        operation = await self.running(**fields)
        if state is State.CANCELLED:
            await self.change(operation, cancelling)
        return await self.change(operation, ending(operation, state))

    async def change(
        self,
        operation: Operation,
        decide: Decide,
        *,
        writes: Sequence[CatalogWrite] = (),
        audit: AuditEntry | None = None,
        tenant: str | None = None,
    ) -> Operation:
        """Take one decision, or raise what it was refused with."""
        change = Change(id=operation.id, tenant=tenant, decide=decide, writes=writes, audit=audit)
        (answer,) = await self.operations.apply([change])
        if isinstance(answer, OutlastError):
            raise answer
        return answer

    async def stored(self, operation: Operation) -> Operation:
        """The operation as it stands."""
        (found,) = await self.operations.get(None, [operation.id])
        assert found is not None
        return found

    async def exists(self, operation: Operation) -> bool:
        """Whether the operation is still there."""
        return await self.operations.get(None, [operation.id]) != [None]

    async def events(self, operation: Operation) -> list[HistoryEvent]:
        """The operation's history."""
        return await self.operations.events(operation.id)

    async def listed(self, **filters: Any) -> list[str]:
        """The ids of one page of a list."""
        page = await self.operations.find(Query(**{"tenant": TENANT, **filters}))
        return [operation.id for operation in page.operations]

    async def put(self, type_: str, id_: str, **fields: Any) -> None:
        """A resource, whatever was there."""
        await self.catalog.write(TENANT, [put(type_, id_, **fields)])


def put(
    type_: str,
    id_: str,
    name: str = "",
    document: bytes | None = b"{}",
    *,
    expected: int | None = None,
    fields: Mapping[str, str] | None = None,
    due_at: int | None = None,
    owned: bool = False,
) -> CatalogWrite:
    """One catalog write."""
    return CatalogWrite(
        type=type_,
        id=id_,
        name=name,
        document=document,
        expected_revision=expected,
        fields=fields or {},
        due_at=due_at,
        is_owned=owned,
    )


class ContractFixtures:
    """The fixtures of the contract. A subclass adds `make_store`."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The clock of every store in the test."""
        return ManualClock()

    @pytest.fixture
    async def store(self, make_store: MakeStore, no_leaks: None) -> AsyncIterator[Store]:  # noqa: ARG002
        """An open store."""
        store = make_store()
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    async def second_store(self, make_store: MakeStore, store: Store) -> AsyncIterator[Store]:  # noqa: ARG002
        """Another open store on the same database, as another process would have it."""
        second = make_store()
        await second.open()
        yield second
        await second.close()

    @pytest.fixture
    def given(self, store: Store, clock: ManualClock) -> Given:
        """The store with shorthands."""
        return Given(store, clock)

    @pytest.fixture
    def no_leaks(self) -> Iterator[None]:
        """After the test there are no more threads and open files than before."""
        threads, files = threading.active_count(), open_files()
        yield
        gc.collect()
        assert threading.active_count() <= threads
        left = open_files() - files
        assert not left, f"still open: {left}"


def open_files() -> set[str]:
    """What this process holds open, as far as the system tells."""
    if sys.platform != "linux":
        return set()
    names = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            names.add(f"{descriptor.name} {descriptor.readlink()}")
        except FileNotFoundError:
            continue  # the folder itself, read to list it
    return names


async def settle() -> None:
    """Let what is due on the loop happen."""
    for _ in range(3):
        await asyncio.sleep(0)


def reporting(operation: Operation, **fields: Any) -> Decide:
    """A decision that stores a report of the attempt."""
    report = Report(**fields)
    token = held(operation).token
    return lambda stored, now: transitions.report(stored, token, report, now)


def saving(operation: Operation, document: bytes) -> Decide:
    """A decision that stores a checkpoint."""
    token = held(operation).token
    return lambda stored, now: transitions.checkpoint(stored, token, document, now)


def noting(operation: Operation, name: str) -> Decide:
    """A decision that adds an event of the handler."""
    return partial(_note, token=held(operation).token, name=name)


def _note(stored: Operation, now: int, *, token: str, name: str) -> Transition:
    return transitions.note(stored, token, name, {"name": name}, now)
