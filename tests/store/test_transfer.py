"""All rows out of one database and into another, in every direction."""

import apsw
import asyncpg
import postgres_server
import pytest

from outlast.operations import transitions
from outlast.operations.errors import Conflict
from outlast.operations.kind import CatalogWrite
from outlast.operations.progress import Report
from outlast.store.port import AuditEntry, Change, Claim, Creation
from outlast.store.postgres import PostgresStore
from outlast.store.postgres.transfer import PostgresTransfer
from outlast.store.sqlite import SqliteStore
from outlast.store.sqlite.transfer import SqliteTransfer
from outlast.store.transfer import BATCH_ROWS, KEYS
from outlast.testing.store_contract.given import wish

OWN_TABLES = {"schema_migrations", "documents", "counts", "count_deltas"}
"""What an adapter needs for itself: it stands in columns elsewhere, or follows from them."""


@pytest.fixture(params=["sqlite", "postgres"])
async def make(request, tmp_path):
    """Opens a database of one sort: its store, and its transfer."""
    if request.param == "postgres":
        url = await postgres_server.new_database()
        return lambda: (PostgresStore(url), PostgresTransfer(url))
    path = tmp_path / "one.db"
    return lambda: (SqliteStore(path), SqliteTransfer(path))


@pytest.fixture(params=["sqlite", "postgres"])
async def target(request, tmp_path):
    if request.param == "postgres":
        return PostgresTransfer(await postgres_server.new_database())
    return SqliteTransfer(tmp_path / "other.db")


def audited(action):
    return AuditEntry(actor="ada", action=action, request_id="r-1", data={"n": 2**60})


async def fill(store):
    """Operations in several states, with all that hangs on them."""
    await store.open()
    large = b'"' + b"x" * 5000 + b'"'
    wishes = [wish(spec=large, labels={"a": "1", "b": "ä\u4e2d"}), wish(), wish(alias="mine")]
    many = [wish(idempotency_key=f"k{n}") for n in range(BATCH_ROWS)]
    created = await store.operations.create(
        [Creation(submission=one, audit=audited("create")) for one in [*wishes, *many]]
    )
    third = created[len(wishes)].operation.id
    claim = Claim(kinds=frozenset({wishes[0].kind}), worker="w", limit=2, lease_seconds=60)
    first, second = await store.operations.claim(claim)

    def decided(operation, decide, *values):
        token = operation.lease.token
        return Change(
            id=operation.id,
            tenant=None,
            decide=lambda stored, now: decide(stored, token, *values, now),
        )

    await store.operations.apply(
        [
            decided(first, transitions.report, Report(done=3, total=9, message="half")),
            decided(first, transitions.succeed, large),
            decided(second, transitions.checkpoint, large),
        ]
    )
    asked = Change(
        id=third,
        tenant=None,
        decide=lambda stored, now: transitions.request_cancel(stored, "a", now),
    )
    await store.operations.apply([asked])
    await store.operations.delete("acme", third)
    await store.catalog.write(
        "acme",
        [CatalogWrite(type="file", id="f", name="n", document=b"{}", fields={"purpose": "p"})],
        audited("write"),
    )


async def move(source, target, *, fails=False):
    async with source.reading() as snapshot, target.filling() as load:
        for table in snapshot.tables:
            async for batch in snapshot.rows(table):
                await load.insert(table, batch)
        if fails:
            raise RuntimeError("in the middle")


async def all_rows(transfer):
    async with transfer.reading() as snapshot:
        return {
            table.name: [tuple(row) async for batch in snapshot.rows(table) for row in batch]
            for table in snapshot.tables
        }


async def test_what_is_moved_is_the_same_in_every_column_of_every_table(make, target):
    store, source = make()
    await fill(store)
    await store.close()
    await target.upgrade()
    await move(source, target)
    moved, expected = await all_rows(target), await all_rows(source)
    assert moved == expected
    assert all(expected[name] for name in KEYS if name not in {"logs", "rates"})


async def test_a_load_that_fails_leaves_nothing(make, target):
    store, source = make()
    await fill(store)
    await store.close()
    await target.upgrade()
    with pytest.raises(RuntimeError, match="in the middle"):
        await move(source, target, fails=True)
    assert not any((await all_rows(target)).values())


async def test_a_store_that_is_not_empty_is_not_filled(make):
    store, transfer = make()
    await fill(store)
    await store.close()
    with pytest.raises(Conflict, match="not empty: it has operations"):
        async with transfer.filling():
            pass


async def test_a_store_goes_on_after_it_was_filled(make):
    store, source = make()
    await fill(store)
    await store.close()
    url = await postgres_server.new_database()
    target = PostgresTransfer(url)
    await target.upgrade()
    await move(source, target)
    filled = PostgresStore(url)
    await filled.open()
    try:
        await filled.operations.create([Creation(submission=wish(), audit=audited("create"))])
        newest, before = await filled.operations.audit(None, limit=2)
        assert newest.number == before.number + 1
        claim = Claim(kinds=frozenset({wish().kind}), worker="w", limit=9, lease_seconds=60)
        assert len(await filled.operations.claim(claim)) == 9
    finally:
        await filled.close()


async def test_upgrades_say_what_an_upgrade_does_and_do_nothing(target):
    planned = await target.upgrades()
    numbers = [one.number for one in planned]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))
    assert all(one.sql for one in planned)
    assert await target.upgrade() == numbers
    assert await target.upgrades() == []
    assert await target.upgrade() == []


async def test_every_table_of_each_adapter_is_moved(tmp_path):
    path = tmp_path / "one.db"
    await SqliteTransfer(path).upgrade()
    tables = {
        name
        for (name,) in apsw.Connection(str(path)).execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
    }
    assert tables - OWN_TABLES <= set(KEYS)
    url = await postgres_server.new_database()
    await PostgresTransfer(url).upgrade()
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetch(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
    finally:
        await connection.close()
    assert {row[0] for row in found} - OWN_TABLES <= set(KEYS)
