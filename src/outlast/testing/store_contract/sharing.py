"""claim: turns of tenants, and the limits of tenants and kinds."""
# ruff: noqa: D102, PLR2004  the name of a test is its sentence

import asyncio
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from outlast.operations.model import Operation
from outlast.operations.states import State
from outlast.settings import KindShare, Sharing, TenantShare
from outlast.store.port import Claim, Store
from outlast.testing.clock import ManualClock
from outlast.testing.store_contract.given import (
    KIND,
    TENANT,
    ContractFixtures,
    Given,
    ending,
    releasing,
)
from outlast.testing.store_contract.notices import Ear, is_claimable

ALIKE = Sharing()


async def take(
    given: Given,
    limit: int = 1,
    rules: Sharing = ALIKE,
    *,
    after: str = "",
    served: Mapping[str, float] = MappingProxyType({}),
    kinds: frozenset[str] = frozenset({KIND}),
) -> list[Operation]:
    """What a claim takes under these rules."""
    claim = Claim(
        kinds=kinds,
        worker="w1",
        limit=limit,
        lease_seconds=3600,
        after_tenant=after,
        served=served,
        sharing=rules,
    )
    return await given.operations.claim(claim)


def tenants(operations: list[Operation]) -> list[str]:
    """Whose they are."""
    return [operation.tenant for operation in operations]


