"""What comes of schedules by themselves, on both stores."""

import asyncio
import logging

import msgspec
import postgres_server
import pytest
from scheduling import ROOT, TENANT, Scheduling

from outlast.engine import Role
from outlast.engine.ticking import RETRY_SECONDS, Ticker
from outlast.operations.errors import NotFound, RateLimited, RevisionMismatch, Unavailable
from outlast.operations.model import SECOND
from outlast.operations.schedules import (
    SCHEDULE,
    ScheduleDocument,
    decode_schedule,
    schedule_write,
)
from outlast.settings import Sharing, TenantShare
from outlast.store.postgres import PostgresStore
from outlast.store.sqlite import SqliteStore
from outlast.testing.clock import ManualClock

HOUR = 3600


@pytest.fixture(params=["sqlite", "postgres"])
async def make_world(request, tmp_path):
    """Makes worlds on one database, as several processes would have them."""
    clock = ManualClock()
    if request.param == "sqlite":
        make = lambda: SqliteStore(tmp_path / "outlast.db", clock=clock)  # noqa: E731
    else:
        url = await postgres_server.new_database()
        make = lambda: PostgresStore(url, clock=clock)  # noqa: E731
    opened = []

    async def world(**options):
        store = make()
        await store.open()
        opened.append(store)
        return Scheduling(store, clock, **options)

    yield world
    for store in opened:
        await store.close()


@pytest.fixture
async def world(make_world):
    return await make_world()


@pytest.fixture
async def ada(world):
    return await world.member("ada", Role.SUBMITTER)


async def test_nothing_is_made_before_it_is_due_and_one_operation_when_it_is(world, ada):
    schedule = await world.create(ada, spec={"text": "x"}, labels={"team": "data"}, project="p")
    await world.tick(59)
    assert await world.made(schedule) == []
    await world.tick(1)
    await world.tick()
    (operation,) = await world.made(schedule)
    (stored,) = await world.store.operations.get(TENANT, [operation.id])
    assert stored.spec == b'{"text":"x"}'
    assert stored.labels == {"team": "data", "schedule": schedule.id}
    assert (stored.created_by, stored.project) == ("ada", "p")
    after = await world.now(ada, schedule)
    assert after.next_at == schedule.next_at + 60 * SECOND
    assert after.document.operation_id == operation.id
    assert after.document.last_due_at == schedule.next_at
    assert after.document.last_failure is None


async def test_instants_do_not_drift_and_those_missed_are_made_up_for_once(world, ada):
    schedule = await world.create(ada, every_seconds=60)
    start = world.clock()
    await world.tick(60.7)
    await world.finish()
    assert (await world.now(ada, schedule)).next_at == start + 120 * SECOND
    await world.tick(24 * HOUR)
    await world.tick()
    assert len(await world.made(schedule)) == 2
    after = await world.now(ada, schedule)
    assert world.clock() < after.next_at <= world.clock() + 60 * SECOND
    assert (after.next_at - start) % (60 * SECOND) == 0


async def test_an_instant_is_skipped_while_the_last_operation_is_alive_and_says_so(world, ada):
    schedule = await world.create(ada)
    await world.tick(60)
    await world.tick(60)
    assert len(await world.made(schedule)) == 1
    after = await world.now(ada, schedule)
    assert after.document.last_skipped_at == schedule.next_at + 60 * SECOND
    assert after.next_at == schedule.next_at + 120 * SECOND
    await world.finish()
    await world.tick(60)
    assert len(await world.made(schedule)) == 2


async def test_a_deadline_begins_when_the_operation_is_made(world, ada):
    schedule = await world.create(ada, deadline_seconds=30)
    await world.tick(60)
    (operation,) = await world.made(schedule)
    assert operation.deadline_at == world.clock() + 30 * SECOND


@pytest.mark.parametrize(
    "error", [NotFound("the dataset is gone"), RuntimeError("a kind of somebody else's broke")]
)
async def test_a_tick_that_can_make_nothing_says_why_and_is_tried_at_the_next_instant(
    world, ada, caplog, error
):
    caplog.set_level(logging.CRITICAL)
    schedule = await world.create(ada, every_seconds=HOUR)
    world.missing = error
    await world.tick(HOUR)
    after = await world.now(ada, schedule)
    failure = after.document.last_failure
    assert failure.code in {"not_found", "internal_error"}
    assert failure.at == world.clock()
    assert after.next_at == world.clock() + HOUR * SECOND
    world.missing = None
    await world.tick(HOUR)
    assert len(await world.made(schedule)) == 1
    assert (await world.now(ada, schedule)).document.last_failure is None


