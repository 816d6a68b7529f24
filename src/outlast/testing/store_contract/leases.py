"""renew, and what a stale lease cannot do."""
# ruff: noqa: D102, PLR2004  the name of a test is its sentence

from collections.abc import Callable

import pytest

from outlast.operations import transitions
from outlast.operations.errors import LeaseLost
from outlast.operations.model import SECOND, Operation, Transition
from outlast.operations.progress import Report
from outlast.operations.states import State
from outlast.store.port import Held, Renewal
from outlast.testing.clock import ManualClock
from outlast.testing.store_contract.given import (
    FATAL,
    KIND,
    ContractFixtures,
    Given,
    cancelling,
    ending,
    held,
    releasing,
    reporting,
)

Write = Callable[[Operation, str, int], Transition]

WRITES_OF_AN_ATTEMPT: dict[str, Write] = {
    "succeed": lambda stored, token, now: transitions.succeed(stored, token, b"1", now),
    "fail": lambda stored, token, now: transitions.fail(stored, token, FATAL, 0, now),
    "report": lambda stored, token, now: transitions.report(stored, token, Report(done=1), now),
    "checkpoint": lambda stored, token, now: transitions.checkpoint(stored, token, b"1", now),
    "note": lambda stored, token, now: transitions.note(stored, token, "note", {}, now),
    "release": transitions.release,
    "see_cancel": transitions.see_cancel,
    "confirm_cancel": transitions.confirm_cancel,
    "pass_deadline": transitions.pass_deadline,
}


class LeaseContract(ContractFixtures):
    """What a lease gives, and `renew` promises."""

    @pytest.mark.parametrize("name", WRITES_OF_AN_ATTEMPT)
    async def test_a_lost_lease_can_change_nothing(
        self, given: Given, clock: ManualClock, name: str
    ) -> None:
        lost = await given.running(attempts_max=3, deadline_at=clock() + 100 * SECOND)
        token = held(lost).token
        clock.advance(20)
        await given.operations.reap(10)
        (current,) = await given.claimed(KIND, lease_seconds=500)
        asked = await given.change(current, cancelling)
        clock.advance(200)
        with pytest.raises(LeaseLost):
            await given.change(
                lost, lambda stored, now: WRITES_OF_AN_ATTEMPT[name](stored, token, now)
            )
        assert await given.stored(lost) == asked

    async def test_a_renewed_lease_lasts_longer_and_clients_see_no_change(
        self, given: Given, clock: ManualClock
    ) -> None:
        operation = await given.running()
        clock.advance(4)
        (answer,) = await given.operations.renew("w1", [held(operation)], 15)
        assert answer == Renewal(id=operation.id, token=held(operation).token, is_held=True)
        stored = await given.stored(operation)
        assert stored.lease is not None
        assert stored.lease.expires_at == clock() + 15 * SECOND
        assert (stored.revision, stored.updated_at) == (operation.revision, operation.updated_at)
        assert len(await given.events(operation)) == 2

    async def test_a_change_after_a_renewal_shows_the_lease_as_it_is(
        self, given: Given, clock: ManualClock
    ) -> None:
        operation = await given.running()
        clock.advance(4)
        await given.operations.renew("w1", [held(operation)], 15)
        changed = await given.change(operation, reporting(operation, done=1))
        assert changed == await given.stored(operation)
        assert changed.lease is not None
        assert changed.lease.expires_at == clock() + 15 * SECOND

    async def test_renewing_many_answers_each_in_order(self, given: Given) -> None:
        first = await given.running()
        second = await given.running()
        ended = await given.ended(kind="other")
        stale = Held(id=second.id, token="stale")  # noqa: S106  no password
        unknown = Held(id="nothing", token="stale")  # noqa: S106  no password
        gone = Held(id=ended.id, token="old")  # noqa: S106  no password
        wanted = [held(first), stale, unknown, held(second), gone]
        answers = await given.operations.renew("w1", wanted, 15)
        assert [(answer.id, answer.token) for answer in answers] == [
            (each.id, each.token) for each in wanted
        ]
        assert [answer.is_held for answer in answers] == [True, False, False, True, False]
        assert await given.operations.renew("w1", [], 15) == []

    async def test_renewing_tells_of_a_request_to_cancel(self, given: Given) -> None:
        operation = await given.running()
        await given.change(operation, cancelling)
        (answer,) = await given.operations.renew("w1", [held(operation)], 15)
        assert answer.is_held
        assert answer.cancel_requested

    async def test_an_expired_lease_that_nobody_reaped_is_extended(
        self, given: Given, clock: ManualClock
    ) -> None:
        operation = await given.running()
        clock.advance(16)
        (answer,) = await given.operations.renew("w1", [held(operation)], 15)
        assert answer.is_held
        assert await given.operations.reap(10) == []
        ended = await given.change(operation, ending(operation, State.SUCCEEDED))
        assert ended.state is State.SUCCEEDED

    async def test_a_lease_that_was_given_back_stays_lost(self, given: Given) -> None:
        operation = await given.running()
        await given.change(operation, releasing(operation))
        (answer,) = await given.operations.renew("w1", [held(operation)], 15)
        assert not answer.is_held
        assert (await given.stored(operation)).lease is None

    async def test_a_released_attempt_does_not_count(self, given: Given) -> None:
        operation = await given.running()
        released = await given.change(operation, releasing(operation))
        assert (released.state, released.attempt) == (State.PENDING, 0)
        (again,) = await given.claimed(KIND)
        assert (again.id, again.attempt) == (operation.id, 1)
        assert held(again).token != held(operation).token
