"""Databases of a PostgreSQL server: made, asked, shown to whom they may be, and removed."""

import asyncio
import contextlib
import os
from pathlib import Path

import asyncpg
import pytest
from killing import kill_handlers
from lake import ANN, BEN, OPERATOR, a_lake
from postgres_server import server

from outlast.operations.errors import Conflict, Forbidden, ResourceExists
from outlast.settings import Databases

VARIABLE = "TEST_DATABASE_ADMIN"


@pytest.fixture
def admin(monkeypatch):
    """The URL of who may make databases and roles."""
    url = server().get_uri()
    monkeypatch.setenv(VARIABLE, url)
    return url


@pytest.fixture
async def lake(tmp_path, admin):
    databases = Databases(engine="postgresql", url_variable=VARIABLE)
    async with a_lake(tmp_path, databases=databases) as lake:
        yield lake


async def ask(url, query, *values):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(query, *values)
    finally:
        await connection.close()


async def left(admin, database):
    """The names of what the server has of a database of ours."""
    name = f"outlast_{database.lower()}"
    rows = await ask(
        admin,
        "SELECT 'database' FROM pg_database WHERE datname = $1"
        " UNION ALL SELECT 'role' FROM pg_roles WHERE rolname = $1",
        name,
    )
    return sorted(row[0] for row in rows)


async def test_a_database_has_a_role_of_its_own_that_nobody_else_is(lake, admin):
    await lake.work()
    first = await lake.result("provision_database", name="sales")
    await lake.result("provision_database", name="other")
    assert await left(admin, first["database"]) == ["database", "role"]
    shown = await lake.databases.credentials(OPERATOR, "sales")
    rows = await ask(shown.url, "SELECT current_user, current_database(), 1 + 1")
    assert tuple(rows[0]) == (shown.user, shown.database, 2)
    await ask(shown.url, "CREATE TABLE t AS SELECT 1 AS x")
    other = await lake.databases.credentials(OPERATOR, "other")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await as_user(shown, other)
    roles = "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = $1"
    assert tuple((await ask(admin, roles, shown.user))[0]) == (False, False, False)


async def as_user(shown, other):
    """Connect to one database with the credentials of another."""
    connection = await asyncpg.connect(
        host=shown.host,
        port=shown.port,
        database=shown.database,
        user=other.user,
        password=other.password,
    )
    await connection.close()


async def test_the_password_is_kept_sealed_and_shown_to_whom_it_may_be_with_a_record(lake):
    await lake.work()
    made = await lake.result("provision_database", name="sales")
    shown = await lake.databases.credentials(OPERATOR, "sales", request_id="r-1")
    with pytest.raises(Forbidden):
        await lake.databases.credentials(ANN, "sales")
    [record] = [
        one
        for one in await lake.store.operations.audit("default")
        if one.entry.action == "database.read_password"
    ]
    assert (record.entry.actor, record.entry.target) == ("olga", made["database"])
    stored = lake.foundation.folder.database.read_bytes()
    wal = lake.foundation.folder.database.with_name("outlast.db-wal")
    stored += wal.read_bytes() if wal.exists() else b""
    assert shown.password.encode() not in stored
    assert os.environ[VARIABLE].encode() not in stored
    with pytest.raises(Conflict, match="has no file"):
        await lake.databases.read_file(ANN, "sales")


async def test_deprovisioning_removes_database_role_and_password_and_may_be_repeated(lake, admin):
    await lake.work()
    made = await lake.result("provision_database", name="sales")
    shown = await lake.databases.credentials(OPERATOR, "sales")
    connection = await asyncpg.connect(shown.url)  # somebody uses it
    await lake.result("deprovision_database", database="sales")
    assert await left(admin, made["database"]) == []
    assert await lake.store.catalog.find("default", "database_password") == []
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetch("SELECT 1")
    again = await lake.result("provision_database", name="sales")
    await ask(admin, f'DROP DATABASE "outlast_{again["database"].lower()}"')
    await lake.result("deprovision_database", database="sales")
    assert await left(admin, again["database"]) == []


