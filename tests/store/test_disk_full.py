"""A full disk refuses what does not fit, keeps what it promised, and recovers with room."""

import asyncio

import apsw
import pytest

from outlast.operations import transitions
from outlast.operations.errors import OutlastError, StoreFull
from outlast.operations.model import Submission
from outlast.store.port import Change, Claim, Created, Creation, Held, Query
from outlast.store.sqlite import SqliteStore

SIZE = 64 * 1024


@pytest.fixture
async def store(path):
    store = SqliteStore(path)
    await store.open()
    yield store
    limit(store, 2**30)
    await store.close()


def limit(store, pages):
    store._writer._connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()


def creation(size=SIZE, **fields):
    spec = b'"' + b"x" * size + b'"'
    wish = {"tenant": "acme", "created_by": "ada", "kind": "thumbnails", "spec": spec, **fields}
    return Creation(submission=Submission(**wish))


async def fill(store):
    created = []
    while True:
        try:
            (answer,) = await store.operations.create([creation()])
        except StoreFull:
            return created
        assert isinstance(answer, Created)
        created.append(answer.operation)


async def test_a_full_disk_keeps_what_it_promised_and_serves_reads(store):
    limit(store, 400)
    created = await fill(store)
    assert len(created) > 5
    found = await store.operations.get("acme", [operation.id for operation in created])
    assert found == created
    page = await store.operations.find(Query(tenant="acme", limit=500))
    assert len(page.operations) == len(created)
    assert len(await store.operations.events(created[0].id)) == 1


async def test_a_disk_with_room_again_is_written_again(store):
    limit(store, 400)
    await fill(store)
    with pytest.raises(StoreFull):
        await store.operations.create([creation()])
    limit(store, 4_000)
    (answer,) = await store.operations.create([creation()])
    assert isinstance(answer, Created)


async def test_of_many_callers_only_those_that_do_not_fit_are_refused(store):
    limit(store, 400)
    sizes = [SIZE if number % 2 else 10 for number in range(80)]
    answers = await asyncio.gather(
        *[store.operations.create([creation(size)]) for size in sizes], return_exceptions=True
    )
    refused = {number for number, answer in enumerate(answers) if isinstance(answer, StoreFull)}
    assert refused
    assert all(sizes[number] == SIZE for number in refused)
    created = [answer[0].operation for answer in answers if not isinstance(answer, OutlastError)]
    found = await store.operations.get("acme", [operation.id for operation in created])
    assert found == created
    page = await store.operations.find(Query(tenant="acme", limit=500))
    assert len(page.operations) == len(created) == len(sizes) - len(refused)


async def test_a_call_that_does_not_fit_leaves_nothing_of_itself(store):
    limit(store, 400)
    with pytest.raises(StoreFull):
        await store.operations.create([creation() for _ in range(50)])
    assert (await store.operations.find(Query(tenant="acme"))).operations == []


async def test_leases_can_be_renewed_and_operations_finished_on_a_full_disk(store):
    (created,) = await store.operations.create([creation(10)])
    wish = Claim(kinds=frozenset({"thumbnails"}), worker="w", limit=1, lease_seconds=60)
    (operation,) = await store.operations.claim(wish)
    limit(store, 400)
    await fill(store)
    held = Held(id=operation.id, token=operation.lease.token)
    (renewal,) = await store.operations.renew("w", [held], 60)
    assert renewal.is_held

    def succeed(stored, now):
        return transitions.succeed(stored, held.token, b"1", now)

    change = Change(id=created.operation.id, tenant=None, decide=succeed)
    (ended,) = await store.operations.apply([change])
    assert ended.state.is_terminal


LIMITED = """
import resource

async def main():
    store = SqliteStore(path)
    await store.open()
    await go()
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, unlimited[1]))
    kept = []
    try:
        for _ in range(1000):
            (created,) = await store.operations.create([creation(spec=b"1" * 50_000)])
            kept.append(created.operation.id)
    except StoreFull:
        answer("full")
    found = await store.operations.get("acme", kept)
    answer(None not in found)
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    (created,) = await store.operations.create([creation(spec=b"1" * 50_000)])
    kept.append(created.operation.id)
    await store.close()
    answer(kept)

asyncio.run(main())
"""


async def test_a_disk_that_refuses_writes_is_a_full_store_and_recovers(path, start_children):
    (child,) = await start_children(LIMITED)
    child.go()
    assert await child.answer() == "full"
    assert await child.answer() is True
    kept = await child.answer()
    connection = apsw.Connection(str(path))
    stored = {id_ for (id_,) in connection.execute("SELECT id FROM operations")}
    assert stored == set(kept)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
