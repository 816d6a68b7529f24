import asyncio
import sys
from collections import Counter

import asyncpg
import postgres_server
import pytest

from outlast.operations import transitions
from outlast.operations.errors import Unavailable
from outlast.operations.model import Submission
from outlast.operations.states import State
from outlast.settings import KindShare, Sharing, TenantShare
from outlast.store.port import Change, Claim, Created, Creation, Query
from outlast.store.postgres import PostgresStore
from outlast.testing.store_contract import StoreContract

KINDS = frozenset({"thumbnails"})

KILLED = """
import asyncio, sys
from outlast.operations.model import Submission
from outlast.store.port import Creation
from outlast.store.postgres import PostgresStore

async def main():
    store = PostgresStore(sys.argv[1])
    await store.open()
    wish = Submission(tenant="acme", created_by="ada", kind="thumbnails", spec=b"1")
    while True:
        (created,) = await store.operations.create([Creation(submission=wish)])
        print(created.operation.id, flush=True)

asyncio.run(main())
"""


@pytest.fixture
async def url():
    made = await postgres_server.new_database()
    yield made
    await postgres_server.drop_database(made)


class TestPostgres(StoreContract):
    @pytest.fixture
    def make_store(self, url, clock):
        return lambda: PostgresStore(url, clock=clock)


@pytest.fixture
async def stores(url):
    """Three processes, as far as the database can tell."""
    opened = [PostgresStore(url) for _ in range(3)]
    for store in opened:
        await store.open()
    yield opened
    for store in opened:
        await store.close()


def creation(**fields):
    wish = {"tenant": "acme", "created_by": "ada", "kind": "thumbnails", "spec": b"1", **fields}
    return Creation(submission=Submission(**wish))


def success(operation):
    token = operation.lease.token
    return Change(
        id=operation.id,
        tenant=None,
        decide=lambda stored, now: transitions.succeed(stored, token, b"1", now),
    )


async def work(store, worker, counts, *, limit=3):
    """Claim and end until nothing is left that this worker can see."""
    claim = Claim(kinds=KINDS, worker=worker, limit=limit, lease_seconds=60)
    while True:
        batch = await store.operations.claim(claim)
        for operation in batch:
            counts[operation.id] = counts.get(operation.id, 0) + 1
        await store.operations.apply([success(operation) for operation in batch])
        left = await store.operations.find(
            Query(tenant="acme", states=frozenset({State.PENDING, State.RUNNING}), limit=1)
        )
        if not left.operations:
            return
        await asyncio.sleep(0)


async def test_what_several_stores_claim_at_once_is_exclusive(stores):
    await stores[0].operations.create([creation() for _ in range(300)])
    counts = {}
    async with asyncio.timeout(30):
        await asyncio.gather(*[work(store, f"w{n}", counts) for n, store in enumerate(stores)])
    assert len(counts) == 300
    assert set(counts.values()) == {1}


async def test_operations_of_one_key_take_turns_over_many_stores_and_none_is_forgotten(stores):
    keys = ("x", "y", None)
    await stores[0].operations.create([creation(concurrency_key=keys[n % 3]) for n in range(120)])
    counts = {}
    async with asyncio.timeout(60):
        await asyncio.gather(
            *[
                work(store, f"w{n}{lane}", counts, limit=2)
                for n, store in enumerate(stores)
                for lane in range(3)
            ]
        )
    assert len(counts) == 120
    assert set(counts.values()) == {1}


async def test_limits_hold_over_many_stores_and_nothing_is_forgotten(stores):
    rules = Sharing(
        every_tenant=TenantShare(running_max=2), kinds={"thumbnails": KindShare(running_max=5)}
    )
    tenants = ("acme", "bravo", "coyote", "delta")
    for tenant in tenants:
        await stores[0].operations.create([creation(tenant=tenant) for _ in range(15)])
    running: Counter[str] = Counter()
    left = 60

    async def take_turns(store, worker):
        nonlocal left
        wish = Claim(kinds=KINDS, worker=worker, limit=3, lease_seconds=60, sharing=rules)
        while left > 0:
            for operation in (batch := await store.operations.claim(wish)):
                running[operation.tenant] += 1
            assert max(running.values()) <= 2
            assert running.total() <= 5
            for operation in batch:
                running[operation.tenant] -= 1
                left -= 1
            await store.operations.apply([success(operation) for operation in batch])
            await asyncio.sleep(0)

    async with asyncio.timeout(60):
        await asyncio.gather(
            *[take_turns(store, f"w{n}{k}") for n, store in enumerate(stores) for k in range(2)]
        )


async def test_one_idempotency_key_over_many_stores_makes_one_operation(stores):
    wish = creation(idempotency_key="once", fingerprint=b"f")
    answers = await asyncio.gather(
        *[store.operations.create([wish]) for store in stores for _ in range(20)]
    )
    created = [answer for (answer,) in answers]
    assert all(isinstance(answer, Created) for answer in created)
    assert len({answer.operation.id for answer in created}) == 1
    assert sum(answer.is_new for answer in created) == 1


async def test_what_a_killed_process_was_told_is_kept(url):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, url, stdout=asyncio.subprocess.PIPE
    )
    told = [(await process.stdout.readline()).decode().strip() for _ in range(25)]
    process.kill()
    rest, _ = await process.communicate()
    told += rest.decode().split()
    store = PostgresStore(url)
    await store.open()
    try:
        assert None not in await store.operations.get("acme", told)
    finally:
        await store.close()


async def test_lost_connections_are_replaced(stores, url):
    store = stores[0]
    heard = asyncio.Event()
    store.operations.subscribe(lambda _: heard.set())
    killer = await asyncpg.connect(url)
    await killer.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await killer.close()
    async with asyncio.timeout(30):
        while True:
            try:
                (created,) = await store.operations.create([creation()])
                break
            except Unavailable:
                await asyncio.sleep(0.05)
        assert isinstance(created, Created)
        # Also the one that listens: another store's change is heard again.
        while True:
            heard.clear()
            try:
                await stores[1].operations.create([creation()])
            except Unavailable:
                continue
            try:
                async with asyncio.timeout(1.5):
                    await heard.wait()
                break
            except TimeoutError:
                continue


async def test_a_database_that_cannot_be_reached_is_unavailable(tmp_path):
    store = PostgresStore(f"postgresql://nobody@/none?host={tmp_path}")
    with pytest.raises(Unavailable):
        await store.open()


async def test_many_processes_may_migrate_at_once(url):
    opened = [PostgresStore(url) for _ in range(6)]
    await asyncio.gather(*[store.open() for store in opened])
    for store in opened:
        await store.close()


async def test_stores_agree_on_the_time_by_the_databases_clock(stores, url):
    connection = await asyncpg.connect(url)
    told = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp()) * 1000000")
    await connection.close()
    assert all(abs(store.operations.now() - int(told)) < 2_000_000 for store in stores)
