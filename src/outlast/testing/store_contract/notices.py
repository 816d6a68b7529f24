"""subscribe."""
# ruff: noqa: D102  the name of a test is its sentence

import asyncio
from collections.abc import Callable

from outlast.operations.model import Operation
from outlast.operations.states import State
from outlast.store.port import Changed, Store
from outlast.testing.store_contract.given import (
    ContractFixtures,
    Given,
    cancelling,
    ending,
    releasing,
)

WAIT_SECONDS = 10


class Ear:
    """Hears notices, and waits for one."""

    def __init__(self, store: Store) -> None:
        self.heard: list[Changed] = []
        self._news = asyncio.Event()
        self.leave = store.operations.subscribe(self._hear)

    def _hear(self, changed: Changed) -> None:
        self.heard.append(changed)
        self._news.set()

    async def until(self, is_it: Callable[[Changed], bool]) -> None:
        """Return when a notice since the last look was such."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not any(is_it(changed) for changed in self.heard):
                self._news.clear()
                await self._news.wait()
        self.heard.clear()


def of(operation: Operation) -> Callable[[Changed], bool]:
    """Whether a notice may be of this operation."""
    return lambda changed: changed.ids is None or operation.id in changed.ids


def is_claimable(changed: Changed) -> bool:
    """Whether a notice calls workers."""
    return changed.claimable


class NoticeContract(ContractFixtures):
    """What `subscribe` promises."""

    async def test_subscribers_hear_of_every_change(self, given: Given, store: Store) -> None:
        ear = Ear(store)
        operation = await given.pending()
        await ear.until(of(operation))
        (running,) = await given.claimed()
        await ear.until(of(operation))
        await given.change(operation, cancelling)
        await ear.until(of(operation))
        await given.change(operation, ending(running, State.CANCELLED))
        await ear.until(of(operation))
        await given.operations.delete(operation.tenant, operation.id)
        await ear.until(of(operation))
        ear.leave()

    async def test_workers_hear_when_something_becomes_claimable(
        self, given: Given, store: Store
    ) -> None:
        ear = Ear(store)
        running = await given.running(concurrency_key="db")
        await ear.until(is_claimable)
        await given.change(running, releasing(running))
        await ear.until(is_claimable)
        (again,) = await given.claimed()
        await given.pending(concurrency_key="db")
        assert await given.claimed() == []
        ear.heard.clear()
        await given.change(again, ending(again, State.SUCCEEDED))
        await ear.until(is_claimable)
        ear.leave()

    async def test_another_store_hears_of_changes(
        self, given: Given, store: Store, second_store: Store
    ) -> None:
        near, far = Ear(store), Ear(second_store)
        operation = await given.pending()
        await near.until(of(operation))
        await far.until(lambda changed: of(operation)(changed) and changed.claimable)
        near.leave()
        far.leave()

    async def test_nobody_hears_after_leaving(self, given: Given, store: Store) -> None:
        silent, ear = Ear(store), Ear(store)
        silent.leave()
        silent.leave()
        operation = await given.pending()
        await ear.until(of(operation))
        assert silent.heard == []
        ear.leave()
