"""What is known of operations that are gone, and for how long; and what was dismissed."""

import pytest
from serving import ADD

from outlast.engine import Engine, Hub, Principal, Role, Wish
from outlast.engine.chores import Chores
from outlast.engine.tokens import Tokens
from outlast.operations.errors import Forbidden, NotFound
from outlast.operations.ids import to_uuid
from outlast.operations.model import SECOND
from outlast.resources.dismissals import DISMISSAL, Dismissals
from outlast.resources.orphans import collect_orphans
from outlast.settings import Limits, Recovery, Retention
from outlast.store.sqlite import SqliteStore
from outlast.testing.clock import ManualClock

ADA = Principal(tenant="default", member="ada", role=Role.SUBMITTER)
EVE = Principal(tenant="default", member="eve", role=Role.SUBMITTER)
OLGA = Principal(tenant="default", member="olga", role=Role.OPERATOR)
AWAY = Principal(tenant="away", member="ada", role=Role.ADMIN)
KEPT = Retention(tombstones_days=2)


@pytest.fixture
def clock():
    return ManualClock(1_760_000_000 * SECOND)


@pytest.fixture
async def store(tmp_path, clock):
    store = SqliteStore(tmp_path / "outlast.db", clock=clock)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def engine(store):
    hub = Hub(store.operations, 10)
    return Engine(store, {"add": ADD}, hub=hub, limits=Limits(), retention=KEPT)


async def gone(engine, alias=None):
    wish = Wish(kind="add", spec=b'{"a":1}', operation_id=alias)
    made = (await engine.submit(ADA, wish)).operation
    await engine.cancel(ADA, made.id)
    await engine.delete(ADA, made.id)
    return made


async def test_what_is_gone_is_known_by_each_of_its_names(engine):
    made = await gone(engine, "nightly-7")
    for ref in (made.id, str(to_uuid(made.id)), "nightly-7"):
        assert (await engine.find_tombstone(ADA, ref)).id == made.id
        with pytest.raises(NotFound):
            await engine.find_tombstone(AWAY, ref)


async def test_it_is_known_no_longer_than_is_set_whether_a_chore_came_by_or_not(
    engine, store, clock
):
    made = await gone(engine)
    chores = Chores(store.operations, Recovery(), KEPT)
    clock.advance(2 * 86_400 - 1)
    assert await chores.prune_tombstones() == 0
    assert await engine.find_tombstone(ADA, made.id)
    clock.advance(2)
    with pytest.raises(NotFound):
        await engine.find_tombstone(ADA, made.id)
    assert await chores.prune_tombstones() == 1
    assert await chores.prune_tombstones() == 0


async def test_what_is_there_has_no_tombstone(engine):
    made = (await engine.submit(ADA, Wish(kind="add", spec=b'{"a":1}'))).operation
    for ref in (made.id, "nothing"):
        with pytest.raises(NotFound):
            await engine.find_tombstone(ADA, ref)


async def test_an_operation_is_dismissed_by_who_may_cancel_it_and_stays_what_it_is(engine, store):
    dismissals = Dismissals(store.catalog)
    made = (await engine.submit(ADA, Wish(kind="add", spec=b'{"a":1}'))).operation
    with pytest.raises(Forbidden):
        await dismissals.dismiss(EVE, made)
    assert not await dismissals.is_dismissed(ADA, made)
    for who in (ADA, OLGA):
        await dismissals.dismiss(who, made, request_id="r-1")
    assert await dismissals.is_dismissed(EVE, made)
    assert await dismissals.find(EVE, made.id) == {made.id}
    assert await dismissals.find(AWAY, made.id) == frozenset()
    assert await engine.get(ADA, made.id) == made
    [record, *_] = await store.operations.audit("default")
    assert (record.entry.action, record.entry.actor) == ("operation.dismiss", "olga")


async def test_the_mark_goes_when_the_operation_is_gone(engine, store):
    dismissals = Dismissals(store.catalog)
    root = Principal(tenant="default", member="root", role=Role.ROOT)
    await Tokens(store).create_tenant(root, "default")
    made = (await engine.submit(ADA, Wish(kind="add", spec=b'{"a":1}'))).operation
    await dismissals.dismiss(ADA, made)
    assert await collect_orphans(store.catalog, store.operations, DISMISSAL) == 0
    await engine.cancel(ADA, made.id)
    await engine.delete(ADA, made.id)
    assert await collect_orphans(store.catalog, store.operations, DISMISSAL) == 1
    assert await dismissals.find(ADA, made.id) == frozenset()
