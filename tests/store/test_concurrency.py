"""Several processes on one file."""

import asyncio
import time

import pytest

from outlast.operations.model import Submission
from outlast.operations.states import State
from outlast.store.port import Claim, Creation, Query
from outlast.store.sqlite import SqliteStore

KINDS = frozenset({"thumbnails"})

CLAIMING = """
async def main():
    store = SqliteStore(path)
    await store.open()
    await go()
    claimed = []
    while batch := await store.operations.claim(claim(3)):
        claimed += [operation.id for operation in batch]
        await store.operations.apply([success(operation) for operation in batch])
    await store.close()
    answer(claimed)

asyncio.run(main())
"""

WRITING = """
async def main():
    store = SqliteStore(path)
    await store.open()
    await go()

    async def write():
        for _ in range(20):
            (created,) = await store.operations.create([creation()])
            assert isinstance(created, Created)

    await asyncio.gather(*[write() for _ in range(10)])
    await store.close()
    answer("done")

asyncio.run(main())
"""

CREATING_ONE = """
async def main():
    store = SqliteStore(path)
    await store.open()
    await go()
    (created,) = await store.operations.create([creation()])
    answer(created.operation.id)
    await asyncio.sleep(60)

asyncio.run(main())
"""

HOLDING_THE_LOCK = """
from outlast.store.sqlite.connections import connect

async def main():
    connection = connect(path)
    await go()
    connection.execute("BEGIN IMMEDIATE")
    answer("locked")
    await asyncio.to_thread(sys.stdin.readline)
    connection.execute("ROLLBACK")
    connection.close()

asyncio.run(main())
"""


@pytest.fixture
async def store(path):
    store = SqliteStore(path)
    await store.open()
    yield store
    await store.close()


def creation(**fields):
    wish = {"tenant": "acme", "created_by": "ada", "kind": "thumbnails", "spec": b"1", **fields}
    return Creation(submission=Submission(**wish))


def claim(limit):
    return Claim(kinds=KINDS, worker="here", limit=limit, lease_seconds=60)


async def test_what_several_processes_claim_is_exclusive(store, start_children):
    created = await store.operations.create(
        [creation(concurrency_key=f"key{number % 7}") for number in range(100)]
    )
    children = await start_children(CLAIMING, 3)
    for child in children:
        child.go()
    claimed = [id_ for child in children for id_ in await child.answer()]
    rest = []
    # A child may have found all keys busy and gone home.
    while batch := await store.operations.claim(claim(10)):
        rest += [operation.id for operation in batch]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) | set(rest) <= {each.operation.id for each in created}
    succeeded = Query(tenant="acme", states=frozenset({State.SUCCEEDED}), limit=500)
    page = await store.operations.find(succeeded)
    assert {operation.id for operation in page.operations} == set(claimed)
    assert all(operation.attempt == 1 for operation in page.operations)


async def test_writers_in_several_processes_lose_nothing(store, start_children):
    children = await start_children(WRITING, 3)
    for child in children:
        child.go()
    for _ in range(50):
        await store.operations.create([creation()])
    assert [await child.answer() for child in children] == ["done"] * 3
    count, before_id = 0, None
    while True:
        page = await store.operations.find(Query(tenant="acme", limit=500, before_id=before_id))
        count += len(page.operations)
        before_id = page.next_before_id
        if before_id is None:
            break
    assert count == 3 * 200 + 50


async def test_what_a_killed_process_was_told_is_kept(path, start_children):
    (child,) = await start_children(CREATING_ONE)
    child.go()
    operation_id = await child.answer()
    child.process.kill()
    await child.process.wait()
    store = SqliteStore(path)
    await store.open()
    assert await store.operations.get("acme", [operation_id]) != [None]
    await store.close()


async def test_a_change_in_another_process_wakes_subscribers_within_a_moment(store, start_children):
    (child,) = await start_children(CREATING_ONE)
    heard = asyncio.Queue()
    unsubscribe = store.operations.subscribe(heard.put_nowait)
    child.go()
    operation_id = await child.answer()
    changed = await asyncio.wait_for(heard.get(), 0.5)
    assert changed.ids == {operation_id}
    assert changed.claimable
    unsubscribe()


async def test_without_sockets_a_change_is_noticed_within_about_a_second(
    store, path, start_children
):
    (child,) = await start_children(CREATING_ONE)
    for each in (path.parent / "run").iterdir():
        each.unlink()
    heard = asyncio.Queue()
    unsubscribe = store.operations.subscribe(heard.put_nowait)
    child.go()
    await child.answer()
    changed = await asyncio.wait_for(heard.get(), 5)
    assert changed.ids is None
    assert changed.claimable
    unsubscribe()


async def test_the_socket_of_a_process_that_is_gone_is_removed(store, path, start_children):
    (child,) = await start_children(CREATING_ONE)
    assert len(list((path.parent / "run").iterdir())) == 2
    child.process.kill()
    await child.process.wait()
    await store.operations.create([creation()])
    await asyncio.sleep(0.1)
    assert len(list((path.parent / "run").iterdir())) == 1


async def test_a_path_too_long_for_a_socket_still_wakes_others(tmp_path):
    folder = tmp_path / ("x" * 120)
    first, second = SqliteStore(folder / "outlast.db"), SqliteStore(folder / "outlast.db")
    await first.open()
    await second.open()
    heard = asyncio.Queue()
    unsubscribe = second.operations.subscribe(heard.put_nowait)
    (created,) = await first.operations.create([creation()])
    changed = await asyncio.wait_for(heard.get(), 0.5)
    assert changed.ids == {created.operation.id}
    unsubscribe()
    await first.close()
    await second.close()


async def test_reads_do_not_wait_for_a_writer_and_a_writer_waits_its_turn(store, start_children):
    (created,) = await store.operations.create([creation()])
    (child,) = await start_children(HOLDING_THE_LOCK)
    child.go()
    assert await child.answer() == "locked"
    start = time.monotonic()
    assert await store.operations.get("acme", [created.operation.id]) == [created.operation]
    assert len((await store.operations.find(Query(tenant="acme"))).operations) == 1
    assert await store.operations.reap(10) == []
    assert time.monotonic() - start < 1
    writing = asyncio.create_task(store.operations.create([creation()]))
    done, _ = await asyncio.wait({writing}, timeout=0.2)
    assert not done
    child.process.stdin.write(b"let go\n")
    (written,) = await asyncio.wait_for(writing, 10)
    assert written.is_new


async def test_a_claim_that_finds_nothing_takes_no_lock(store, start_children):
    (child,) = await start_children(HOLDING_THE_LOCK)
    child.go()
    await child.answer()
    assert await asyncio.wait_for(store.operations.claim(claim(5)), 1) == []
    assert await asyncio.wait_for(store.operations.prune(5), 1) == 0
