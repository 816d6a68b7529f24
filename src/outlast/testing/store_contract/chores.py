"""reap and prune."""
# ruff: noqa: D102  the name of a test is its sentence

from outlast.operations.model import SECOND
from outlast.operations.states import Event, State
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
    """What `reap` and `prune` promise."""

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