async def test_a_database_that_is_not_ours_is_neither_taken_nor_dropped(lake, admin):
    operation = await lake.submit("provision_database", name="sales")
    name = f"outlast_{operation.resource_id.lower()}"
    await ask(admin, f'CREATE DATABASE "{name}"')
    await lake.work()
    ended = await lake.ended(operation)
    assert (ended.state, ended.failure.code) == ("failed", "database_taken")
    failure = await lake.failure("deprovision_database", database=operation.resource_id)
    assert failure.code == "not_ours"
    assert "database" in await left(admin, operation.resource_id)
    await ask(admin, f'DROP DATABASE "{name}"')
    await lake.result("deprovision_database", database=operation.resource_id)
    assert await left(admin, operation.resource_id) == []


async def test_analysing_and_describing_ask_as_the_role_of_the_database(lake):
    await lake.work()
    await lake.result("provision_database", name="sales")
    shown = await lake.databases.credentials(OPERATOR, "sales")
    await ask(
        shown.url, "CREATE TABLE orders AS SELECT i, i % 3 AS k FROM generate_series(1, 1000) i"
    )
    result = await lake.result("analyze_statistics", database="sales")
    [table] = result["tables"]
    assert (table["schema"], table["table"], table["rows"]) == ("public", "orders", 1000)
    assert [(one["name"], one["distinct"]) for one in table["columns"]] == [("i", 1000), ("k", 3)]
    described = await lake.result("describe_database", database="sales")
    assert (described["engine"], described["tables"][0]["rows"]) == ("postgresql", 1000)
    assert described["bytes"] > 0
    failure = await lake.failure("analyze_statistics", database="sales", tables=["no"])
    assert failure.code == "unknown_table"
    records = await lake.store.operations.audit("default")
    read = [str(one.entry.data) for one in records if one.entry.action == "secret.read"]
    assert any(f"database:{result['database']}" in text for text in read)
    with pytest.raises(Conflict, match="vacuums by itself"):
        await lake.submit("compact_database", database="sales")


async def test_a_server_that_cannot_be_reached_is_tried_again(lake, monkeypatch):
    monkeypatch.setenv(VARIABLE, "postgresql://nobody:secret@127.0.0.1:1/none")
    await lake.work()
    operation = await lake.submit("provision_database", name="sales")
    async with asyncio.timeout(20):
        while operation.attempt < 2:
            operation = await lake.engine.wait(ANN, operation.id, 5, operation.revision)
    assert operation.state in {"pending", "running"}
    events = await lake.store.operations.events(operation.id)
    texts = [str(event.data) for event in events]
    assert any("server_unreachable" in text for text in texts)
    assert not any("secret" in text for text in texts)
    await lake.engine.cancel(ANN, operation.id)


async def test_of_a_hundred_that_want_a_name_one_has_it_and_nothing_is_left_behind(lake, admin):
    await lake.work()
    made = await lake.submit_many("provision_database", [{"name": "sales"}] * 100)
    [operation] = [one for one in made if not isinstance(one, Exception)]
    assert all(isinstance(one, ResourceExists) for one in made if one is not operation)
    assert (await lake.ended(operation)).state == "succeeded"
    gone = await lake.submit_many("deprovision_database", [{"database": "sales"}] * 100)
    [removal] = [one for one in gone if not isinstance(one, Exception)]
    assert (await lake.ended(removal)).state == "succeeded"
    assert await left(admin, operation.resource_id) == []
    assert await lake.store.catalog.find("default", "database") == []


