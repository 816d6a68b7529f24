"""Databases that are DuckDB files: from the request to the file, through the real worker."""

import asyncio
import re

import duckdb
import pytest
from lake import ANN, BEN, OPERATOR

from outlast.operations.errors import (
    Conflict,
    Forbidden,
    InvalidSpec,
    NotFound,
    OutlastError,
    ResourceExists,
)


def filled(path, *statements):
    """A DuckDB file that some statements made."""
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


async def test_a_provisioned_database_is_a_file_that_duckdb_opens(lake, tmp_path):
    await lake.work()
    result = await lake.result("provision_database", name="sales", data_source_name="Sales")
    database = await lake.databases.get(ANN, "sales")
    assert result == {"database": database.id, "name": "sales", "engine": "duckdb"}
    assert (database.status, database.created_by, database.storages) == ("ready", "ann", ())
    [source] = database.data_sources
    assert (source.data_source_id, source.name) == ("sales", "Sales")
    path = await lake.file("sales", tmp_path / "copy.duckdb")
    assert path.stat().st_size == database.bytes
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,)


async def test_a_name_is_taken_from_the_request_on(lake):
    operation = await lake.submit("provision_database", name="sales")
    database = await lake.databases.get(ANN, "sales")
    assert (database.status, database.operation_id) == ("provisioning", operation.id)
    with pytest.raises(ResourceExists, match="exists already"):
        await lake.submit("provision_database", BEN, name="sales")
    with pytest.raises(Conflict, match="is provisioning"):
        await lake.submit("deprovision_database", database="sales")
    with pytest.raises(Conflict, match="is provisioning"):
        await lake.submit("analyze_statistics", database="sales")
    page = await lake.store.operations.find(lake_query())
    assert [one.id for one in page.operations] == [operation.id]


def lake_query():
    from outlast.store.port import Query  # noqa: PLC0415

    return Query(tenant="default")


async def test_a_name_whose_operation_was_cancelled_is_free_and_is_taken_over(lake):
    first = await lake.submit("provision_database", name="sales")
    left = await lake.databases.get(ANN, "sales")
    await lake.engine.cancel(ANN, first.id)
    assert await lake.databases.find(ANN) == []
    with pytest.raises(NotFound):
        await lake.databases.get(ANN, left.id)
    await lake.work()
    result = await lake.result("provision_database", BEN, name="sales")
    assert result["database"] == left.id
    assert (await lake.databases.get(ANN, "sales")).created_by == "ben"


async def test_of_a_hundred_that_want_a_name_one_has_it_and_of_a_hundred_that_end_it_one_does(lake):
    made = await lake.submit_many("provision_database", [{"name": "sales"}] * 100)
    [operation] = [one for one in made if not isinstance(one, Exception)]
    assert all(isinstance(one, ResourceExists) for one in made if one is not operation)
    await lake.work()
    assert (await lake.ended(operation)).state == "succeeded"
    gone = await lake.submit_many("deprovision_database", [{"database": "sales"}] * 100)
    [operation] = [one for one in gone if not isinstance(one, Exception)]
    assert all(isinstance(one, Conflict | NotFound) for one in gone if one is not operation)
    told = "is deprovisioning|is about the database|there is no database"
    assert all(re.search(told, one.message) for one in gone if one is not operation)
    assert (await lake.ended(operation)).state == "succeeded"
    assert await lake.databases.find(ANN) == []
    assert await lake.store.catalog.find("default", "database") == []


async def test_a_database_that_is_gone_can_be_made_anew_under_its_name(lake):
    await lake.work()
    first = await lake.result("provision_database", name="sales")
    gone = await lake.result("deprovision_database", database="sales")
    assert gone == {"database": first["database"], "name": "sales"}
    with pytest.raises(NotFound):
        await lake.submit("deprovision_database", database="sales")
    second = await lake.result("provision_database", name="sales")
    assert second["database"] != first["database"]


async def test_what_a_provision_left_can_be_deprovisioned(lake):
    first = await lake.submit("provision_database", name="sales")
    await lake.engine.cancel(ANN, first.id)
    await lake.work()
    await lake.result("deprovision_database", database="sales")
    assert await lake.store.catalog.find("default", "database") == []


