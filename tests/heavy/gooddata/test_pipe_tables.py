"""The official client loads files of a folder into a table, and removes it."""

import time
import uuid

import duckdb
import pytest
from official_client import SdkError, model

CREATE = "create_ai_lake_pipe_table"
GET = "get_ai_lake_pipe_table"


@pytest.fixture
def sales(sdk):
    sdk.provision("tables")
    yield "tables"
    sdk.deprovision("tables")


def request(table="orders", **fields):
    return model(
        "CreatePipeTableRequest",
        path_prefix="orders/",
        source_storage_name="lake",
        table_name=table,
        **fields,
    )


def rows_of(server, database, query, folder):
    """What a query answers on a database's file."""
    file = folder / "copy.duckdb"
    with server.http() as http:
        file.write_bytes(http.get(f"/v1/databases/{database}/file").raise_for_status().content)
    with duckdb.connect(file, read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_files_become_a_table_that_can_be_seen_queried_and_removed(
    server, sdk, sales, orders, tmp_path
):
    orders(1000)
    orders(500)
    config = model("DistributionConfig", type="random")
    made = sdk.started(
        CREATE,
        instance_id=sales,
        create_pipe_table_request=request(distribution_config=config),
        operation_id=str(uuid.uuid4()),
    )
    assert made["kind"] == "create-pipe-table"
    listed, _, _ = sdk.api("list_ai_lake_pipe_tables", instance_id=sales)
    [shown] = listed["pipe_tables"]
    assert (shown["table_name"], shown["path_prefix"]) == ("orders", "orders")
    table, _, _ = sdk.api(GET, instance_id=sales, table_name="orders", _check_return_type=False)
    assert (table["database_name"], table["key_config"]) == (sales, {"type": "duplicate"})
    assert [one["name"] for one in table["columns"]] == ["id", "amount", "day"]
    assert table["partition_columns"] == ["day"]
    query = "SELECT count(*), count(DISTINCT id), sum(amount) FROM orders"
    assert rows_of(server, sales, query, tmp_path) == [(1500, 1500, 1499 * 1500 / 4)]
    started = sdk.lake("analyze_statistics", instance_id=sales, table_names=["orders"])
    assert sdk.wait(started)["status"] == "succeeded"
    gone = sdk.started("delete_ai_lake_pipe_table", instance_id=sales, table_name="orders")
    assert gone["kind"] == "delete-pipe-table"
    listed, _, _ = sdk.api("list_ai_lake_pipe_tables", instance_id=sales)
    assert listed["pipe_tables"] == []


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("sourceStorageName", {"source_storage_name": "nowhere"}),
        ("pathPrefix", {"path_prefix": "../etc"}),
        ("columnOverrides", {"column_overrides": {"id": "NONSENSE"}}),
        ("keyConfig.columns", {"key_config": model("KeyConfig", type="unique")}),
        ("aggregationOverrides", {"aggregation_overrides": {"amount": "SUM"}}),
        (
            "columnExpressions",
            {"column_expressions": {"a": {"column": "b", "function": "HLL_HASH"}}},
        ),
    ],
)
def test_what_cannot_be_made_is_refused_at_once_and_names_the_field(sdk, sales, field, asked):
    with pytest.raises(SdkError) as refused:
        sdk.api(CREATE, instance_id=sales, create_pipe_table_request=request() | asked)
    assert (refused.value.name, refused.value.status) == ("ApiException", 400)
    assert field in refused.value.problem["detail"]


def test_what_is_added_is_loaded_once_by_operations_that_have_no_word_here(
    server, sdk, sales, orders, tmp_path
):
    orders(10)
    asked = request(polling_interval_seconds=1)
    sdk.started(CREATE, instance_id=sales, create_pipe_table_request=asked)
    orders(5)

    def rows():
        return rows_of(server, sales, "SELECT count(*), count(DISTINCT id) FROM orders", tmp_path)

    until = time.monotonic() + 60
    while rows() != [(15, 15)]:
        assert time.monotonic() < until, rows()
        time.sleep(0.5)
    with server.http() as http:
        found = http.get("/v1/operations", params={"kind": "refresh_pipe_table"}).json()
    with pytest.raises(SdkError) as refused:
        sdk.lake("get_operation", operation_id=found["operations"][0]["id"])
    assert refused.value.name == "NotFoundException"


def test_a_prefix_without_files_fails_and_the_name_is_free_again(sdk, sales):
    asked = request("late") | {"path_prefix": "late"}
    with pytest.raises(SdkError) as failed:
        sdk.started(CREATE, instance_id=sales, create_pipe_table_request=asked)
    assert failed.value.name == "CatalogAILakeOperationError"
    with pytest.raises(SdkError) as refused:
        sdk.api(GET, instance_id=sales, table_name="late")
    assert refused.value.status == 404


def test_no_key_can_be_read_by_this_clients_own_models_whatever_a_server_sends(sdk, sales, orders):
    # They have four models of keys that are alike, of which exactly one must fit.
    orders(10)
    key = model("KeyConfig", type="unique", columns=["id"])
    sdk.started(CREATE, instance_id=sales, create_pipe_table_request=request(key_config=key))
    with pytest.raises(SdkError, match="PipeTableKeyConfig"):
        sdk.api(GET, instance_id=sales, table_name="orders")
    table, _, _ = sdk.api(GET, instance_id=sales, table_name="orders", _check_return_type=False)
    assert table["key_config"] == {"type": "unique", "columns": ["id"]}
