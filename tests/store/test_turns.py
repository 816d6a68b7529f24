"""The rule of turns by itself: what both adapters ask."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from outlast.operations.model import SECOND
from outlast.settings import Sharing, TenantShare
from outlast.store.port import Claim
from outlast.store.turns import Turns, next_start_at, starts_left

_tenants = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9), min_size=1)


def turns_of(running, *, after="", room=None, weights=None):
    tenants = {name: TenantShare(weight=weight) for name, weight in (weights or {}).items()}
    claim = Claim(
        kinds=frozenset({"k"}),
        worker="w",
        limit=1,
        lease_seconds=1,
        after_tenant=after,
        sharing=Sharing(tenants=tenants),
    )
    turns = Turns(claim, [("k", tenant) for tenant in running])
    turns.count_running(running)
    for tenant, left in (room or {}).items():
        turns.leave(("tenant", tenant), left)
    return turns


@given(running=_tenants, wanted=st.integers(1, 40), after=st.sampled_from(["", *"abcdef"]))
def test_no_tenant_is_served_while_another_has_fewer_running(running, wanted, after):
    counts = Counter(running)
    for tenant in turns_of(running, after=after).allot(wanted):
        assert counts[tenant] == min(counts[each] for each in running)
        counts[tenant] += 1
    assert counts.total() == sum(running.values()) + wanted


@given(running=_tenants, wanted=st.integers(1, 40), data=st.data())
def test_turns_stop_where_there_is_no_room(running, wanted, data):
    room = {tenant: data.draw(st.integers(0, 5), tenant) for tenant in running}
    given_out = Counter(turns_of(running, room=room).allot(wanted))
    assert all(given_out[tenant] <= room[tenant] for tenant in running)
    assert given_out.total() == min(wanted, sum(room.values()))


@given(weights=st.dictionaries(st.sampled_from("abcd"), st.integers(1, 5), min_size=2))
def test_shares_are_as_the_weights(weights):
    rounds = 10
    order = turns_of(dict.fromkeys(weights, 0), weights=weights).allot(
        rounds * sum(weights.values())
    )
    assert Counter(order) == {tenant: rounds * weight for tenant, weight in weights.items()}


@given(
    per_minute=st.integers(1, 5_000),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=200),
)
def test_a_rate_is_never_passed_in_any_minute(per_minute, pauses):
    now, next_at = 10**12, 0
    starts: list[tuple[int, int]] = []
    for pause in pauses:
        now += int(pause * SECOND)
        count = starts_left(per_minute, next_at, now)
        if count:
            next_at = next_start_at(per_minute, next_at, now, count)
            starts.append((now, count))
    for at, _ in starts:
        in_a_minute = sum(count for each, count in starts if at <= each < at + 60 * SECOND)
        assert in_a_minute <= per_minute + per_minute / 60 + 1


@given(per_minute=st.integers(1, 600), late=st.lists(st.floats(0, 0.99), min_size=50, max_size=50))
def test_a_look_that_is_up_to_a_second_late_does_not_lower_the_rate(per_minute, late):
    start, now, next_at, count = 10**12, 10**12, 0, 0
    for seconds in late:
        if starts_left(per_minute, next_at, now):
            left = starts_left(per_minute, next_at, now)
            next_at = next_start_at(per_minute, next_at, now, left)
            count += left
        now = max(now, next_at - SECOND) + int(seconds * SECOND)
    assert count >= int((now - start) / SECOND * per_minute / 60) - 1