async def test_only_operators_deprovision_what_another_member_made(lake):
    await lake.work()
    await lake.result("provision_database", name="sales")
    with pytest.raises(Forbidden):
        await lake.submit("deprovision_database", BEN, database="sales")
    assert (await lake.databases.get(ANN, "sales")).status == "ready"
    await lake.result("deprovision_database", OPERATOR, database="sales")


async def test_a_database_that_an_operation_is_about_is_not_deprovisioned(lake):
    await lake.work()
    await lake.result("provision_database", name="sales")
    await lake.close()
    about = await lake.submit("analyze_statistics", database="sales")
    database = await lake.databases.get(ANN, "sales")
    assert (about.resource_type, about.resource_id) == ("database", database.id)
    assert about.concurrency_key == f"database:{database.id}"
    with pytest.raises(Conflict, match=about.id):
        await lake.submit("deprovision_database", database=database.id)
    await lake.engine.cancel(ANN, about.id)
    removal = await lake.submit("deprovision_database", database=database.id)
    assert (await lake.databases.get(ANN, "sales")).status == "deprovisioning"
    await lake.engine.cancel(ANN, removal.id)
    assert (await lake.databases.get(ANN, "sales")).status == "ready"


async def test_analysing_counts_and_sums_up_the_tables(lake, tmp_path):
    await lake.work()
    await lake.result("provision_database", name="sales")
    await lake.change(
        "sales",
        filled(
            tmp_path / "new.duckdb",
            "CREATE TABLE orders AS SELECT i AS id, 'n' || (i % 3) AS name FROM range(1000) r(i)",
            "CREATE SCHEMA other",
            "CREATE TABLE other.empty (x INTEGER)",
        ),
    )
    result = await lake.result("analyze_statistics", database="sales")
    orders, empty = result["tables"]
    assert (orders["schema"], orders["table"], orders["rows"]) == ("main", "orders", 1000)
    id, name = orders["columns"]
    assert (id["type"], id["min"], id["max"], id["null_fraction"]) == ("BIGINT", "0", "999", 0.0)
    assert (name["name"], name["distinct"]) == ("name", 3)
    assert (empty["schema"], empty["rows"]) == ("other", 0)
    only = await lake.result("analyze_statistics", database="sales", tables=["other.empty"])
    assert [table["table"] for table in only["tables"]] == ["empty"]
    failure = await lake.failure("analyze_statistics", database="sales", tables=["orders", "or"])
    assert (failure.code, failure.fault) == ("unknown_table", "user")
    assert failure.details == {"tables": ["or"]}


async def test_compacting_gives_back_what_was_deleted_and_keeps_the_rest(lake, tmp_path):
    await lake.work()
    await lake.result("provision_database", name="sales")
    await lake.change(
        "sales",
        filled(
            tmp_path / "new.duckdb",
            "CREATE TABLE t AS SELECT i, md5(i::VARCHAR) AS text FROM range(200000) r(i)",
            "CREATE VIEW few AS SELECT * FROM t WHERE i < 10",
            "CREATE MACRO twice(x) AS 2 * x",
            "CHECKPOINT",
            "DELETE FROM t WHERE i >= 1000",
            "CHECKPOINT",
        ),
    )
    before = await lake.result("describe_database", database="sales")
    assert [table["table"] for table in before["tables"]] == ["t"]
    result = await lake.result("compact_database", database="sales")
    after = await lake.result("describe_database", database="sales")
    assert result["bytes_before"] == before["bytes"] > result["bytes"] == after["bytes"]
    path = await lake.file("sales", tmp_path / "copy.duckdb")
    with duckdb.connect(str(path)) as connection:
        query = "SELECT count(*), sum(i), twice(21), (SELECT count(*) FROM few) FROM t"
        assert connection.execute(query).fetchone() == (1000, 499500, 42, 10)


async def test_changes_of_one_database_wait_for_each_other_and_none_is_lost(lake):
    await lake.work()
    await lake.result("provision_database", name="sales")
    many = [await lake.submit("analyze_statistics", database="sales") for _ in range(3)]
    ended = await asyncio.gather(*(lake.ended(one) for one in many))
    assert [one.state for one in ended] == ["succeeded"] * 3


