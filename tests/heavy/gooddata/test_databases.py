"""The official client of the seed's generation makes, uses and removes databases."""

import uuid

import pytest
from official_client import SdkError, model


@pytest.fixture
def sales(sdk):
    """A database that is there for one test."""
    sdk.provision("sales")
    yield "sales"
    sdk.deprovision("sales")


def test_a_database_from_its_making_to_its_end(sdk):
    chosen = str(uuid.uuid4())
    made = sdk.provision("short", chosen, data_source_id="short-1")
    assert (made["id"], made["kind"], made["status"]) == (chosen, "provision-database", "succeeded")
    found, _, _ = sdk.api("get_ai_lake_database_instance", instance_id="short")
    assert (found["name"], found["storage_ids"]) == ("short", ["lake"])
    [source] = found["data_sources"]
    assert (source["data_source_id"], source["data_source_name"]) == ("short-1", "short-1")
    by_id, _, _ = sdk.api("get_ai_lake_database_instance", instance_id=found["id"])
    assert by_id["id"] == found["id"]
    assert sdk.deprovision("short")["kind"] == "deprovision-database"
    with pytest.raises(SdkError) as refused:
        sdk.api("get_ai_lake_database_instance", instance_id="short")
    assert (refused.value.name, refused.value.status) == ("NotFoundException", 404)
    assert refused.value.problem["traceId"]


def test_both_headers_say_where_to_look_and_the_body_is_an_empty_object(sdk):
    chosen = str(uuid.uuid4())
    request = model("ProvisionDatabaseInstanceRequest", name="headers", storage_ids=[])
    call = "provision_ai_lake_database_instance"
    for _ in range(2):  # the second time it is the same operation
        body, status, headers = sdk.api(
            call, provision_database_instance_request=request, operation_id=chosen
        )
        assert (body, status, headers["operation-id"]) == ({}, 202, chosen)
        assert headers["operation-location"] == f"/api/v1/ailake/operations/{chosen}"
        # It can be polled at once.
        assert sdk.lake("get_operation", operation_id=chosen)["status"] in {"pending", "succeeded"}
    other = request | {"name": "another"}
    with pytest.raises(SdkError) as refused:
        sdk.api(call, provision_database_instance_request=other, operation_id=chosen)
    assert (refused.value.name, refused.value.status) == ("ApiException", 409)
    sdk.wait(chosen)
    sdk.deprovision("headers")


def test_databases_are_listed_in_parts_and_counted(sdk):
    for name in ("one", "two", "three"):
        sdk.provision(name)
    found, _, _ = sdk.api(
        "list_ai_lake_database_instances", size=2, offset=1, meta_include=["page"]
    )
    assert found["total_count"] == 3
    assert [one["name"] for one in found["databases"]] == ["two", "one"]
    found, _, _ = sdk.api("list_ai_lake_database_instances")
    assert "total_count" not in found
    for name in ("one", "two", "three"):
        sdk.deprovision(name)


def test_data_sources_come_go_and_take_places(sdk, sales):
    request = model("AddDatabaseDataSourceRequest", data_source_id="s2", data_source_name="Second")
    made, _, _ = sdk.api(
        "add_ai_lake_database_data_source",
        instance_id=sales,
        add_database_data_source_request=request,
    )
    assert made["data_source"]["data_source_name"] == "Second"
    gone, _, _ = sdk.api(
        "remove_ai_lake_database_data_source", instance_id=sales, data_source_id="sales"
    )
    assert gone == {"data_source_id": "sales"}
    with pytest.raises(SdkError) as refused:
        sdk.api("remove_ai_lake_database_data_source", instance_id=sales, data_source_id="s2")
    assert (refused.value.status, refused.value.problem["title"]) == (409, "Conflict")
    request = model("UpdateDatabaseDataSourceRequest", data_source_id="s3", old_data_source_id="s2")
    now, _, _ = sdk.api(
        "update_ai_lake_database_data_source",
        instance_id=sales,
        update_database_data_source_request=request,
    )
    assert now == {"data_source_id": "s3", "data_source_name": "s3"}
    listed, _, _ = sdk.api("list_ai_lake_database_data_sources", instance_id=sales)
    assert [one["data_source_id"] for one in listed["data_sources"]] == ["s3"]


def test_statistics_are_analysed_as_the_sdk_does_it(sdk, sales):
    started = sdk.lake("analyze_statistics", instance_id=sales)
    assert sdk.wait(started)["kind"] == "analyze-statistics"
    started = sdk.lake("analyze_statistics", instance_id=sales, table_names=["none"])
    with pytest.raises(SdkError, match="none") as failed:
        sdk.wait(started)
    assert failed.value.name == "CatalogAILakeOperationError"


def test_a_token_that_is_none_and_an_operation_that_is_not_there(sdk, client_of):
    stranger = client_of("1.66.0", token="not-a-token")
    with pytest.raises(SdkError) as refused:
        stranger.api("list_ai_lake_database_instances")
    assert (refused.value.name, refused.value.problem) == ("UnauthorizedException", None)
    with pytest.raises(SdkError) as refused:
        sdk.lake("get_operation", operation_id=str(uuid.uuid4()))
    assert refused.value.name == "NotFoundException"


def test_object_storages_are_those_of_the_settings(sdk):
    found, _, _ = sdk.api("list_ai_lake_object_storages")
    [lake] = found["storages"]
    assert (lake["storage_id"], lake["storage_type"], lake["storage_config"]) == (
        "lake",
        "local",
        {},
    )


def test_below_its_path_on_the_main_port_it_is_the_same_server(server, client_of):
    below = client_of("1.66.0", url=f"{server.url}/gooddata")
    chosen = str(uuid.uuid4())
    assert below.provision("below", chosen)["id"] == chosen
    below.deprovision("below")
