"""Pipe tables of a database of a PostgreSQL server."""

from datetime import date
from decimal import Decimal

import asyncpg
import pytest
from lake import OPERATOR, a_lake
from postgres_server import server

from outlast.engine.preparing import TenantCatalog
from outlast.kinds import create_pipe_table
from outlast.kinds.create_pipe_table import CreateSpec
from outlast.settings import Databases, ObjectStoreSettings

VARIABLE = "TEST_DATABASE_ADMIN"
PLACE = {"database": "sales", "storage": "files", "path_prefix": "in"}


class Pipes:
    def __init__(self, lake, files):
        self.lake, self.files = lake, files

    def put(self, name, content):
        (self.files / "in" / name).write_bytes(content)

    async def create(self, table="orders", **spec):
        return await self.lake.result("create_pipe_table", table=table, **PLACE, **spec)

    async def refresh(self, table="orders"):
        return await self.lake.result("refresh_pipe_table", database="sales", table=table)

    async def rows(self, sql="SELECT * FROM orders"):
        connection = await asyncpg.connect((await self.credentials()).url)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    async def credentials(self):
        return await self.lake.databases.credentials(OPERATOR, "sales")


@pytest.fixture
async def pipes(tmp_path, files, monkeypatch):
    monkeypatch.setenv(VARIABLE, server().get_uri())
    stores = {"files": ObjectStoreSettings(url=f"file://{files}")}
    databases = Databases(engine="postgresql", url_variable=VARIABLE)
    async with a_lake(tmp_path, databases=databases, object_stores=stores) as lake:
        await lake.work()
        await lake.result("provision_database", name="sales", storages=["files"])
        yield Pipes(lake, files)
        await lake.result("deprovision_database", database="sales")


async def test_files_are_loaded_once_into_columns_of_the_servers_types(pipes):
    pipes.put("a.csv", b'd,n,price,text,bytes\n2026-01-02,1,1.50,"say ""hi""",x\n,,,"",\n')
    overrides = {"price": "DECIMAL(10, 2)", "bytes": "VARBINARY", "text": "VARCHAR(20)"}
    made = await pipes.create(column_overrides=overrides)
    assert (made["files"], made["rows_loaded"], made["rows"]) == (1, 2, 2)
    assert await pipes.rows() == [
        (date(2026, 1, 2), 1, Decimal("1.50"), 'say "hi"', b"x"),
        (None, None, None, "", None),
    ]
    assert (await pipes.refresh())["files"] == 0
    pipes.put("b.csv", b"n\n2\n")
    again = await pipes.refresh()
    assert (again["files"], again["rows_loaded"], again["rows"]) == (1, 1, 3)
    pipes.put("c.csv", b"n\nx\n")
    failure = await pipes.lake.failure("refresh_pipe_table", database="sales", table="orders")
    assert (failure.code, failure.message[:24]) == ("invalid_file", "in/c.csv: row 1, column ")
    assert await pipes.rows("SELECT count(*) FROM orders") == [(3,)]
    await pipes.lake.result("delete_pipe_table", database="sales", table="orders")
    assert await pipes.rows("SELECT count(*) FROM _outlast.pipe_files") == [(0,)]
    assert await pipes.rows("SELECT to_regclass('orders') IS NULL") == [(True,)]


async def test_rows_of_one_key_meet_as_the_key_says(pipes):
    pipes.put("a.csv", b"k,s,known,last\n1,1,a,x\n1,2,,y\n,5,z,\n")
    merges = {"s": "SUM", "known": "REPLACE_IF_NOT_NULL"}
    key = {"type": "aggregate", "columns": ["k"]}
    await pipes.create(key=key, aggregation_overrides=merges)
    await pipes.create("latest", key={"type": "unique", "columns": ["k"]})
    pipes.put("b.csv", b"k,s,known,last\n1,10,,\n,1,,w\n")
    for table in ("orders", "latest"):
        await pipes.refresh(table)
    by_key = "SELECT * FROM {} ORDER BY k"
    assert await pipes.rows(by_key.format("orders")) == [(1, 13, "a", None), (None, 6, "z", "w")]
    assert await pipes.rows(by_key.format("latest")) == [(1, 10, None, None), (None, 1, None, "w")]


class Killed:
    """The context of an attempt of which nobody hears that it has done its work."""

    def __init__(self, operation_id, workdir, secrets):
        self.operation_id, self.workdir, self.secrets = operation_id, workdir, secrets

    def report(self, *_, **__):
        pass


async def commit_unheard(pipes, workdir):
    """An operation whose attempt has written its rows, and of which nobody has heard."""
    await pipes.lake.close()  # nobody works
    spec = {"table": "orders"} | PLACE
    operation = await pipes.lake.submit("create_pipe_table", **spec)
    catalog = TenantCatalog(pipes.lake.store.catalog, "default", operation.id)
    prepared = await create_pipe_table.prepare(CreateSpec(**spec), catalog)
    workdir.mkdir()
    secrets = {"password": (await pipes.credentials()).password}
    await create_pipe_table.run(prepared.plan, Killed(operation.id, workdir, secrets))
    return operation


async def test_what_was_committed_before_a_kill_is_not_loaded_again(pipes, tmp_path):
    pipes.put("a.csv", b"n\n1\n2\n")
    operation = await commit_unheard(pipes, tmp_path / "workdir")
    await pipes.lake.work()
    ended = await pipes.lake.ended(operation)
    assert ended.state == "succeeded", ended.failure
    assert await pipes.rows() == [(1,), (2,)]
    pipes.put("b.csv", b"n\n3\n")
    assert (await pipes.refresh())["rows"] == 3


async def test_what_an_operation_left_that_was_ended_after_its_commit_is_made_anew(pipes, tmp_path):
    pipes.put("a.csv", b"n\n1\n2\n")
    operation = await commit_unheard(pipes, tmp_path / "workdir")
    await pipes.lake.engine.cancel(OPERATOR, operation.id)
    await pipes.lake.work()
    made = await pipes.create(column_overrides={"n": "VARCHAR"})
    assert made["rows"] == 2
    assert await pipes.rows() == [("1",), ("2",)]
