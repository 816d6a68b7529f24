"""Pipe tables of a DuckDB database: from the request to the rows, through the real worker."""

import asyncio
import gzip

import pytest
from installation import until
from lake import ANN, BEN

from outlast.engine.ticking import Ticker
from outlast.operations.errors import InvalidSpec, NotFound, ResourceExists
from outlast.operations.schedules import SCHEDULE, decode_schedule


async def test_the_files_below_a_prefix_become_a_table_and_new_ones_are_loaded_once(pipes):
    pipes.put("a.csv", b"n,text\n1,one\n2,two\n")
    pipes.put("b.csv.gz", gzip.compress(b"n,text\n3,three\n"))
    pipes.put("_SUCCESS", b"x")
    made = await pipes.create(distribution={"type": "hash", "columns": ["n"], "buckets": 4})
    assert (made["files"], made["rows_loaded"], made["rows"]) == (2, 3, 3)
    assert made["columns"] == [
        {"name": "n", "type": "BIGINT"},
        {"name": "text", "type": "VARCHAR"},
    ]
    assert made["recorded"] == ["distribution"]
    told = (await pipes.lake.engine.get(ANN, (await pipes.get()).operation_id)).progress
    assert (told.stage, told.done, told.total) == ("loaded", made["bytes"], made["bytes"])
    assert told.message == "3 rows of 2 files"
    assert await pipes.rows() == [(1, "one"), (2, "two"), (3, "three")]
    assert (await pipes.refresh())["files"] == 0
    pipes.put("c.csv", b"n,text\n4,four\n")
    again = await pipes.refresh()
    assert (again["files"], again["rows_loaded"], again["rows"]) == (1, 1, 4)
    assert (await pipes.refresh())["files"] == 0
    assert await pipes.rows("SELECT sum(n), count(*) FROM orders") == [(10, 4)]
    table = await pipes.get()
    assert (table.status, table.created_by, table.contents.files) == ("ready", "ann", 3)
    assert table.loaded_by not in {None, table.operation_id}


async def test_a_changed_file_is_told_and_not_loaded_again_and_rows_of_a_vanished_one_stay(pipes):
    pipes.put("a.csv", b"n\n1\n")
    pipes.put("b.csv", b"n\n2\n")
    await pipes.create()
    pipes.put("a.csv", b"n\n1\n100\n")
    (pipes.files / "in" / "b.csv").unlink()
    told = await pipes.refresh()
    assert (told["changed"], told["vanished"]) == (["in/a.csv"], ["in/b.csv"])
    assert (told["files"], told["rows"]) == (0, 2)
    assert await pipes.rows() == [(1,), (2,)]
    later = await pipes.refresh()
    assert (later["changed"], later["vanished"]) == ([], [])


async def test_what_is_more_than_one_operation_may_fetch_waits_for_the_next(pipes):
    for name in ("a", "b", "c"):
        pipes.put(f"{name}.csv", b"text\n" + b"x" * 400_000 + b"\n")
    made = await pipes.create()
    assert (made["files"], made["files_left"]) == (2, 1)
    assert (await pipes.refresh())["files"] == 1
    pipes.put("d.csv", b"text\n" + b"x" * 1_000_001 + b"\n")
    failure = await pipes.lake.failure("refresh_pipe_table", database="sales", table="orders")
    assert (failure.code, failure.fault) == ("result_too_large", "user")
    assert "in/d.csv" in failure.message


async def test_a_table_with_polling_has_a_schedule_that_goes_with_it(pipes):
    pipes.put("a.csv", b"n\n1\n")
    await pipes.create(polling_seconds=3600)
    table = await pipes.get()
    schedule = await pipes.lake.store.catalog.read("default", SCHEDULE, table.id)
    document = decode_schedule(schedule.document)
    assert (document.kind, document.every_seconds) == ("refresh_pipe_table", 3600)
    assert document.spec == {"database": table.database, "table": "orders"}
    assert (document.created_by, document.belongs_to) == ("ann", f"pipe_table/{table.id}")
    await pipes.lake.result("delete_pipe_table", database="sales", table="orders")
    assert await pipes.lake.store.catalog.read("default", SCHEDULE, table.id) is None
    with pytest.raises(NotFound):
        await pipes.get()
    assert await pipes.rows("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'orders'") == [
        (0,)
    ]
    again = await pipes.create()
    assert again["rows"] == 1


