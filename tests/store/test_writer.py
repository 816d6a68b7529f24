"""Who is answered, and when: callers that leave, loops of other threads, closing."""

import asyncio
import threading

import apsw
import pytest

from outlast.operations import transitions
from outlast.operations.errors import Unavailable
from outlast.operations.model import Submission
from outlast.store.port import Change, Claim, Created, Creation, Held, Query
from outlast.store.sqlite import SqliteStore
from outlast.store.sqlite.transaction import Transaction


@pytest.fixture
async def store(path):
    store = SqliteStore(path)
    await store.open()
    yield store
    await store.close()


def creation(**fields):
    wish = {"tenant": "acme", "created_by": "ada", "kind": "thumbnails", "spec": b"1", **fields}
    return Creation(submission=Submission(**wish))


async def hold_up(store):
    """Keep the writer busy; what is submitted meanwhile becomes one batch."""
    (created,) = await store.operations.create([creation(kind="other")])
    entered, leave = threading.Event(), threading.Event()

    def wait(stored, now):
        entered.set()
        leave.wait(10)
        return transitions.Transition(stored)

    change = Change(id=created.operation.id, tenant=None, decide=wait)
    waiting = asyncio.create_task(store.operations.apply([change]))
    await asyncio.to_thread(entered.wait)
    return waiting, leave


async def ids(store):
    page = await store.operations.find(Query(tenant="acme", kinds=frozenset({"thumbnails"})))
    return [operation.id for operation in page.operations]


async def test_what_waits_while_one_commit_runs_shares_the_next(store):
    waiting, leave = await hold_up(store)
    notices = []
    unsubscribe = store.operations.subscribe(notices.append)
    creating = [asyncio.create_task(store.operations.create([creation()])) for _ in range(50)]
    await asyncio.sleep(0)
    leave.set()
    await asyncio.gather(waiting, *creating)
    assert [len(changed.ids) for changed in notices if changed.ids] == [50]
    unsubscribe()


async def test_a_caller_that_leaves_before_its_turn_writes_nothing(store):
    waiting, leave = await hold_up(store)
    staying = asyncio.create_task(store.operations.create([creation()]))
    leaving = asyncio.create_task(store.operations.create([creation()]))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    leave.set()
    await waiting
    (created,) = await staying
    assert await ids(store) == [created.operation.id]


async def test_a_caller_that_leaves_during_the_commit_does_not_disturb_the_others(store):
    async def create_and_leave():
        async with asyncio.timeout(0.0005):
            await store.operations.create([creation()])

    for _ in range(20):
        staying = [store.operations.create([creation()]) for _ in range(3)]
        answers = await asyncio.gather(*staying, create_and_leave(), return_exceptions=True)
        assert all(isinstance(answer[0], Created) for answer in answers[:3])


async def test_a_claim_whose_caller_left_during_the_commit_is_given_back(store):
    await store.operations.create([creation()])
    waiting, leave = await hold_up(store)
    claim = Claim(kinds=frozenset({"thumbnails"}), worker="w", limit=1, lease_seconds=60)
    leaving = asyncio.create_task(store.operations.claim(claim))
    await asyncio.sleep(0)
    # Committed, but not yet delivered: the loop has had no turn since.
    leave.set()
    store._writer._calls.put(None)
    store._writer._thread.join()
    leaving.cancel()
    store._writer._thread = threading.Thread(target=store._writer._run)
    store._writer._thread.start()
    await asyncio.gather(waiting, leaving, return_exceptions=True)
    (again,) = await asyncio.wait_for(claimed(store, claim), 5)
    assert again.attempt == 1


async def claimed(store, claim):
    while not (answer := await store.operations.claim(claim)):  # noqa: ASYNC110  nothing tells
        await asyncio.sleep(0.01)
    return answer


async def test_leases_are_renewed_from_the_loop_of_another_thread(store):
    await store.operations.create([creation()])
    claim = Claim(kinds=frozenset({"thumbnails"}), worker="w", limit=1, lease_seconds=60)
    (operation,) = await store.operations.claim(claim)
    held = Held(id=operation.id, token=operation.lease.token)

    def renew():
        return asyncio.run(store.operations.renew("w", [held], 60))

    (renewal,) = await asyncio.to_thread(renew)
    assert renewal.is_held


async def test_closing_finishes_what_waits(store, path):
    waiting, leave = await hold_up(store)
    creating = [asyncio.create_task(store.operations.create([creation()])) for _ in range(5)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0.05)
    leave.set()
    answers = await asyncio.gather(*creating, waiting)
    await closing
    assert all(isinstance(answer[0], Created) for answer in answers[:5])


async def test_a_store_that_is_not_open_refuses_politely(path):
    store = SqliteStore(path)
    with pytest.raises(Unavailable):
        _ = store.operations
    await store.open()
    operations, catalog = store.operations, store.catalog
    await store.close()
    with pytest.raises(Unavailable):
        _ = store.catalog
    with pytest.raises(Unavailable):
        await operations.create([creation()])
    with pytest.raises(Unavailable):
        await operations.find(Query(tenant="acme"))
    with pytest.raises(Unavailable):
        await operations.get("acme", ["x"])
    with pytest.raises(Unavailable):
        await catalog.read("acme", "dataset", "x")
    await store.close()


async def test_an_id_that_is_taken_by_chance_is_made_anew(store, monkeypatch):
    numbers = iter([b"1" * 7, b"1" * 7, b"2" * 7, b"3" * 7, b"4" * 7])
    monkeypatch.setattr(Transaction, "random_bytes", lambda *_: next(numbers))
    monkeypatch.setattr(store._writer, "_clock", lambda: 1_700_000_000_000_000)
    (first,) = await store.operations.create([creation()])
    answers = await store.operations.create([creation(), creation()])
    names = {answer.operation.id for answer in (first, *answers)}
    assert len(names) == 3
    assert set(await ids(store)) == names


async def test_a_subscriber_that_fails_disturbs_nobody(store, caplog):
    def broken(changed):
        raise ZeroDivisionError

    heard = asyncio.Queue()
    leave = [store.operations.subscribe(each) for each in (broken, heard.put_nowait)]
    (created,) = await store.operations.create([creation()])
    changed = await asyncio.wait_for(heard.get(), 5)
    assert created.operation.id in changed.ids
    assert "a subscriber failed" in caplog.text
    for each in leave:
        each()


async def test_a_database_that_cannot_be_read_is_unavailable(store):
    def fail(connection):
        raise apsw.CorruptError("torn")

    with pytest.raises(Unavailable, match="torn"):
        store._readers.read_here(fail)
    with pytest.raises(Unavailable, match="torn"):
        await store._readers.read(fail)


async def test_a_store_can_be_opened_again(store):
    (created,) = await store.operations.create([creation()])
    await store.close()
    await store.open()
    assert await store.operations.get("acme", [created.operation.id]) == [created.operation]
