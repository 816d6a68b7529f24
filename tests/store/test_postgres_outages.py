"""The database goes away in the middle: what callers are told, and what is written."""

import asyncio
import itertools
import time

import asyncpg
import postgres_server
import pytest
from own_postgres import OwnPostgres
from postgres_wire import Wire

from outlast.operations import transitions
from outlast.operations.errors import Unavailable
from outlast.operations.kind import CatalogWrite
from outlast.operations.model import Submission
from outlast.settings import Limits
from outlast.store.port import Change, Claim, Created, Creation, Held, Query
from outlast.store.postgres import PostgresStore
from outlast.store.postgres.transaction import Transaction
from outlast.worker.sink import AttemptSink

KINDS = frozenset({"thumbnails"})


@pytest.fixture
async def url():
    made = await postgres_server.new_database()
    yield made
    await postgres_server.drop_database(made)


@pytest.fixture
async def wire(url):
    carrying = await Wire(url).start()
    yield carrying
    await carrying.stop()


@pytest.fixture
async def store(wire):
    opened = PostgresStore(wire.url, outage_seconds=2)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def connection(url):
    """Somebody else, directly at the database."""
    opened = await asyncpg.connect(url)
    yield opened
    await opened.close()


def creation(**fields):
    wish = {"tenant": "acme", "created_by": "ada", "kind": "thumbnails", "spec": b"1", **fields}
    return Creation(submission=Submission(**wish))


def claiming(limit=10):
    return Claim(kinds=KINDS, worker="w", limit=limit, lease_seconds=60)


def change(operation, step):
    token = operation.lease.token
    return Change(
        id=operation.id,
        tenant=None,
        decide=lambda stored, now: step(stored, token, now),
    )


def note(text):
    return lambda stored, token, now: transitions.note(stored, token, text, {}, now)


def success(stored, token, now):
    return transitions.succeed(stored, token, b"1", now)


async def create(store, **fields):
    [created] = await store.operations.create([creation(**fields)])
    assert isinstance(created, Created)
    return created


async def begin(store):
    await create(store)
    [operation] = await store.operations.claim(claiming(1))
    return operation


async def history(store, operation):
    return [event.type for event in await store.operations.events(operation.id)]


async def test_a_commit_whose_answer_is_lost_is_not_made_twice(store, wire):
    wire.answers_to_lose = 1
    created = await create(store)
    assert wire.answers_to_lose == 0
    assert created.is_new
    page = await store.operations.find(Query(tenant="acme"))
    assert [operation.id for operation in page.operations] == [created.operation.id]


async def test_an_end_whose_answer_is_lost_is_the_end_and_is_told_as_such(store, wire):
    operation = await begin(store)
    wire.answers_to_lose = 1
    [ended] = await store.operations.apply([change(operation, success)])
    assert ended.state == "succeeded"
    assert await history(store, operation) == ["created", "claimed", "succeeded"]


async def test_events_whose_answers_are_lost_stand_once_each_and_in_order(store, wire):
    operation = await begin(store)
    wire.answers_to_lose, wire.commits_to_lose = 3, 2
    for name in "abcdef":
        await store.operations.apply([change(operation, note(name))])
    assert (wire.answers_to_lose, wire.commits_to_lose) == (0, 0)
    assert (await history(store, operation))[2:] == list("abcdef")


async def test_a_claim_whose_answer_is_lost_is_handed_out_all_the_same(store, wire):
    await create(store)
    wire.answers_to_lose = 1
    [operation] = await store.operations.claim(claiming())
    [renewal] = await store.operations.renew(
        "w", [Held(id=operation.id, token=operation.lease.token)], 60
    )
    assert renewal.is_held


async def test_a_catalog_write_whose_answer_is_lost_does_not_find_itself_in_its_way(store, wire):
    wire.answers_to_lose = 1
    write = CatalogWrite(type="note", id="n1", name="n1", document=b"{}")
    [resource] = await store.catalog.write("acme", [write])
    assert resource.revision == 1


async def test_a_commit_that_never_arrives_is_made_again(store, wire):
    wire.commits_to_lose = 2
    created = await create(store)
    assert created.is_new
    page = await store.operations.find(Query(tenant="acme"))
    assert len(page.operations) == 1


async def test_calls_that_wait_through_a_short_outage_succeed(store, wire):
    await wire.cut()
    calls = [asyncio.create_task(create(store)) for _ in range(20)]
    reads = [asyncio.create_task(store.operations.find(Query(tenant="acme"))) for _ in range(20)]
    await asyncio.sleep(0.4)
    assert not any(call.done() for call in (*calls, *reads))
    await wire.heal()
    created = await asyncio.gather(*calls)
    await asyncio.gather(*reads)
    assert len({one.operation.id for one in created}) == 20


async def test_calls_during_a_long_outage_are_told_within_bounded_time(store, wire):
    await wire.cut()
    started = time.monotonic()
    answers = await asyncio.gather(
        *[create(store) for _ in range(50)],
        *[store.operations.find(Query(tenant="acme")) for _ in range(50)],
        return_exceptions=True,
    )
    assert {type(answer) for answer in answers} == {Unavailable}
    assert time.monotonic() - started < 3.5
    await wire.heal()
    await create(store)