class Proxy:
    """Carries what clients say to the server; holds who first says a word, until it is gone."""

    def __init__(self, word):
        self._word = word
        self._is_held = False
        self.held = asyncio.Event()

    async def __aenter__(self):
        [row] = await ask(server().get_uri(), "SHOW unix_socket_directories")
        self._socket = f"{row[0]}/.s.PGSQL.5432"
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        upstream, onward = await asyncio.open_unix_connection(self._socket)
        back = asyncio.create_task(_carry(upstream, writer))
        try:
            while data := await reader.read(65_536):
                if self._word in data and not self._is_held:
                    self._is_held = True
                    self.held.set()
                    await reader.read()
                    break
                onward.write(data)
        except ConnectionError:
            pass
        finally:
            onward.close()
            await back


async def _carry(reader, writer):
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()


async def test_a_kill_between_the_database_and_its_record_costs_nothing(lake, admin, monkeypatch):
    async with Proxy(b"REVOKE") as proxy:
        monkeypatch.setenv(VARIABLE, f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres")
        await lake.work()
        operation = await lake.submit("provision_database", BEN, name="sales")
        async with asyncio.timeout(20):
            await proxy.held.wait()
        # The server has the database, its role could connect, and nothing here knows of it.
        assert await left(admin, operation.resource_id) == ["database", "role"]
        assert kill_handlers(lake.foundation.folder.work) == 1
        ended = await lake.ended(operation)
        assert (ended.state, ended.attempt) == ("succeeded", 2), ended.failure
        shown = await lake.databases.credentials(OPERATOR, "sales")
        assert (shown.host, shown.port) == ("127.0.0.1", proxy.port)
        assert tuple((await ask(shown.url, "SELECT current_user"))[0]) == (shown.user,)
        await lake.result("deprovision_database", BEN, database="sales")
        assert await left(admin, operation.resource_id) == []


async def test_a_cancel_undoes_what_was_begun(lake, admin, monkeypatch):
    async with Proxy(b"REVOKE") as proxy:
        monkeypatch.setenv(VARIABLE, f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres")
        await lake.work()
        operation = await lake.submit("provision_database", name="sales")
        async with asyncio.timeout(20):
            await proxy.held.wait()
        await lake.engine.cancel(ANN, operation.id)
        assert (await lake.ended(operation)).state == "cancelled"
        assert await left(admin, operation.resource_id) == []
        assert await lake.databases.find(ANN) == []


class Rules:
    """The server's rules of who may connect how, with one before all others."""

    def __init__(self, path, first):
        self._path = Path(path)
        self._before = self._path.read_text()
        self._path.write_text(f"{first}\n{self._before}")

    def restore(self):
        self._path.write_text(self._before)


async def test_the_server_takes_the_password_that_is_shown_and_no_other(lake, admin):
    await lake.work()
    await lake.result("provision_database", name="sales")
    shown = await lake.databases.credentials(OPERATOR, "sales")
    [row] = await ask(admin, "SHOW hba_file")
    rules = Rules(row[0], f"local all {shown.user} scram-sha-256")
    try:
        await ask(admin, "SELECT pg_reload_conf()")
        async with asyncio.timeout(10):
            while True:
                try:
                    await ask(shown.url.replace(shown.password, "another"), "SELECT 1")
                except asyncpg.InvalidPasswordError:
                    break
        assert len(await ask(shown.url, "SELECT 1")) == 1
    finally:
        rules.restore()
        await ask(admin, "SELECT pg_reload_conf()")


async def test_however_provisions_and_removals_are_mixed_nothing_is_left_behind(lake, admin):
    await lake.work()
    ids = set()
    for _ in range(3):
        many = await asyncio.gather(
            lake.submit_many("provision_database", [{"name": "sales"}] * 20),
            lake.submit_many("deprovision_database", [{"database": "sales"}] * 20),
        )
        made = [one for some in many for one in some if not isinstance(one, Exception)]
        ids |= {one.resource_id for one in made}
        ended = [await lake.ended(one) for one in made]
        assert {one.state for one in ended} <= {"succeeded"}, [one.failure for one in ended]
    for found in await lake.databases.find(ANN):
        await lake.result("deprovision_database", database=found.id)
    assert await lake.store.catalog.find("default", "database") == []
    assert [await left(admin, id) for id in ids] == [[] for _ in ids]