async def test_a_schedule_refreshes_by_operations_of_its_own(pipes):
    pipes.put("a.csv", b"n\n1\n")
    await pipes.create(polling_seconds=1)
    pipes.put("b.csv", b"n\n2\n")

    async def is_loaded():
        return (await pipes.get()).contents.rows == 2

    ticking = asyncio.create_task(Ticker(pipes.lake.engine, look_seconds=0.1).run())
    try:
        await until(is_loaded, 15)
    finally:
        ticking.cancel()
    refresh = await pipes.lake.engine.get(ANN, (await pipes.get()).loaded_by)
    assert (refresh.kind, refresh.created_by) == ("refresh_pipe_table", "ann")


async def test_a_name_is_taken_from_the_request_on_and_free_again_after_a_failure(pipes):
    spec = {"database": "sales", "table": "orders", "storage": "files", "path_prefix": "in"}
    first = await pipes.lake.submit("create_pipe_table", **spec)
    with pytest.raises(ResourceExists, match="has a pipe table"):
        await pipes.lake.submit("create_pipe_table", BEN, **spec)
    failure = (await pipes.lake.ended(first)).failure
    assert (failure.code, failure.fault) == ("files_missing", "user")
    assert await pipes.tables.find(ANN, "sales") == []
    with pytest.raises(NotFound):
        await pipes.lake.submit("refresh_pipe_table", database="sales", table="orders")
    pipes.put("a.csv", b"n\n1\n")
    await pipes.create()
    assert [table.name for table in await pipes.tables.find(ANN, "sales")] == ["orders"]
    with pytest.raises(ResourceExists):
        await pipes.lake.submit("create_pipe_table", BEN, **spec)


async def test_a_database_takes_its_pipe_tables_along(pipes):
    pipes.put("a.csv", b"n\n1\n")
    await pipes.create(polling_seconds=3600)
    table = await pipes.get()
    await pipes.lake.result("deprovision_database", database="sales")
    for type in ("pipe_table", SCHEDULE):
        assert await pipes.lake.store.catalog.read("default", type, table.id) is None


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"table": "Orders"}, "table"),
        ({"table": "1orders"}, "table"),
        ({"table": "o" * 64}, "table"),
        ({"storage": "nowhere"}, "storage"),
        ({"path_prefix": "../in"}, "path_prefix"),
        ({"path_prefix": "a//b"}, "path_prefix"),
        ({"column_overrides": {"n": "HLL"}}, "column_overrides.n"),
        ({"column_overrides": {"n": "DECIMAL(50)"}}, "column_overrides.n"),
        (
            {"column_expressions": {"h": {"column": "n", "function": "HLL_HASH"}}},
            "column_expressions",
        ),
        ({"aggregation_overrides": {"n": "SUM"}}, "aggregation_overrides"),
        ({"key": {"type": "primary"}}, "key.columns"),
        ({"key": {"type": "unique", "columns": ["n", "n"]}}, "key.columns"),
        ({"distribution": {"type": "random", "columns": ["n"]}}, "distribution.columns"),
        ({"distribution": {"type": "hash", "buckets": 0}}, "distribution.buckets"),
        ({"partition": {"type": "date_trunc", "column": "n"}}, "partition.unit"),
        ({"partition": {"type": "column", "columns": ["n"], "unit": "day"}}, "partition.unit"),
        ({"varchar_chars_max": 0}, "varchar_chars_max"),
        ({"polling_seconds": 0}, "polling_seconds"),
        ({"table_properties": {"a": "b" * 1001}}, "table_properties"),
    ],
)
async def test_what_no_table_can_be_is_refused_at_once(refusing, spec, field):
    with pytest.raises(InvalidSpec) as caught:
        await refusing(**spec)
    assert list(caught.value.field_errors) == [field]


async def test_a_storage_that_the_database_was_not_given_is_refused(pipes):
    with pytest.raises(InvalidSpec, match="not among the storages"):
        await pipes.lake.submit(
            "create_pipe_table", database="sales", table="t", storage="others", path_prefix="in"
        )