@pytest.mark.parametrize(
    "error", [Unavailable("not now"), RateLimited("too many"), RevisionMismatch("too late")]
)
async def test_a_tick_that_found_the_server_at_fault_is_tried_again_soon(world, ada, error):
    schedule = await world.create(ada, every_seconds=24 * HOUR)
    world.missing = error
    await world.tick(24 * HOUR)
    after = await world.now(ada, schedule)
    assert after.document.last_failure.code == error.code
    assert after.next_at == world.clock() + RETRY_SECONDS * SECOND
    world.missing = None
    await world.tick(RETRY_SECONDS)
    after = await world.now(ada, schedule)
    assert len(await world.made(schedule)) == 1
    assert after.next_at == schedule.next_at + 24 * HOUR * SECOND


async def test_nothing_is_made_while_enough_is_pending_and_it_is_tried_again_soon(make_world):
    full = Sharing(every_tenant=TenantShare(pending_max=1))
    world = await make_world(sharing=lambda: full)
    ada = await world.member("ada", Role.SUBMITTER)
    first = await world.create(ada, "first", every_seconds=HOUR)
    second = await world.create(ada, "second", every_seconds=HOUR)
    await world.schedules.trigger(ada, first.id)
    await world.tick(HOUR)
    after = await world.now(ada, second)
    assert after.document.last_failure.code == "too_many_pending"
    assert after.next_at == world.clock() + RETRY_SECONDS * SECOND
    await world.finish()
    await world.tick(RETRY_SECONDS)
    assert len(await world.made(second)) == 1


async def test_a_kind_that_is_gone_is_named_and_one_that_comes_back_is_used(world, ada):
    schedule = await world.create(ada)
    kind = world.kinds.pop("echo")
    await world.tick(60)
    assert (await world.now(ada, schedule)).document.last_failure.code == "unknown_kind"
    world.kinds["echo"] = kind
    await world.tick(60)
    assert len(await world.made(schedule)) == 1


async def test_a_schedule_stops_when_its_member_has_no_token_any_more(world, ada):
    schedule = await world.create(ada)
    await world.tokens.revoke(ROOT, ada.token_id)
    await world.tick(60)
    assert await world.made(schedule) == []
    failure = (await world.now(ada, schedule)).document.last_failure
    assert failure.code == "forbidden"
    assert "ada has no token" in failure.message
    await world.member("ada", Role.SUBMITTER)
    await world.tick(60)
    assert len(await world.made(schedule)) == 1


async def test_a_token_that_has_expired_counts_no_more(world):
    ada = await world.member("ada", Role.SUBMITTER, expires_seconds=90)
    schedule = await world.create(ada)
    await world.tick(60)
    await world.finish()
    await world.tick(60)
    assert len(await world.made(schedule)) == 1
    assert (await world.now(ada, schedule)).document.last_failure.code == "forbidden"


async def test_a_schedule_has_no_more_rights_than_its_member_has_today(world):
    strong = await world.member("ann", Role.OPERATOR)
    schedule = await world.create(strong, kind="secretive")
    await world.tokens.revoke(ROOT, strong.token_id)
    await world.member("ann", Role.SUBMITTER)
    await world.tick(60)
    assert await world.made(schedule) == []
    await world.member("ann", Role.ADMIN)
    await world.tick(60)
    assert len(await world.made(schedule)) == 1


async def test_a_schedule_has_no_more_rights_than_its_member_had_when_it_was_made(world, ada):
    plain = await world.create(ada)
    document = (await world.now(ada, plain)).document
    document = msgspec.structs.replace(document, kind="secretive")
    write = schedule_write(plain.id, document, world.clock(), name=plain.name)
    await world.store.catalog.write(TENANT, [write])
    await world.member("ada", Role.ADMIN)
    await world.tokens.revoke(ROOT, ada.token_id)
    await world.tick()
    assert await world.made(plain) == []
    assert (await world.now(ada, plain)).document.last_failure.code == "forbidden"


