"""At most one operation runs per (tenant, concurrency key)."""
# ruff: noqa: D102  the name of a test is its sentence

import asyncio

import pytest

from outlast.operations.model import SECOND, Operation
from outlast.operations.states import State
from outlast.store.port import Store
from outlast.testing.clock import ManualClock
from outlast.testing.store_contract.given import (
    TENANT,
    ContractFixtures,
    Given,
    cancelling,
    ending,
    releasing,
    retrying,
)


class ConcurrencyKeyContract(ContractFixtures):
    """What a concurrency key promises."""

    async def test_one_claim_takes_one_operation_of_a_key(self, given: Given) -> None:
        first = await given.pending(concurrency_key="db")
        await given.pending(concurrency_key="db")
        free = await given.pending()
        other = await given.pending(concurrency_key="other")
        theirs = await given.pending(tenant="other", concurrency_key="db")
        assert await given.claim(limit=9) == [first.id, theirs.id, free.id, other.id]
        assert await given.claim(limit=9) == []

    @pytest.mark.parametrize("state", [state for state in State if state.is_terminal])
    async def test_the_next_of_a_key_follows_when_one_has_ended(
        self, given: Given, state: State
    ) -> None:
        running = await given.running(concurrency_key="db")
        waiting = await given.pending(concurrency_key="db")
        last = await given.pending(concurrency_key="db")
        assert await given.claim(limit=9) == []
        await given.change(running, cancelling)
        assert await given.claim(limit=9) == []
        await given.change(running, ending(running, state))
        assert await given.claim(limit=9) == [waiting.id]
        assert await given.claim(limit=9) == []
        assert (await given.stored(last)).state is State.PENDING

    async def test_the_next_of_a_key_is_the_one_of_highest_priority(self, given: Given) -> None:
        running = await given.running(concurrency_key="db")
        low = await given.pending(concurrency_key="db", priority=1)
        high = await given.pending(concurrency_key="db", priority=2)
        assert await given.claim(limit=9) == []
        higher = await given.pending(concurrency_key="db", priority=3)
        order = []
        operation = running
        for _ in range(3):
            await given.change(operation, ending(operation, State.SUCCEEDED))
            (operation,) = await given.claimed(limit=9)
            order.append(operation.id)
        assert order == [higher.id, high.id, low.id]

    async def test_the_next_of_a_key_follows_while_one_waits_for_its_retry(
        self, given: Given, clock: ManualClock
    ) -> None:
        running = await given.running(concurrency_key="db", attempts_max=3)
        waiting = await given.pending(concurrency_key="db")
        assert await given.claim(limit=9) == []
        await given.change(running, retrying(running, 5))
        (second,) = await given.claimed(limit=9)
        assert second.id == waiting.id
        clock.advance(5)
        assert await given.claim(limit=9) == []
        await given.change(second, ending(second, State.FAILED))
        assert await given.claim(limit=9) == [running.id]

    async def test_a_released_operation_of_a_key_can_be_claimed_again(self, given: Given) -> None:
        running = await given.running(concurrency_key="db")
        waiting = await given.pending(concurrency_key="db", priority=1)
        assert await given.claim(limit=9) == []
        await given.change(running, releasing(running))
        (second,) = await given.claimed(limit=9)
        assert second.id == waiting.id
        await given.change(second, ending(second, State.SUCCEEDED))
        assert await given.claim(limit=9) == [running.id]

    async def test_the_next_of_a_key_follows_a_lost_attempt(
        self, given: Given, clock: ManualClock
    ) -> None:
        await given.running(concurrency_key="db")
        waiting = await given.pending(concurrency_key="db")
        assert await given.claim(limit=9) == []
        clock.advance(20)
        await given.operations.reap(9)
        assert await given.claim(limit=9) == [waiting.id]

    async def test_a_waiting_operation_of_a_key_that_is_cancelled_does_not_hold_up_the_next(
        self, given: Given
    ) -> None:
        running = await given.running(concurrency_key="db")
        waiting = [await given.pending(concurrency_key="db") for _ in range(3)]
        assert await given.claim(limit=9) == []
        await given.change(waiting[0], cancelling)
        await given.change(running, ending(running, State.SUCCEEDED))
        await given.change(waiting[1], cancelling)
        assert await given.claim(limit=9) == [waiting[2].id]

    async def test_a_waiting_operation_of_a_key_past_its_deadline_does_not_hold_up_the_next(
        self, given: Given, clock: ManualClock
    ) -> None:
        running = await given.running(concurrency_key="db")
        late = await given.pending(concurrency_key="db", deadline_at=clock() + 5 * SECOND)
        waiting = await given.pending(concurrency_key="db")
        assert await given.claim(limit=9) == []
        clock.advance(6)
        await given.change(running, ending(running, State.SUCCEEDED))
        assert await given.claim(limit=9) == [waiting.id]
        assert [each.id for each in await given.operations.reap(9)] == [late.id]

    async def test_a_waiting_operation_of_a_kind_that_nobody_claims_does_not_hold_up_the_next(
        self, given: Given
    ) -> None:
        running = await given.running(kind="a", concurrency_key="db")
        unclaimed = await given.pending(kind="b", concurrency_key="db")
        waiting = await given.pending(kind="a", concurrency_key="db")
        assert await given.claim("a", "b", limit=9) == []
        await given.change(running, ending(running, State.SUCCEEDED))
        (second,) = await given.claimed("a", limit=9)
        assert second.id == waiting.id
        assert await given.claim("b", limit=9) == []
        await given.change(second, ending(second, State.SUCCEEDED))
        assert await given.claim("b", limit=9) == [unclaimed.id]

    async def test_a_deleted_operation_of_a_key_leaves_the_key_free(self, given: Given) -> None:
        ended = await given.ended(concurrency_key="db")
        await given.operations.delete(TENANT, ended.id)
        waiting = await given.pending(concurrency_key="db")
        assert await given.claim(limit=9) == [waiting.id]

    async def test_many_that_wait_for_a_key_do_not_hide_those_behind_them(
        self, given: Given
    ) -> None:
        await given.running(concurrency_key="db")
        for _ in range(40):
            await given.pending(concurrency_key="db", priority=1)
        free = await given.pending()
        assert await given.claim(limit=1) == [free.id]

    async def test_a_key_is_exclusive_between_stores(
        self, given: Given, second_store: Store, clock: ManualClock
    ) -> None:
        second = Given(second_store, clock)
        waiting = {(await given.pending(concurrency_key="db")).id for _ in range(8)}
        while waiting:
            batches = await asyncio.gather(
                *[each.claimed(limit=3) for each in (given, second) for _ in range(3)]
            )
            claimed: list[Operation] = [each for batch in batches for each in batch]
            assert len(claimed) == 1
            waiting.remove(claimed[0].id)
            await given.change(claimed[0], ending(claimed[0], State.SUCCEEDED))