async def test_what_an_attempt_says_during_an_outage_is_written_afterwards_once_and_in_order(
    store, wire
):
    operation = await begin(store)
    lost = []
    sink = AttemptSink(
        store.operations, operation, Limits(), None, lambda: lost.append(1), lease_seconds=10
    )
    await wire.cut()
    sink.event("a", {})
    sink.log(operation.created_at, "a line")
    saving = asyncio.create_task(sink.checkpoint(b'{"n": 1}'))
    # Longer than a call waits: the sink itself must keep what it has.
    await asyncio.sleep(2.6)
    sink.event("b", {})
    await wire.heal()
    await saving
    await store.operations.apply(await sink.close())
    assert (await history(store, operation))[2:] == ["a", "b"]
    [line] = await store.operations.log(operation.id)
    assert line.text == "a line"
    [stored] = await store.operations.get(None, [operation.id])
    assert stored.checkpoint == b'{"n": 1}'
    assert not lost


async def test_reaping_does_not_wait_for_a_database_that_is_away(store, wire):
    await wire.cut()
    started = time.monotonic()
    with pytest.raises(Unavailable):
        await store.operations.reap(10)
    assert time.monotonic() - started < 0.5


async def test_a_store_is_closed_at_once_though_its_database_is_away(wire):
    store = PostgresStore(wire.url)
    await store.open()
    await wire.cut()
    waiting = asyncio.create_task(create(store))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(4):
        await store.close()
    with pytest.raises(Unavailable):
        await waiting


async def test_nobody_notices_sessions_that_are_terminated_under_load(store, connection):
    async def terminate():
        for _ in range(5):
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.1)

    async def load(number):
        for count in range(15):
            await create(store, idempotency_key=f"{number}-{count}", fingerprint=b"f")
            await asyncio.sleep(0.02)

    terminating = asyncio.create_task(terminate())
    await asyncio.gather(*[load(number) for number in range(10)])
    await terminating
    page = await store.operations.find(Query(tenant="acme", limit=500))
    assert len(page.operations) == 150


async def test_of_several_hosts_one_that_is_gone_is_passed_over(url, wire):
    gone = await Wire(url).start()
    await gone.stop()
    store = PostgresStore(wire.url.replace("@", f"@127.0.0.1:{gone.port},"))
    await store.open()
    try:
        await create(store)
    finally:
        await store.close()


async def test_a_host_that_takes_no_writes_is_left_for_one_that_does(store, connection, wire):
    """As after a switch-over: sessions stay, and are read-only from now on."""
    await create(store)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    waiting = asyncio.create_task(create(store))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await waiting


@pytest.fixture
def primary():
    server = OwnPostgres().start()
    yield server
    server.remove()


@pytest.fixture
async def standby(primary):
    """A synchronous one: what the primary answers is here too."""
    server = OwnPostgres().follow(primary)
    connection = await asyncpg.connect(primary.url())
    await connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
    yield server
    server.remove()


async def test_a_failover_to_a_standby_loses_nothing_and_is_waited_for(primary, standby):
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    store = PostgresStore(f"postgresql://postgres@{hosts}/postgres")
    await store.open()
    created, is_over = [], asyncio.Event()

    async def load(number):
        for count in itertools.count():
            if is_over.is_set():
                return
            key = f"{number}-{count}"
            one = await create(store, idempotency_key=key, fingerprint=b"f")
            created.append((key, one.operation.id))
            await asyncio.sleep(0.02)

    loads = [asyncio.create_task(load(number)) for number in range(5)]
    try:
        await asyncio.sleep(0.3)
        await asyncio.to_thread(primary.stop)
        before = len(created)
        await asyncio.to_thread(standby.promote)
        while len(created) < before + 20:
            await asyncio.sleep(0.05)
            [load.result() for load in loads if load.done()]
        is_over.set()
        await asyncio.gather(*loads)
        assert before > 5
        assert None not in await store.operations.get("acme", [id_ for _, id_ in created])
        page = await store.operations.find(Query(tenant="acme", limit=500))
        assert len(page.operations) == len(created)
    finally:
        await store.close()


async def test_what_a_vanished_client_has_locked_is_free_again_within_seconds(store, connection):
    settings = dict(
        await store._operations._reader.fetch(
            "SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])",
            ["idle_in_transaction_session_timeout", "statement_timeout"],
        )
    )
    assert settings == {
        "idle_in_transaction_session_timeout": "5000",
        "statement_timeout": "30000",
    }


async def test_a_transaction_that_is_held_open_skips_no_event(store, connection):
    """Somebody holds an operation for a while: whoever follows it sees every event, in order."""
    operation = await begin(store)
    other = await begin(store)
    is_held, let_go = asyncio.Event(), asyncio.Event()

    async def hold():
        async with connection.transaction():
            transaction = Transaction(connection, store.operations.now())
            await transaction.lock([operation.id])
            stored = transaction.current(operation.id)
            transaction.update(note("held")(stored, operation.lease.token, transaction.now))
            await transaction.flush()
            is_held.set()
            await let_go.wait()

    holding = asyncio.create_task(hold())
    await is_held.wait()
    later = asyncio.create_task(store.operations.apply([change(operation, note("later"))]))
    # Who shares a batch with it is not held up for long.
    async with asyncio.timeout(4):
        await store.operations.apply([change(other, note("apart"))])
    seen = [event.number for event in await store.operations.events(operation.id)]
    assert seen == [1, 2]
    assert not later.done()
    let_go.set()
    await asyncio.gather(holding, later)
    rest = await store.operations.events(operation.id, after=seen[-1])
    assert [(event.number, event.type) for event in rest] == [(3, "held"), (4, "later")]
    revisions = [event.revision for event in await store.operations.events(operation.id)]
    assert revisions == sorted(set(revisions))
