"""Clients of the generations after the seed's read what their own models allow."""

import uuid

import pytest
from official_client import SdkError, model


def attributes(found):
    return [one["attributes"] for one in found["data"]]


@pytest.mark.parametrize("version", ["1.73.0", "1.78.0"])
def test_a_later_client_makes_lists_reads_and_removes_a_database(client_of, version):
    sdk, name = client_of(version), f"later-{version}"
    chosen = str(uuid.uuid4())
    assert sdk.provision(name, chosen)["id"] == chosen
    found, _, _ = sdk.api(
        "list_ai_lake_database_instances", page=0, size=500, meta_include=["page"]
    )
    assert name in [one["name"] for one in attributes(found)]
    page = found["meta"]["page"]
    assert (page["number"], page["size"], page["total_pages"]) == (0, 500, 1)
    one, _, _ = sdk.api("get_ai_lake_database_instance", instance_id=name)
    assert one["data"]["attributes"]["name"] == name
    sources, _, _ = sdk.api("list_ai_lake_database_data_sources", instance_id=name, page=0)
    assert [source["data_source_id"] for source in attributes(sources)] == [name]
    storages, _, _ = sdk.api("list_ai_lake_object_storages", size=1)
    assert [storage["storage_id"] for storage in attributes(storages)] == ["lake"]
    services, _, _ = sdk.api("list_ai_lake_services")
    assert {"databases", "datasets"} <= {one["name"] for one in attributes(services)}
    told, _, _ = sdk.api("get_ai_lake_service_status", service_id="databases")
    assert told["status"]["databases"]["ready"] >= 1
    asked = model("RunServiceCommandRequest", payload={"database": name})
    done = sdk.started(
        "run_ai_lake_service_command",
        service_id="databases",
        command_name="describe",
        run_service_command_request=asked,
    )
    assert done["status"] == "succeeded"
    analysed = sdk.wait(sdk.lake("analyze_statistics", instance_id=name))
    assert analysed["status"] == "succeeded"
    assert sdk.deprovision(name)["status"] == "succeeded"
    with pytest.raises(SdkError) as refused:
        sdk.api("list_ai_lake_database_instances", page=10_000, size=500)
    assert refused.value.status == 400


def test_a_later_client_makes_reads_and_removes_a_pipe_table(client_of, orders):
    sdk, database = client_of("1.73.0"), "later-tables"
    sdk.provision(database)
    orders(10)
    key = model("CreatePipeTableRequestKeyConfig", type="unique", columns=["id"])
    request = model(
        "CreatePipeTableRequest",
        path_prefix="orders",
        source_storage_name="lake",
        table_name="orders",
        key_config=key,
    )
    sdk.started(
        "create_ai_lake_pipe_table", instance_id=database, create_pipe_table_request=request
    )
    listed, _, _ = sdk.api("list_ai_lake_pipe_tables", instance_id=database, meta_include=["page"])
    assert [one["table_name"] for one in attributes(listed)] == ["orders"]
    found, _, _ = sdk.api("get_ai_lake_pipe_table", instance_id=database, table_name="orders")
    table = found["data"]["attributes"]
    assert (table["key_config"]["type"], table["polling_interval_seconds"]) == ("unique", 300)
    sdk.started("delete_ai_lake_pipe_table", instance_id=database, table_name="orders")
    sdk.deprovision(database)