class SharingContract(ContractFixtures):
    """What `claim` promises to tenants that share it."""

    async def test_tenants_take_turns_however_much_each_has(self, given: Given) -> None:
        for _ in range(20):
            await given.pending(tenant="noisy")
        quiet = [await given.pending(tenant="quiet") for _ in range(2)]
        claimed = await take(given, 6)
        assert tenants(claimed) == ["noisy", "quiet", "noisy", "quiet", "noisy", "noisy"]
        assert [one.id for one in claimed if one.tenant == "quiet"] == [one.id for one in quiet]

    async def test_whoever_has_fewest_running_is_next(self, given: Given) -> None:
        for _ in range(5):
            await given.pending(tenant="noisy")
        assert tenants(await take(given, 3)) == ["noisy"] * 3
        for _ in range(3):
            await given.pending(tenant="quiet")
        assert tenants(await take(given, 4)) == ["quiet", "quiet", "quiet", "noisy"]

    async def test_equals_go_round_from_whose_turn_it_was_last(self, given: Given) -> None:
        for tenant in ("a", "b", "c") * 2:
            await given.pending(tenant=tenant)
        turns = []
        last = "b"
        for _ in range(6):
            (operation,) = await take(given, after=last)
            last = operation.tenant
            turns.append(last)
            await given.change(operation, ending(operation, State.SUCCEEDED))
        assert turns == ["c", "a", "b", "c", "a", "b"]

    async def test_what_a_tenant_was_served_lately_counts_as_running(self, given: Given) -> None:
        for tenant in ("a", "b") * 6:
            await given.pending(tenant=tenant)
        assert tenants(await take(given, 4, served={"a": 2.5})) == ["b", "b", "b", "a"]

    async def test_priority_orders_the_work_of_one_tenant_and_no_others(self, given: Given) -> None:
        low = await given.pending(tenant="a")
        loud = [await given.pending(tenant="b", priority=100) for _ in range(2)]
        high = await given.pending(tenant="a", priority=1)
        claimed = await take(given, 4)
        assert [one.id for one in claimed] == [high.id, loud[0].id, low.id, loud[1].id]

    async def test_a_heavier_tenant_has_more_of_the_slots(self, given: Given) -> None:
        for _ in range(9):
            await given.pending(tenant="a")
            await given.pending(tenant="b")
        claimed = await take(given, 8, Sharing(tenants={"b": TenantShare(weight=3)}))
        assert Counter(tenants(claimed)) == {"a": 2, "b": 6}

    async def test_what_a_tenant_does_not_use_goes_to_the_others(self, given: Given) -> None:
        await given.pending(tenant="a")
        for _ in range(5):
            await given.pending(tenant="b", kind="other")
        claimed = await take(given, 5, kinds=frozenset({KIND, "other"}))
        assert Counter(tenants(claimed)) == {"a": 1, "b": 4}

    async def test_a_tenant_has_no_more_running_than_it_may(self, given: Given) -> None:
        for _ in range(4):
            await given.pending()
        theirs = await given.pending(tenant="other", priority=-5)
        rules = Sharing(every_tenant=TenantShare(running_max=2))
        first = await take(given, 9, rules)
        assert Counter(tenants(first)) == {TENANT: 2, "other": 1}
        assert theirs.id in [one.id for one in first]
        assert await take(given, 9, rules) == []
        mine = next(one for one in first if one.tenant == TENANT)
        await given.change(mine, ending(mine, State.FAILED))
        assert tenants(await take(given, 9, rules)) == [TENANT]

    async def test_a_tenants_own_rule_wins_over_that_of_every_tenant(self, given: Given) -> None:
        for tenant in ("a", "b") * 3:
            await given.pending(tenant=tenant)
        rules = Sharing(
            every_tenant=TenantShare(running_max=1), tenants={"b": TenantShare(running_max=2)}
        )
        claimed = await take(given, 9, rules)
        assert Counter(tenants(claimed)) == {"a": 1, "b": 2}

    async def test_a_kind_has_no_more_running_than_it_may_and_holds_up_no_other(
        self, given: Given
    ) -> None:
        for _ in range(30):
            await given.pending(kind="rare", priority=50)
        await given.pending(kind="rare", tenant="other")
        common = await given.pending(kind="common")
        both = frozenset({"rare", "common"})
        rules = Sharing(kinds={"rare": KindShare(running_max=2)})
        first = await take(given, 9, rules, kinds=both)
        assert Counter(one.kind for one in first) == {"rare": 2, "common": 1}
        assert common.id in [one.id for one in first]
        assert await take(given, 9, rules, kinds=both) == []
        rare = next(one for one in first if one.kind == "rare")
        await given.change(rare, releasing(rare))
        assert [one.kind for one in await take(given, 9, rules, kinds=both)] == ["rare"]

    @pytest.mark.parametrize("scope", ["tenant", "kind"])
    async def test_attempts_begin_no_faster_than_the_rate(
        self, given: Given, clock: ManualClock, scope: str
    ) -> None:
        for _ in range(30):
            await given.pending()
        rules = {
            "tenant": Sharing(tenants={TENANT: TenantShare(starts_per_minute=30)}),
            "kind": Sharing(kinds={KIND: KindShare(starts_per_minute=30)}),
        }[scope]
        begun = []
        for _ in range(40):
            begun.append(len(await take(given, 9, rules)))
            clock.advance(0.5)
        assert begun[0] == 1
        assert sum(begun) == 11
        assert max(begun) == 1

    async def test_a_rate_that_was_not_used_is_not_saved_up(
        self, given: Given, clock: ManualClock
    ) -> None:
        for _ in range(30):
            await given.pending()
        rules = Sharing(every_tenant=TenantShare(starts_per_minute=120))
        assert len(await take(given, 9, rules)) == 3
        clock.advance(3600)
        assert len(await take(given, 9, rules)) == 3

    async def test_what_is_held_back_hides_nothing_behind_it(self, given: Given) -> None:
        for number in range(60):
            await given.pending(priority=9, concurrency_key=f"k{number % 3}")
        free = await given.pending(tenant="zoe")
        rules = Sharing(tenants={TENANT: TenantShare(running_max=1)})
        assert Counter(tenants(await take(given, 3, rules))) == {TENANT: 1, "zoe": 1}
        assert await take(given, 3, rules) == []
        assert (await given.stored(free)).state is State.RUNNING

    async def test_workers_hear_when_there_is_room_again(self, given: Given, store: Store) -> None:
        await given.pending()
        await given.pending()
        rules = Sharing(every_tenant=TenantShare(running_max=1))
        (running,) = await take(given, 9, rules)
        assert await take(given, 9, rules) == []
        ear = Ear(store)
        await given.change(running, ending(running, State.SUCCEEDED))
        await ear.until(is_claimable)
        assert len(await take(given, 9, rules)) == 1
        ear.leave()

    async def test_limits_hold_for_claims_at_the_same_time(
        self, given: Given, second_store: Store, clock: ManualClock
    ) -> None:
        second = Given(second_store, clock)
        for tenant in ("a", "b", "c") * 20:
            await given.pending(tenant=tenant)
        rules = Sharing(
            every_tenant=TenantShare(running_max=2),
            tenants={"c": TenantShare(running_max=9, starts_per_minute=120)},
        )
        running: list[Operation] = []
        for _ in range(6):
            batches = await asyncio.gather(
                *[take(each, 3, rules) for each in (given, second) for _ in range(5)]
            )
            running += [one for batch in batches for one in batch]
            counts = Counter(tenants(running))
            assert (counts["a"], counts["b"], counts["c"]) == (2, 2, 3)
            for one in running:
                await given.change(one, ending(one, State.SUCCEEDED))
            running = []
            clock.advance(2)

    async def test_what_a_tenant_has_pending_is_counted_to_a_limit(
        self, given: Given, clock: ManualClock
    ) -> None:
        await given.running()
        for _ in range(3):
            await given.pending()
        await given.pending(available_at=clock() + 5_000_000)
        await given.pending(tenant="other")
        assert await given.operations.count_pending(TENANT, 100) == 4
        assert await given.operations.count_pending(TENANT, 2) == 2
        assert await given.operations.count_pending("nobody", 2) == 0
