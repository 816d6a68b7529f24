"""What a worker makes of the rules that tenants and kinds share it by."""

import asyncio
from typing import Any

import msgspec
from installation import MEMBER, until

from outlast.engine import Principal, Role, Wish
from outlast.operations.kind import Kind
from outlast.operations.states import State
from outlast.settings import KindShare, Sharing, TenantShare

OTHER = Principal(tenant="other", member="bob", role=Role.ADMIN)


def inline(name, run):
    return Kind(name, spec=Any, result=Any, run=run, executor="inline")


async def submit(installation, principal, kind, plan):
    wish = Wish(kind=kind, spec=msgspec.json.encode(plan))
    return (await installation.engine.submit(principal, wish)).operation


async def test_one_slot_serves_tenants_in_turns(installation, work):
    served = []

    async def note(plan, _context):
        served.append(plan)

    installation.add(inline("note", note))
    for number in range(6):
        await submit(installation, MEMBER, "note", f"a{number}")
    for number in range(3):
        await submit(installation, OTHER, "note", f"b{number}")
    work(slots=1)
    await until(lambda: len(served) == 9)
    assert "".join(each[0] for each in served) == "abababaaa"


async def test_what_a_limit_holds_back_is_taken_as_soon_as_there_is_room(installation, work):
    running = most = 0

    async def count(_plan, _context):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    installation.add(inline("count", count))
    operations = [await installation.submit("count") for _ in range(10)]
    rules = Sharing(kinds={"count": KindShare(running_max=2)})
    work(slots=8, sharing=lambda: rules)
    async with asyncio.timeout(4):
        for operation in operations:
            assert (await installation.end_of(operation)).state is State.SUCCEEDED
    assert most == 2


async def test_a_tenant_that_is_held_back_holds_up_no_other(installation, work):
    release = asyncio.Event()

    async def hold(_plan, _context):
        await release.wait()

    installation.add(inline("hold", hold))
    mine = [await submit(installation, MEMBER, "hold", 1) for _ in range(5)]
    theirs = await submit(installation, OTHER, "hold", 1)
    rules = Sharing(tenants={"default": TenantShare(running_max=1)})
    work(slots=4, sharing=lambda: rules)

    async def states():
        found = await installation.store.operations.get(None, [one.id for one in (*mine, theirs)])
        return [one.state for one in found]

    await until(lambda: _are(states(), [State.RUNNING, *[State.PENDING] * 4, State.RUNNING]))
    release.set()
    for one in mine:
        assert (await installation.end_of(one)).state is State.SUCCEEDED


async def test_a_worker_of_some_kinds_leaves_the_others(installation, work):
    async def answer(plan, _context):
        return plan

    installation.add(inline("ours", answer))
    installation.add(inline("theirs", answer))
    left = await installation.submit("theirs", 1)
    taken = await installation.submit("ours", 2)
    work(claims=frozenset({"ours"}))
    assert (await installation.end_of(taken)).state is State.SUCCEEDED
    assert (await installation.get(left)).state is State.PENDING


async def _are(states, wanted):
    return await states == wanted
