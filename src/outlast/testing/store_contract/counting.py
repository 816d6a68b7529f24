"""count, and lists that are entered by number."""
# ruff: noqa: D102, PLR2004  the name of a test is its sentence

import asyncio
from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from outlast.operations.model import SECOND
from outlast.operations.states import State
from outlast.store.port import Count, Creation, Store
from outlast.testing.clock import ManualClock
from outlast.testing.store_contract.given import (
    TENANT,
    ContractFixtures,
    Given,
    cancelling,
    releasing,
    wish,
)

LISTS: dict[str, dict[str, Any]] = {
    "all": {},
    "kinds": {"kinds": frozenset({"a", "b"})},
    "state": {"states": frozenset({State.PENDING})},
    "kind and state": {"kinds": frozenset({"a"}), "states": frozenset({State.PENDING})},
    "label": {"labels": {"team": "blue"}},
    "resource": {"resource_type": "database", "resource_id": "r1"},
}


async def counted(
    given: Given,
    *states: State,
    kinds: Sequence[str] = (),
    tenant: str = TENANT,
    resource: tuple[str, str] | None = None,
) -> int | None:
    """How many there are."""
    return await given.operations.count(
        Count(tenant=tenant, kinds=frozenset(kinds), states=frozenset(states), resource=resource)
    )


class CountContract(ContractFixtures):
    """What `count` promises, and the offset of `find`."""

    async def test_every_state_and_kind_is_counted_as_it_is_listed(self, given: Given) -> None:
        for state, kind in product((State.SUCCEEDED, State.FAILED, State.CANCELLED), "aab"):
            await given.ended(state, kind=kind)
        await given.running(kind="b")
        for tenant in (TENANT, "other"):
            await given.pending(kind="a", tenant=tenant)
        for kinds, states in product(
            ([], ["a"], ["b", "c"], ["c"]), [*([one] for one in State), []]
        ):
            listed = await given.listed(kinds=frozenset(kinds), states=frozenset(states), limit=500)
            assert await counted(given, *states, kinds=kinds) == len(listed), (kinds, states)
        assert await counted(given, tenant="other") == 1
        assert await counted(given, tenant="nobody") == 0

    async def test_a_count_follows_an_operation_through_its_life(
        self, given: Given, clock: ManualClock
    ) -> None:
        async def all_states() -> list[int | None]:
            return [await counted(given, state) for state in State]

        operation = await given.running(retention_seconds=60, deadline_at=clock() + 60 * SECOND)
        assert await all_states() == [0, 1, 0, 0, 0]
        await given.change(operation, releasing(operation))
        assert await all_states() == [1, 0, 0, 0, 0]
        await given.change(operation, cancelling)
        assert await all_states() == [0, 0, 0, 0, 1]
        clock.advance(61)
        assert await given.operations.prune(10) == 1
        assert await all_states() == [0, 0, 0, 0, 0]

    async def test_what_is_reaped_and_what_is_deleted_is_counted(
        self, given: Given, clock: ManualClock
    ) -> None:
        await given.running(attempts_max=1)
        await given.pending(deadline_at=clock() + 1)
        clock.advance(60)
        assert len(await given.operations.reap(10)) == 2
        assert await counted(given, State.FAILED) == 2
        ended = await given.ended()
        await given.operations.delete(TENANT, ended.id)
        assert [await counted(given), await counted(given, State.SUCCEEDED)] == [2, 0]

    async def test_what_was_refused_or_was_there_already_is_not_counted(self, given: Given) -> None:
        first = await given.create(idempotency_key="k", fingerprint=b"1")
        again = Creation(submission=wish(idempotency_key="k", fingerprint=b"1"))
        other = Creation(submission=wish(idempotency_key="k", fingerprint=b"2"))
        taken = Creation(submission=wish(fingerprint=b"3"), operation_id=first.operation.id)
        await given.operations.create([again, other, taken, again])
        assert await counted(given) == 1

    async def test_counts_of_writers_at_the_same_time_add_up(
        self, given: Given, second_store: Store, clock: ManualClock
    ) -> None:
        second = Given(second_store, clock)
        stores = (given, second)
        batches = [
            [Creation(submission=wish(kind=kind)) for _ in range(5)]
            for kind in "ab"
            for _ in range(8)
        ]
        await asyncio.gather(
            *(stores[at % 2].operations.create(batch) for at, batch in enumerate(batches))
        )
        claimed = await asyncio.gather(
            *(stores[at % 2].claimed("a", "b", limit=7) for at in range(6))
        )
        running = sum(len(each) for each in claimed)
        assert await counted(second, State.RUNNING) == running
        assert await counted(given, State.PENDING) == 80 - running
        assert await counted(given, kinds="a") == 40

    async def test_a_resource_is_counted_with_every_other_filter(self, given: Given) -> None:
        mine: dict[str, Any] = {"resource_type": "database", "resource_id": "r1"}
        await given.pending(**mine)
        await given.ended(kind="b", **mine)
        await given.pending(**{**mine, "tenant": "other"})
        await given.pending(**{**mine, "resource_type": "file"})
        await given.pending()
        resource = ("database", "r1")
        assert await counted(given, resource=resource) == 2
        assert await counted(given, kinds="b", resource=resource) == 1
        assert await counted(given, State.PENDING, State.FAILED, resource=resource) == 1
        assert await counted(given, State.PENDING, kinds="b", resource=resource) == 0
        assert await counted(given, resource=("database", "r2")) == 0

    async def test_a_resource_with_too_many_operations_is_not_counted(self, given: Given) -> None:
        for _ in range(3):
            await given.pending(resource_type="database", resource_id="r1")
        await given.ended(State.FAILED, kind="c", resource_type="database", resource_id="r1")
        wanted = Count(tenant=TENANT, resource=("database", "r1"), walked_max=4)
        few = replace(wanted, walked_max=2)
        assert await given.operations.count(wanted) == 4
        assert await given.operations.count(few) is None
        assert await given.operations.count(replace(few, states=frozenset({State.PENDING}))) is None
        for rare in ({"states": frozenset({State.FAILED})}, {"kinds": frozenset({"b"})}):
            assert await given.operations.count(replace(few, **rare)) == len(rare.get("states", ()))

    @pytest.mark.parametrize("name", LISTS)
    async def test_a_list_can_be_entered_by_number(self, given: Given, name: str) -> None:
        filters = LISTS[name]
        for number in range(9):
            operation = await given.pending(
                kind="ab"[number % 2],
                labels={"team": "blue"},
                resource_type="database",
                resource_id="r1",
            )
            if number % 3 == 0:
                await given.change(operation, cancelling)
        every = await given.listed(**filters, limit=50)
        for offset in (0, 1, 2, 5, 9, 10):
            page = await given.listed(**filters, limit=2, offset=offset)
            assert page == every[offset : offset + 2], offset
        before = await given.listed(**filters, limit=2, offset=1, before_id=every[0])
        assert before == every[2:4]
