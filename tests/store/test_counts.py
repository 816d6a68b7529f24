"""Counters are right whoever wrote, and since when: triggers of the schema keep them."""

import asyncio

import apsw
import asyncpg
import postgres_server
import pytest

from outlast.operations import ids
from outlast.operations.states import State
from outlast.store.migrations import migrations
from outlast.store.port import Count, Creation
from outlast.store.postgres import PostgresStore, counting
from outlast.store.postgres.migrate import FOLDER as POSTGRES_FOLDER
from outlast.store.postgres.migrate import migrate as migrate_postgres
from outlast.store.postgres.transfer import PostgresTransfer
from outlast.store.sqlite import SqliteStore
from outlast.store.sqlite.connections import connect, create_file
from outlast.store.sqlite.migrate import FOLDER as SQLITE_FOLDER
from outlast.store.sqlite.migrate import migrate as migrate_sqlite
from outlast.store.sqlite.transfer import SqliteTransfer
from outlast.testing.store_contract.given import wish

COUNTS = 6
INSERT = (
    "INSERT INTO operations (id, tenant, created_by, kind, kind_version, revision, event_count,"
    " created_at, updated_at, available_at, attempt, attempts_max, priority, retention_seconds,"
    " state{more}) VALUES ('{id}', 'acme', 'ada', 'k', '1', 1, 1, 1, 1, 1, 0, 1, 0, 60, '{state}'"
    "{values})"
)


def insert(number, state, *, is_sqlite):
    more, values = (", apart", ", 0") if is_sqlite else ("", "")
    id_ = ids.make_id(1_000, number)
    return INSERT.format(id=id_, state=state, more=more, values=values)


class SqliteDatabase:
    """A database whose schema is the one before there were counters."""

    is_sqlite = True

    def __init__(self, path):
        self.path = path

    async def make(self):
        create_file(self.path)
        connection = connect(self.path)
        earlier = [one for one in migrations(SQLITE_FOLDER) if one.number < COUNTS]
        migrate_sqlite(connection, earlier, 1)
        connection.close()

    async def execute(self, *statements):
        connection = apsw.Connection(str(self.path))
        for sql in statements:
            connection.execute(sql)
        connection.close()

    def store(self):
        return SqliteStore(self.path)

    def transfer(self):
        return SqliteTransfer(self.path)


class PostgresDatabase:
    """The same in PostgreSQL."""

    is_sqlite = False

    async def make(self):
        self.url = await postgres_server.new_database()
        connection = await asyncpg.connect(self.url)
        earlier = [one for one in migrations(POSTGRES_FOLDER) if one.number < COUNTS]
        await migrate_postgres(connection, earlier, 1)
        await connection.close()

    async def execute(self, *statements):
        connection = await asyncpg.connect(self.url)
        for sql in statements:
            await connection.execute(sql)
        await connection.close()

    def store(self):
        return PostgresStore(self.url)

    def transfer(self):
        return PostgresTransfer(self.url)


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request, tmp_path):
    made = SqliteDatabase(tmp_path / "one.db") if request.param == "sqlite" else PostgresDatabase()
    await made.make()
    return made


async def counts(store):
    return [
        await store.operations.count(Count(tenant="acme", states=frozenset({state})))
        for state in State
    ]


async def test_what_was_there_before_there_were_counters_is_counted(database):
    states = ["pending", "running", "running", "succeeded"]
    await database.execute(
        *(insert(at, state, is_sqlite=database.is_sqlite) for at, state in enumerate(states))
    )
    store = database.store()
    await store.open()
    assert await counts(store) == [1, 2, 1, 0, 0]
    await store.close()


async def test_an_older_release_beside_a_new_one_or_after_it_makes_no_count_wrong(database):
    """It writes operations as it always did, and knows nothing of counters."""
    store = database.store()
    await store.open()
    await store.operations.create([Creation(submission=wish()) for _ in range(2)])
    await database.execute(
        *(insert(at, "pending", is_sqlite=database.is_sqlite) for at in range(3)),
        "UPDATE operations SET state = 'running' WHERE kind = 'k'",
        f"UPDATE operations SET state = 'failed' WHERE id <> '{ids.make_id(1_000, 1)}'",
        "UPDATE operations SET updated_at = 7",
        f"DELETE FROM operations WHERE id = '{ids.make_id(1_000, 2)}'",
    )
    assert await counts(store) == [0, 1, 0, 3, 0]
    await store.close()


async def test_what_was_moved_from_another_database_is_counted(database, tmp_path):
    source = SqliteStore(tmp_path / "source.db")
    await source.open()
    await source.operations.create([Creation(submission=wish()) for _ in range(2_500)])
    await source.close()
    target = database.transfer()
    await target.upgrade()
    reading = SqliteTransfer(tmp_path / "source.db").reading()
    async with reading as snapshot, target.filling() as load:
        for table in snapshot.tables:
            async for batch in snapshot.rows(table):
                await load.insert(table, batch)
    store = database.store()
    await store.open()
    assert await counts(store) == [2_500, 0, 0, 0, 0]
    await store.close()


async def test_a_transaction_that_is_undone_is_not_counted(database):
    store = database.store()
    await store.open()
    sql = insert(1, "pending", is_sqlite=database.is_sqlite)
    await database.execute("BEGIN", sql, "ROLLBACK")
    assert await counts(store) == [0, 0, 0, 0, 0]
    await store.close()


async def test_counts_stay_the_same_while_several_processes_fold_them(monkeypatch):
    monkeypatch.setattr(counting, "DELTAS_MAX", 0)
    monkeypatch.setattr(counting, "_FOLDED_AT_ONCE", 3)
    monkeypatch.setattr(counting, "FOLD_SECONDS", 0.01)
    url = await postgres_server.new_database()
    stores = [PostgresStore(url) for _ in range(3)]
    for store in stores:
        await store.open()
    seen = []

    async def write(store):
        for _ in range(30):
            await store.operations.create([Creation(submission=wish())])

    async def look(store):
        while len(seen) < 1 or seen[-1] < 60:
            seen.append(await store.operations.count(Count(tenant="acme")))

    async with asyncio.timeout(30):
        await asyncio.gather(write(stores[0]), write(stores[1]), look(stores[2]))
        assert seen == sorted(seen)
        connection = await asyncpg.connect(url)
        while await connection.fetchval("SELECT count(*) FROM count_deltas"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await connection.fetchval("SELECT sum(count) FROM counts") == 60
    assert await counts(stores[2]) == [60, 0, 0, 0, 0]
    await connection.close()
    for store in stores:
        await store.close()
