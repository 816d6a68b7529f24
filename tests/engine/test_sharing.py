import asyncio
import logging
from typing import Any

import pytest
from installation import MEMBER

from outlast.engine import Engine, Principal, Role, Wish
from outlast.engine.sharing import Admission, Shares
from outlast.engine.tokens import Tokens
from outlast.operations.errors import OutlastError, TooManyPending
from outlast.operations.kind import Kind
from outlast.operations.model import Submission
from outlast.settings import Limits, Retention, Sharing, TenantShare
from outlast.store.port import Claim, Created, Creation
from outlast.store.sqlite import SqliteStore
from outlast.testing.clock import ManualClock

ROOT = Principal(tenant="default", member="root", role=Role.ROOT)
TWO = Sharing(every_tenant=TenantShare(pending_max=2))


async def _wait(_plan, _context):
    await asyncio.sleep(60)


WAIT = Kind("wait", spec=Any, result=None, run=_wait, executor="inline")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def store(tmp_path, clock):
    store = SqliteStore(tmp_path / "outlast.db", clock=clock)
    await store.open()
    yield store
    await store.close()


async def create(store, count=1, tenant="default"):
    wish = Submission(tenant=tenant, created_by="ada", kind="wait", spec=b"1")
    await store.operations.create([Creation(submission=wish)] * count)


async def claim(store, count):
    wish = Claim(kinds=frozenset({"wait"}), worker="w", limit=count, lease_seconds=60)
    return await store.operations.claim(wish)


async def is_admitted(admission, tenant="default"):
    try:
        await admission.admit(tenant)
    except TooManyPending:
        return False
    return True


def engine_of(installation, sharing):
    return Engine(
        installation.store,
        {"wait": WAIT},
        hub=installation.hub,
        limits=Limits(),
        retention=Retention(),
        sharing=lambda: sharing,
    )


async def test_a_tenant_with_as_many_pending_as_it_may_have_is_refused(installation):
    engine = engine_of(installation, TWO)
    outcomes = await engine.submit_many(MEMBER, [Wish(kind="wait", spec=b"1")] * 3)
    assert [type(one) for one in outcomes] == [Created, Created, TooManyPending]
    with pytest.raises(TooManyPending, match="2 operations of this tenant"):
        await engine.submit(MEMBER, Wish(kind="wait", spec=b"1"))
    stranger = Principal(tenant="elsewhere", member="ada", role=Role.ADMIN)
    assert (await engine.submit(stranger, Wish(kind="wait", spec=b"1"))).is_new


async def test_a_call_that_is_repeated_is_answered_also_when_the_tenant_is_full(installation):
    engine = engine_of(installation, TWO)
    wish = Wish(kind="wait", spec=b"1", idempotency_key="once")
    first = await engine.submit(MEMBER, wish)
    await engine.submit(MEMBER, Wish(kind="wait", spec=b"1"))
    again = await engine.submit(MEMBER, wish)
    assert (again.is_new, again.operation.id) == (False, first.operation.id)


async def test_there_is_room_again_when_something_has_begun(store, clock):
    admission = Admission(store.operations, lambda: TWO)
    await create(store, 2)
    assert not await is_admitted(admission)
    await claim(store, 1)
    clock.advance(1)
    assert await is_admitted(admission)
    assert not await is_admitted(admission)


async def test_a_full_tenant_is_counted_once_a_second_at_most(store, clock, monkeypatch):
    counted = 0
    count_pending = store.operations.count_pending

    async def count(tenant, limit):
        nonlocal counted
        counted += 1
        return await count_pending(tenant, limit)

    monkeypatch.setattr(store.operations, "count_pending", count)
    admission = Admission(store.operations, lambda: TWO)
    await create(store, 2)
    for _ in range(10):
        assert not await is_admitted(admission)
    assert counted == 1
    clock.advance(1)
    assert not await is_admitted(admission)
    assert counted == 2


async def test_what_others_create_is_seen_after_a_while(store, clock):
    rules = Sharing(every_tenant=TenantShare(pending_max=100))
    admission = Admission(store.operations, lambda: rules)
    assert await is_admitted(admission)
    await create(store, 100)
    clock.advance(10)
    assert not await is_admitted(admission)


async def test_rules_of_tenants_are_found_by_name_and_by_id(store, caplog):
    tokens = Tokens(store)
    acme = await tokens.create_tenant(ROOT, "acme")
    other = await tokens.create_tenant(ROOT, "other")
    share, late = TenantShare(running_max=3), TenantShare(weight=2)
    shares = Shares(store.catalog, Sharing(tenants={"acme": share, other.id: share, "new": late}))
    await shares.learn()
    assert shares.current().tenants == {acme.id: share, other.id: share, "new": late}
    assert shares.current().of_tenant(acme.id).running_max == 3
    with caplog.at_level(logging.WARNING):
        task = asyncio.create_task(shares.keep_learning())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert "['new']" in caplog.text
    new = await tokens.create_tenant(ROOT, "new")
    await shares.learn()
    assert shares.current().tenants[new.id] == late
    await asyncio.wait_for(shares.keep_learning(), 1)


def test_what_a_tenant_does_not_say_is_as_for_every_tenant():
    rules = Sharing(
        every_tenant=TenantShare(running_max=5, pending_max=9),
        tenants={"a": TenantShare(running_max=1, weight=4)},
    )
    assert rules.of_tenant("a") == TenantShare(running_max=1, weight=4, pending_max=9)
    assert rules.of_tenant("b") == TenantShare(running_max=5, pending_max=9)


def test_too_many_pending_is_an_error_of_ours():
    assert issubclass(TooManyPending, OutlastError)
