"""reap, prune, and what is left of what is gone."""
# ruff: noqa: D102  the name of a test is its sentence

from outlast.operations.model import SECOND
from outlast.operations.states import Event, State
from outlast.store.port import Tombstone
from outlast.testing.clock import ManualClock
from outlast.testing.store_contract.given import (
    TENANT,
    ContractFixtures,
    Given,
    cancelling,
    ending,
    held,
)


class ChoresContract(ContractFixtures):
    """What `reap`, `prune` and tombstones promise."""

    async def test_a_lease_is_not_reaped_before_it_expires(
        self, given: Given, clock: ManualClock
    ) -> None:
        operation = await given.running()
        clock.advance(14.999)
        assert await given.operations.reap(9) == []
        assert await given.stored(operation) == operation
        clock.advance(0.001)
        assert len(await given.operations.reap(9)) == 1

    async def test_a_lost_attempt_counts_and_another_one_follows(
        self, given: Given, clock: ManualClock
    ) -> None:
        operation = await given.running(attempts_max=2)
        clock.advance(15)
        (reaped,) = await given.operations.reap(9)
        assert (reaped.state, reaped.attempt, reaped.lease) == (State.PENDING, 1, None)
        assert await given.stored(operation) == reaped
        assert (await given.events(operation))[-1].type == Event.LEASE_LOST
        assert await given.operations.reap(9) == []
        (again,) = await given.claimed()
        assert (again.id, again.attempt) == (operation.id, 2)

    async def test_losing_the_last_attempt_fails_the_operation(
        self, given: Given, clock: ManualClock
    ) -> None:
        operation = await given.running()
        clock.advance(15)
        (reaped,) = await given.operations.reap(9)
        assert reaped.state is State.FAILED
        assert reaped.failure is not None
        assert reaped.failure.code == "lease_expired"
        assert await given.stored(operation) == reaped

    async def test_an_attempt_lost_while_cancelling_is_not_called_cancelled(
        self, given: Given, clock: ManualClock
    ) -> None:
        operation = await given.running(attempts_max=5)
        await given.change(operation, cancelling)
        clock.advance(15)
        (reaped,) = await given.operations.reap(9)
        assert reaped.state is State.FAILED
        assert reaped.failure is not None
        assert reaped.failure.code == "lost_while_cancelling"

    async def test_a_pending_operation_fails_at_its_deadline(
        self, given: Given, clock: ManualClock
    ) -> None:
        operation = await given.pending(deadline_at=clock() + 5 * SECOND)
        clock.advance(4.9)
        assert await given.operations.reap(9) == []
        clock.advance(0.1)
        (reaped,) = await given.operations.reap(9)
        assert (reaped.id, reaped.state) == (operation.id, State.FAILED)
        assert reaped.failure is not None
        assert reaped.failure.code == "deadline_exceeded"

    async def test_the_deadline_of_a_running_operation_is_its_workers_business(
        self, given: Given, clock: ManualClock
    ) -> None:
        operation = await given.running(deadline_at=clock() + 5 * SECOND)
        clock.advance(10)
        assert await given.operations.reap(9) == []
        assert (await given.stored(operation)).state is State.RUNNING

    async def test_no_more_is_reaped_than_asked_for(self, given: Given, clock: ManualClock) -> None:
        for _ in range(3):
            await given.running()
        for _ in range(3):
            await given.pending(deadline_at=clock() + SECOND)
        clock.advance(20)
        assert await given.operations.reap(0) == []
        assert [len(await given.operations.reap(4)) for _ in range(3)] == [4, 2, 0]

    async def test_an_operation_is_pruned_after_its_retention_and_not_before(
        self, given: Given, clock: ManualClock
    ) -> None:
        ended = await given.ended(retention_seconds=60)
        clock.advance(59.999)
        assert await given.operations.prune(9) == 0
        assert await given.exists(ended)
        clock.advance(0.001)
        assert await given.operations.prune(9) == 1
        assert not await given.exists(ended)

    async def test_what_has_not_ended_is_never_pruned(
        self, given: Given, clock: ManualClock
    ) -> None:
        running = await given.running(retention_seconds=0)
        pending = await given.pending(retention_seconds=0)
        clock.advance(10**8)
        assert await given.operations.prune(9) == 0
        assert await given.exists(running)
        assert await given.exists(pending)

    async def test_no_more_is_pruned_than_asked_for(self, given: Given, clock: ManualClock) -> None:
        for _ in range(120):
            await given.pending(retention_seconds=1)
        for operation in await given.claimed(limit=120):
            await given.change(operation, cancelling)
            await given.change(operation, ending(operation, State.CANCELLED))
        kept = await given.pending()
        clock.advance(2)
        assert [await given.operations.prune(70) for _ in range(3)] == [70, 50, 0]
        assert await given.listed(limit=500) == [kept.id]

    async def test_a_pruned_operation_leaves_nothing_behind(
        self, given: Given, clock: ManualClock
    ) -> None:
        operation = await given.running(
            alias="a",
            idempotency_key="k",
            fingerprint=b"1",
            labels={"x": "y"},
            spec=b'"' + b"s" * 9_000 + b'"',
            retention_seconds=1,
        )
        await given.operations.append_log(held(operation), [(1, "line")], 1000)
        await given.change(operation, cancelling)
        await given.change(operation, ending(operation, State.CANCELLED))
        clock.advance(1)
        assert await given.operations.prune(9) == 1
        assert await given.operations.get(TENANT, ["a"]) == [None]
        assert await given.events(operation) == []
        assert await given.operations.log(operation.id) == []
        assert await given.listed(labels={"x": "y"}) == []
        again = await given.create(alias="a", idempotency_key="k", fingerprint=b"2")
        assert again.is_new

    async def test_what_was_pruned_or_deleted_leaves_a_tombstone(
        self, given: Given, clock: ManualClock
    ) -> None:
        pruned = await given.ended(retention_seconds=60, alias="a", labels={"x": "y"})
        deleted = await given.ended(kind="other")
        kept = await given.ended(alias="b")
        await given.operations.delete(TENANT, deleted.id)
        deleted_at = clock()
        clock.advance(60)
        assert await given.operations.prune(9) == 1
        for ref in (pruned.id, "a"):
            stone = await given.operations.find_tombstone(TENANT, ref)
            assert stone == Tombstone(pruned.id, TENANT, "a", pruned.kind, clock())
        stone = await given.operations.find_tombstone(TENANT, deleted.id)
        assert stone == Tombstone(deleted.id, TENANT, None, "other", deleted_at)
        for tenant, ref in ((TENANT, kept.id), (TENANT, "b"), ("away", pruned.id), ("away", "a")):
            assert await given.operations.find_tombstone(tenant, ref) is None

    async def test_of_tombstones_with_the_same_alias_the_newest_is_found(
        self, given: Given, clock: ManualClock
    ) -> None:
        for _ in range(2):
            last = await given.ended(alias="a")
            clock.advance(1)
            await given.operations.delete(TENANT, "a")
        stone = await given.operations.find_tombstone(TENANT, "a")
        assert stone is not None
        assert stone.id == last.id

    async def test_an_operation_under_the_id_of_one_that_is_gone_can_go_as_well(
        self, given: Given, clock: ManualClock
    ) -> None:
        gone = await given.ended()
        await given.operations.delete(TENANT, gone.id)
        clock.advance(1)
        again = await given.ended(operation_id=gone.id)
        await given.operations.delete(TENANT, again.id)
        stone = await given.operations.find_tombstone(TENANT, gone.id)
        assert stone == Tombstone(gone.id, TENANT, None, again.kind, clock())

    async def test_tombstones_go_oldest_first_and_no_more_than_asked_for(
        self, given: Given, clock: ManualClock
    ) -> None:
        ended = [await given.ended() for _ in range(5)]
        for operation in ended:
            await given.operations.delete(TENANT, operation.id)
            clock.advance(1)
        before = clock() - SECOND
        assert [await given.operations.prune_tombstones(before, 3) for _ in range(3)] == [3, 1, 0]
        stones = [await given.operations.find_tombstone(TENANT, one.id) for one in ended]
        assert [stone is None for stone in stones] == [True, True, True, True, False]
