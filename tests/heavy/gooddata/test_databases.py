"""The official client of the seed's generation makes, uses and removes databases."""

import uuid

import pytest
from official_client import SdkError, model


@pytest.fixture(scope="session")
def sdk(client_of):
    return client_of("1.66.0")


def provision(sdk, name, operation_id=None, **fields):
    """Make a database and wait for it; the operation as the client has it."""
    request = model("ProvisionDatabaseInstanceRequest", name=name, storage_ids=["lake"], **fields)
    chosen = {} if operation_id is None else {"operation_id": operation_id}
    body, status, headers = sdk.api(
        "provision_ai_lake_database_instance",
        provision_database_instance_request=request,
        **chosen,
    )
    assert (body, status) == ({}, 202)
    assert headers["operation-location"].endswith(f"/operations/{headers['operation-id']}")
    return sdk.lake("wait_for_operation", operation_id=headers["operation-id"], poll_s=0.2)


def deprovision(sdk, name):
    _, status, headers = sdk.api("deprovision_ai_lake_database_instance", instance_id=name)
    assert status == 202
    return sdk.lake("wait_for_operation", operation_id=headers["operation-id"], poll_s=0.2)


def test_a_database_from_its_making_to_its_end(sdk):
    chosen = str(uuid.uuid4())
    made = provision(sdk, "sales", chosen, data_source_id="sales-1")
    assert (made["id"], made["kind"], made["status"]) == (chosen, "provision-database", "succeeded")
    found, _, _ = sdk.api("get_ai_lake_database_instance", instance_id="sales")
    assert (found["name"], found["storage_ids"]) == ("sales", ["lake"])
    [source] = found["data_sources"]
    assert (source["data_source_id"], source["data_source_name"]) == ("sales-1", "sales-1")
    by_id, _, _ = sdk.api("get_ai_lake_database_instance", instance_id=found["id"])
    assert by_id["id"] == found["id"]
    assert deprovision(sdk, "sales")["kind"] == "deprovision-database"
    with pytest.raises(SdkError) as refused:
        sdk.api("get_ai_lake_database_instance", instance_id="sales")
    assert (refused.value.name, refused.value.status) == ("NotFoundException", 404)
    assert refused.value.problem["traceId"]
