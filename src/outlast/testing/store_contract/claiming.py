"""claim."""
# ruff: noqa: D102, PLR2004  the name of a test is its sentence

import asyncio

from outlast.operations.model import SECOND, Lease
from outlast.operations.states import Event, State
from outlast.store.port import Claim, Store
from outlast.testing.clock import ManualClock
from outlast.testing.store_contract.given import (
    KIND,
    ContractFixtures,
    Given,
    cancelling,
    held,
    retrying,
    settle,
)


class ClaimContract(ContractFixtures):
    """What `claim` promises."""

    async def test_a_claim_starts_an_attempt_under_a_lease(
        self, given: Given, clock: ManualClock
    ) -> None:
        pending = await given.pending(spec=b'"' + b"s" * 4_000 + b'"', checkpoint=b"[1]")
        clock.advance(2)
        (operation,) = await given.claimed(KIND, lease_seconds=1.5, worker="w9")
        assert operation.lease is not None
        token = operation.lease.token
        assert operation.lease == Lease(
            token=token, worker="w9", expires_at=clock() + 3 * SECOND // 2
        )
        assert (operation.state, operation.attempt, operation.revision) == (State.RUNNING, 1, 2)
        assert operation.started_at == clock()
        assert (operation.spec, operation.checkpoint) == (pending.spec, b"[1]")
        assert await given.stored(operation) == operation
        event = (await given.events(operation))[-1]
        assert (event.type, event.attempt, event.actor) == (Event.CLAIMED, 1, "w9")

    async def test_nobody_claims_what_is_claimed(self, given: Given) -> None:
        await given.running()
        assert await given.claim() == []

    async def test_each_lease_has_its_own_token(self, given: Given) -> None:
        for _ in range(10):
            await given.pending()
        claimed = await given.claimed(KIND, limit=10)
        assert len({held(operation).token for operation in claimed}) == 10

    async def test_a_claim_takes_no_more_than_its_limit(self, given: Given) -> None:
        operations = [await given.pending() for _ in range(5)]
        assert await given.claim(limit=0) == []
        assert await given.claim(limit=2) == [operation.id for operation in operations[:2]]
        assert await given.claim(limit=9) == [operation.id for operation in operations[2:]]
        assert await given.claim(limit=9) == []

    async def test_a_claim_takes_only_its_kinds(self, given: Given) -> None:
        first = await given.pending(kind="a")
        await given.pending(kind="b")
        third = await given.pending(kind="c")
        assert await given.claim("a", "c", "nothing", limit=9) == [first.id, third.id]
        none = Claim(kinds=frozenset(), worker="w1", limit=1, lease_seconds=1)
        assert await given.operations.claim(none) == []

    async def test_higher_priority_goes_first_then_age_across_kinds(self, given: Given) -> None:
        low = await given.pending(kind="a", priority=-1)
        old = await given.pending(kind="b")
        high = await given.pending(kind="b", priority=100)
        young = await given.pending(kind="a")
        order = [high.id, old.id, young.id, low.id]
        assert await given.claim("a", "b", limit=3) == order[:3]
        assert await given.claim("a", "b", limit=3) == order[3:]

    async def test_claims_cross_tenants(self, given: Given) -> None:
        mine = await given.pending()
        theirs = await given.pending(tenant="other")
        assert await given.claim(limit=9) == [mine.id, theirs.id]

    async def test_a_scheduled_operation_waits_for_its_time(
        self, given: Given, clock: ManualClock
    ) -> None:
        scheduled = await given.pending(available_at=clock() + 10 * SECOND)
        assert await given.claim() == []
        clock.advance(9.99)
        assert await given.claim() == []
        clock.advance(0.01)
        assert await given.claim() == [scheduled.id]

    async def test_a_scheduled_operation_takes_its_place_when_its_time_has_come(
        self, given: Given, clock: ManualClock
    ) -> None:
        scheduled = await given.pending(available_at=clock() + 10 * SECOND)
        urgent = await given.pending(available_at=clock() + 10 * SECOND, priority=5)
        waiting = await given.pending()
        clock.advance(10)
        assert await given.claim(limit=9) == [urgent.id, scheduled.id, waiting.id]

    async def test_a_retry_waits_for_its_delay(self, given: Given, clock: ManualClock) -> None:
        operation = await given.running(attempts_max=2)
        await given.change(operation, retrying(operation, 5))
        clock.advance(4.9)
        assert await given.claim() == []
        clock.advance(0.1)
        assert await given.claim() == [operation.id]

    async def test_nobody_claims_after_the_deadline(self, given: Given, clock: ManualClock) -> None:
        late = await given.pending(deadline_at=clock() + 5 * SECOND)
        good = await given.pending(deadline_at=clock() + 50 * SECOND)
        clock.advance(5)
        assert await given.claim(limit=9) == [good.id]
        assert await given.claim(limit=9) == []
        assert (await given.stored(late)).state is State.PENDING

    async def test_nobody_claims_a_cancelled_operation(
        self, given: Given, clock: ManualClock
    ) -> None:
        operation = await given.pending()
        scheduled = await given.pending(available_at=clock() + SECOND)
        await given.change(operation, cancelling)
        await given.change(scheduled, cancelling)
        clock.advance(5)
        assert await given.claim(limit=9) == []

    async def test_what_two_stores_claim_at_once_is_exclusive(
        self, given: Given, second_store: Store, clock: ManualClock
    ) -> None:
        second = Given(second_store, clock)
        operations = [await given.pending() for _ in range(60)]
        batches = await asyncio.gather(
            *[each.claim(limit=7) for each in (given, second) for _ in range(6)]
        )
        claimed = [id_ for batch in batches for id_ in batch]
        assert sorted(claimed) == [operation.id for operation in operations]

    async def test_a_claim_whose_caller_has_gone_gives_back_what_it_took(
        self, given: Given
    ) -> None:
        operation = await given.pending()
        claiming = asyncio.create_task(given.claim())
        await settle()
        claiming.cancel()
        await asyncio.gather(claiming, return_exceptions=True)
        async with asyncio.timeout(10):
            while not (claimed := await given.claimed(KIND)):  # noqa: ASYNC110  a claim is all that can be observed
                await asyncio.sleep(0.005)
        assert [each.id for each in claimed] == [operation.id]
        assert claimed[0].attempt == 1
