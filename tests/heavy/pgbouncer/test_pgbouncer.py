"""The store behind PgBouncer in transaction mode: every transaction may get another session."""

import asyncio
import itertools

import asyncpg
import pytest
from own_postgres import OwnPostgres
from pooler import SESSIONS, Pooler

from outlast.operations import transitions
from outlast.operations.errors import Unavailable
from outlast.operations.model import Submission
from outlast.operations.states import State
from outlast.store.port import Change, Claim, Created, Creation, Query
from outlast.store.postgres import PostgresStore
from outlast.testing.store_contract import StoreContract

KINDS = frozenset({"thumbnails"})
_numbers = itertools.count()


@pytest.fixture(scope="session")
def database():
    server = OwnPostgres().start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def pooler(database):
    started = Pooler(database).start()
    yield started
    started.remove()


@pytest.fixture
async def database_name(database):
    """A new, empty database."""
    name = f"pooled_{next(_numbers)}"
    await _tell(database, f"CREATE DATABASE {name}")
    yield name
    # Its sessions stay with the pooler, and there may be only so many.
    await _tell(database, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def stores(pooler, database_name):
    """Three processes, as far as the database can tell."""
    opened = [PostgresStore(pooler.url(database_name), is_pooled=True) for _ in range(3)]
    for store in opened:
        await store.open()
    yield opened
    for store in opened:
        await store.close()


class TestPooled(StoreContract):
    @pytest.fixture
    def make_store(self, pooler, database_name, clock):
        return lambda: PostgresStore(pooler.url(database_name), clock=clock, is_pooled=True)


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


async def work(store, worker, counts):
    """Claim and end until nothing is left that this worker can see."""
    claim = Claim(kinds=KINDS, worker=worker, limit=3, lease_seconds=60)
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


async def test_many_connections_share_few_sessions_and_claims_stay_exclusive(
    stores, pooler, database_name
):
    keys = ("x", "y", None)
    await stores[0].operations.create([creation(concurrency_key=keys[n % 3]) for n in range(150)])
    counts = {}
    async with asyncio.timeout(90):
        await asyncio.gather(
            *[work(store, f"w{n}{lane}", counts) for n, store in enumerate(stores) for lane in "ab"]
        )
    assert len(counts) == 150
    assert set(counts.values()) == {1}
    assert 1 <= await pooler.sessions(database_name) <= SESSIONS


async def test_what_another_process_creates_is_found_by_looking(stores):
    [created] = await stores[0].operations.create([creation()])
    [claimed] = await stores[1].operations.claim(
        Claim(kinds=KINDS, worker="w", limit=1, lease_seconds=60)
    )
    assert claimed.id == created.operation.id


async def test_a_pooler_that_is_not_said_to_be_one_is_told_of(pooler, database_name):
    store = PostgresStore(pooler.url(database_name))
    with pytest.raises(Unavailable, match="set database_is_pooled"):
        await store.open()


async def test_calls_wait_for_a_pooler_that_is_restarted(database, database_name):
    pooler = Pooler(database).start()
    store = PostgresStore(pooler.url(database_name), is_pooled=True)
    await store.open()
    try:
        is_over = asyncio.Event()

        async def load(number):
            count = 0
            while not is_over.is_set():
                key = f"{number}-{count}"
                [created] = await store.operations.create(
                    [creation(idempotency_key=key, fingerprint=b"f")]
                )
                assert isinstance(created, Created)
                count += 1
                await asyncio.sleep(0.01)
            return count

        loads = [asyncio.create_task(load(number)) for number in range(5)]
        for _ in range(3):
            await asyncio.sleep(0.3)
            await asyncio.to_thread(pooler.stop)
            await asyncio.to_thread(pooler.start)
        await asyncio.sleep(0.3)
        is_over.set()
        made = sum(await asyncio.gather(*loads))
        found = await asyncpg.connect(database.url(database_name))
        assert await found.fetchval("SELECT count(*) FROM operations") == made > 20
        await found.close()
    finally:
        await store.close()
        pooler.remove()


def test_a_server_behind_it_runs_operations(serve, pooler, database):
    asyncio.run(_tell(database, "CREATE DATABASE served"))
    settings = "database_is_pooled = true\ndata_is_shared = true\n"
    server = serve(settings, environment={"OUTLAST_DATABASE": pooler.url("served")})
    with server.http("/v1") as http:
        http.post("/datasets", json={"name": "numbers"}).raise_for_status()
        http.post(
            "/datasets/numbers/versions",
            content='{"n": 1}\n{"n": 2}\n',
            headers={"Content-Type": "application/x-ndjson"},
        ).raise_for_status()
        spec = {
            "query": "SELECT sum(n) AS total FROM {src_0}",
            "src": [{"dataset": "numbers"}],
            "dst": {"dataset": "total"},
        }
        submitted = http.post("/operations", json={"kind": "sql_query", "spec": spec})
        submitted.raise_for_status()
        ended = http.get(f"/operations/{submitted.json()['id']}?wait=60").json()
        assert ended["state"] == "succeeded", ended


async def _tell(database, sql):
    connection = await asyncpg.connect(database.url())
    await connection.execute(sql)
    await connection.close()