async def test_a_hostile_file_hurts_no_one_and_the_database_stays_as_it_was(lake, tmp_path):
    await lake.work()
    await lake.result("provision_database", name="sales")
    (tmp_path / "bad").write_bytes(b"DUCK" * 5000)
    await lake.change("sales", tmp_path / "bad")
    failure = await lake.failure("analyze_statistics", database="sales")
    assert failure.code == "database_failed"
    assert str(tmp_path) not in failure.message


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"name": "1st"}, "name"),
        ({"name": "a" * 256}, "name"),
        ({"name": "H" * 20}, "name"),
        ({"name": "ok", "storages": ["nowhere"]}, "storages"),
        ({"name": "ok", "storages": ["a", "a"]}, "storages"),
        ({"name": "ok", "data_source_id": "\n"}, "data_source_id"),
        ({"name": "ok", "data_source_name": ""}, "data_source_name"),
        ({"name": "ok", "size": 1}, "size"),
    ],
)
async def test_what_no_database_can_be_is_refused_at_once(lake, spec, field):
    with pytest.raises(InvalidSpec) as refused:
        await lake.submit("provision_database", **spec)
    assert list(refused.value.field_errors) == [field]


@pytest.mark.parametrize("tables", [[], [""], ["t"] * 1001])
async def test_what_no_list_of_tables_is_is_refused_at_once(lake, tables):
    with pytest.raises(InvalidSpec) as refused:
        await lake.submit("analyze_statistics", database="any", tables=tables)
    assert list(refused.value.field_errors) == ["tables"]


async def test_a_part_of_another_kind_cannot_be_submitted(lake):
    with pytest.raises(Exception, match="no kind 'analyze_postgresql'"):
        await lake.submit("analyze_postgresql", database="any")


@pytest.fixture
async def sales(lake, tmp_path):
    """A database with a table, which datasets can be made of."""
    await lake.work()
    made = await lake.result("provision_database", name="sales")
    statements = (
        "CREATE TABLE orders AS SELECT i AS id, i % 3 AS k FROM range(9) r(i)",
        "CREATE SCHEMA other",
        "CREATE TABLE other.names AS SELECT 1 AS k, 'one' AS name",
    )
    await lake.change("sales", filled(tmp_path / "new.duckdb", *statements))
    return made["database"]


async def test_a_query_reads_the_tables_of_databases(lake, sales):
    spec = {
        "dialect": "duckdb",
        "query": "SELECT name, count(*) AS n FROM Shop.orders JOIN shop.other.names USING (k)"
        " GROUP BY name",
        "databases": {"shop": sales},
    }
    result = await lake.result("sql_query", **spec)
    assert result["sample_rows"] == [{"name": "one", "n": 3}]
    source = {"dataset": result["dataset"]}
    both = {
        "query": "SELECT o.id FROM {src_0} AS s JOIN sales.orders AS o ON o.id = s.n",
        "src": [source],
        "databases": {"sales": "sales"},
    }
    assert (await lake.result("sql_query", **(spec | both)))["sample_rows"] == [{"id": 3}]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"query": "SELECT * FROM other.orders"}, "was given: sales"),
        ({"query": "SELECT * FROM memory.main.src_0"}, "was given: sales"),
        ({"query": "SELECT * FROM orders"}, "neither a source"),
        ({"query": "SELECT * FROM system.information_schema.tables"}, "was given: sales"),
        ({"databases": {"main": "sales"}}, "'main' is not a name"),
        ({"databases": {"a b": "sales"}}, "'a b' is not a name"),
        ({"databases": {"a": "sales", "A": "sales"}}, "called the same"),
        ({"databases": {f"d{n}": "sales" for n in range(9)}}, "at most 8"),
        ({"databases": {"sales": "nothing"}}, "no database 'nothing'"),
        ({"databases": {}}, "1 to 32 sources"),
        ({"dialect": "yql"}, "in the dialect duckdb alone"),
    ],
)
async def test_what_no_query_over_databases_is_is_refused_at_once(lake, spec, says):
    wanted = {
        "dialect": "duckdb",
        "query": "SELECT * FROM sales.orders",
        "databases": {"sales": "sales"},
    }
    with pytest.raises(OutlastError, match=says):
        await lake.submit("sql_query", **(wanted | spec))


async def test_a_query_changes_no_database_and_reads_no_other_file(lake, sales):
    failure = await lake.failure(
        "sql_query", dialect="duckdb", query="SELECT * FROM s.nothing", databases={"s": sales}
    )
    assert failure.code == "query_failed"
    assert "/proc" not in failure.message