async def test_what_root_schedules_in_a_tenant_stands_by_roots_own_token(world):
    home = await world.member("root", Role.ROOT)
    tenant = await world.tokens.create_tenant(home, "team")
    there = msgspec.structs.replace(home, tenant=tenant.id)
    await world.create(there)
    await world.tick(60)
    (found,) = await world.store.catalog.find(tenant.id, SCHEDULE)
    document = decode_schedule(found.document)
    assert (document.last_failure, document.operation_id is None) == (None, False)
    await world.tokens.revoke(home, home.token_id)
    await world.finish()
    await world.tick(60)
    (found,) = await world.store.catalog.find(tenant.id, SCHEDULE)
    assert decode_schedule(found.document).last_failure.code == "forbidden"


async def test_a_schedule_of_a_resource_needs_no_token_of_anybody(world, ada):
    document = ScheduleDocument(
        kind="echo", spec={}, created_by="nobody", every_seconds=60, belongs_to="pipe_table/T"
    )
    await world.store.catalog.write(TENANT, [schedule_write("S", document, world.clock())])
    await world.tick()
    schedule = await world.schedules.get(ada, "S")
    assert [one.created_by for one in await world.made(schedule)] == ["nobody"]


async def test_a_schedule_whose_clock_is_gone_is_paused_and_says_why(world, ada):
    schedule = await world.create(ada)
    document = msgspec.structs.replace(
        schedule.document, every_seconds=None, cron="0 0 * * *", time_zone="Nowhere/Else"
    )
    write = schedule_write(schedule.id, document, world.clock(), name="nightly")
    await world.store.catalog.write(TENANT, [write])
    await world.tick()
    after = await world.now(ada, schedule)
    assert (after.document.is_paused, after.next_at) == (True, None)
    assert "Nowhere/Else" in after.document.last_failure.message


async def test_a_schedule_that_is_removed_or_paused_at_the_same_moment_makes_nothing(world, ada):
    gone, paused = await world.create(ada, "gone"), await world.create(ada, "paused")
    world.clock.advance(60)
    found = await world.store.catalog.due(SCHEDULE, world.clock(), 10)
    await world.schedules.delete(ada, gone.id)
    await world.schedules.pause(ada, paused.id)
    world.store.catalog.due = lambda *_: _answer(found)
    await world.tick()
    assert await world.made(gone) == await world.made(paused) == []
    assert not await world.exists(ada, gone)
    assert (await world.now(ada, paused)).document.is_paused


async def test_of_many_processes_that_look_at_once_one_makes_the_operation(make_world):
    worlds = [await make_world() for _ in range(3)]
    ada = await worlds[0].member("ada", Role.SUBMITTER)
    schedules = [await worlds[0].create(ada, f"s{number}") for number in range(20)]
    for _ in range(3):
        worlds[0].clock.advance(60)
        await asyncio.gather(*(one.ticker.tick() for one in worlds for _ in range(2)))
        await worlds[0].finish()
    for schedule in schedules:
        assert len(await worlds[0].made(schedule)) == 3
        after = await worlds[0].now(ada, schedule)
        # One change for each instant: nobody skipped what somebody else had just made.
        assert (after.revision, after.document.last_skipped_at) == (4, None)


async def test_more_than_one_look_takes_are_all_made(world, ada):
    await asyncio.gather(*(world.create(ada, f"s{number}") for number in range(250)))
    await world.tick(60)
    assert await world.store.catalog.due(SCHEDULE, world.clock(), 10) == []


async def _answer(value):
    return value


class Ailing:
    """A store whose first looks go wrong."""

    def __init__(self, store, *errors):
        self.operations = store.operations
        self.catalog = self
        self._errors = list(errors)
        self.looked = asyncio.Event()

    async def due(self, type, now, limit):
        if self._errors:
            raise self._errors.pop(0)
        self.looked.set()
        return []


@pytest.mark.parametrize("error", [Unavailable(), RuntimeError("nobody thought of this")])
async def test_looks_go_on_after_one_that_failed(world, caplog, error):
    caplog.set_level(logging.CRITICAL)
    store = Ailing(world.store, error, error)
    world.engine.store = store
    running = asyncio.create_task(Ticker(world.engine, look_seconds=0.01).run())
    try:
        async with asyncio.timeout(5):
            await store.looked.wait()
        assert not running.done()
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
