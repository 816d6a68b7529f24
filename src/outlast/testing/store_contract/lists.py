"""find."""
# ruff: noqa: D102  the name of a test is its sentence

from itertools import product
from typing import Any

import pytest

from outlast.operations.model import SECOND, Operation
from outlast.operations.states import State
from outlast.store.port import Query, View
from outlast.testing.clock import ManualClock
from outlast.testing.store_contract.given import (
    TENANT,
    ContractFixtures,
    Given,
    cancelling,
    reporting,
    saving,
)

SUCCEEDED = frozenset({State.SUCCEEDED})
FIELDS: dict[str, tuple[Any, ...]] = {
    "kind": ("a", "b"),
    "labels": ({}, {"team": "blue"}, {"team": "blue", "tier": "gold"}),
    "resource_type": (None, "database"),
    "resource_id": (None, "r1"),
    "project": (None, "p1"),
}
FILTERS: dict[str, tuple[Any, ...]] = {
    "states": (frozenset(), frozenset({State.PENDING}), frozenset({State.PENDING, State.FAILED})),
    "kinds": (frozenset(), frozenset({"b"}), frozenset({"a", "b", "c"})),
    "labels": ({}, {"team": "blue"}, {"tier": "gold", "team": "blue"}),
    "resource_type": (None, "database"),
    "resource_id": (None, "r1"),
    "project": (None, "p1"),
}


class ListContract(ContractFixtures):
    """What `find` promises."""

    async def test_a_list_has_the_newest_first_and_nothing_of_other_tenants(
        self, given: Given
    ) -> None:
        operations = [await given.pending() for _ in range(3)]
        await given.pending(tenant="other")
        assert await given.listed() == [operation.id for operation in reversed(operations)]
        assert await given.listed(tenant="nobody") == []

    async def test_pages_show_everything_once(self, given: Given) -> None:
        operations = [await given.pending() for _ in range(7)]
        seen: list[str] = []
        sizes = []
        before_id = None
        while True:
            query = Query(tenant=TENANT, limit=3, before_id=before_id)
            page = await given.operations.find(query)
            seen += [operation.id for operation in page.operations]
            sizes.append(len(page.operations))
            before_id = page.next_before_id
            if before_id is None:
                break
            await given.pending()
        assert seen == [operation.id for operation in reversed(operations)]
        assert sizes == [3, 3, 1]

    async def test_a_page_that_ends_the_list_exactly_has_no_next(self, given: Given) -> None:
        for _ in range(4):
            await given.pending()
        page = await given.operations.find(Query(tenant=TENANT, limit=4))
        assert (len(page.operations), page.next_before_id) == (4, None)

    async def test_every_filter_agrees_with_every_other(self, given: Given) -> None:
        operations: list[Operation] = []
        for values in product(*FIELDS.values()):
            operation = await given.pending(**dict(zip(FIELDS, values, strict=True)))
            if len(operations) % 3 == 0:
                operation = await given.change(operation, cancelling)
            operations.append(operation)
        operations.reverse()
        for values in product(*FILTERS.values()):
            filters = dict(zip(FILTERS, values, strict=True))
            expected = [
                operation.id
                for operation in operations
                if (not filters["states"] or operation.state in filters["states"])
                and (not filters["kinds"] or operation.kind in filters["kinds"])
                and filters["labels"].items() <= operation.labels.items()
                and filters["resource_type"] in {None, operation.resource_type}
                and filters["resource_id"] in {None, operation.resource_id}
                and filters["project"] in {None, operation.project}
            ]
            assert await given.listed(**filters, limit=500) == expected, filters

    async def test_filters_page_as_well(self, given: Given) -> None:
        for number in range(12):
            await given.pending(
                kind="ab"[number % 2], labels={"team": "blue"}, project="p1", resource_id="r1"
            )
        every = await given.listed(limit=500)
        for filters in (
            {"kinds": frozenset({"a", "b"})},
            {"labels": {"team": "blue"}},
            {"project": "p1"},
            {"resource_id": "r1"},
        ):
            first = await given.listed(**filters, limit=5)
            rest = await given.listed(**filters, limit=50, before_id=first[-1])
            assert first + rest == every, filters

    async def test_children_are_listed_by_their_parent(self, given: Given) -> None:
        parent = await given.pending()
        child = await given.pending(parent_id=parent.id)
        await given.pending(tenant="other", parent_id=parent.id)
        assert await given.listed(parent_id=parent.id) == [child.id]
        assert await given.listed(parent_id=parent.id, states=SUCCEEDED) == []

    async def test_a_list_follows_changes_of_state(self, given: Given) -> None:
        ended = await given.ended()
        pending = await given.pending()
        assert await given.listed(states=SUCCEEDED) == [ended.id]
        assert await given.listed(states=frozenset({State.PENDING})) == [pending.id]
        assert await given.listed(states=frozenset({State.RUNNING})) == []

    @pytest.mark.parametrize("microseconds", [0, 1, 500, 999])
    async def test_created_after_is_inclusive_and_created_before_exclusive(
        self, given: Given, clock: ManualClock, microseconds: int
    ) -> None:
        clock.advance(microseconds / SECOND)
        operations = [await given.pending() for _ in range(3)]
        first, second, third = operations
        at = second.created_at
        assert await given.listed(created_after=at) == [third.id, second.id]
        assert await given.listed(created_after=at + 1) == [third.id]
        assert await given.listed(created_before=at) == [first.id]
        assert await given.listed(created_before=at + 1) == [second.id, first.id]
        assert await given.listed(created_after=at, created_before=at + 1) == [second.id]
        assert await given.listed(created_after=at, created_before=at) == []

    async def test_a_summary_has_no_spec_result_and_checkpoint(self, given: Given) -> None:
        big = b'"' + b"s" * 9_000 + b'"'
        operation = await given.running(spec=big, labels={"a": "b"})
        await given.change(operation, saving(operation, big))
        changed = await given.change(operation, reporting(operation, message="m" * 9_000))
        page = await given.operations.find(Query(tenant=TENANT))
        (summary,) = page.operations
        assert (summary.spec, summary.result, summary.checkpoint) == (b"", None, None)
        assert (summary.labels, summary.progress) == ({"a": "b"}, changed.progress)

    async def test_a_full_view_has_everything(self, given: Given) -> None:
        small = await given.ended(kind="small")
        big = await given.ended(spec=b'"' + b"s" * 9_000 + b'"')
        page = await given.operations.find(Query(tenant=TENANT, view=View.FULL))
        assert list(page.operations) == [big, small]
