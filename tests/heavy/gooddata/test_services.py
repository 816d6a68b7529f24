"""The official client finds services, runs their commands, and asks how they are."""

import pytest
from official_client import SdkError, model

RUN = "run_ai_lake_service_command"


@pytest.fixture
def service(sdk):
    """The id of the service over the databases of this server."""
    found, _, _ = sdk.api("list_ai_lake_services", meta_include=["page"])
    assert found["total_count"] == len(found["services"]) >= 2
    [id] = [one["service_id"] for one in found["services"] if one["name"] == "databases"]
    return id


def test_a_command_runs_and_its_result_is_the_operations(sdk, service):
    sdk.provision("compacted")
    request = model(
        "RunServiceCommandRequest",
        context={"why": "monthly", "who": None},
        payload={"database": "compacted"},
    )
    done = sdk.started(
        RUN, service_id=service, command_name="describe", run_service_command_request=request
    )
    assert (done["kind"], done["status"]) == ("run-service-command", "succeeded")
    assert done["result"]
    sdk.deprovision("compacted")


def test_a_service_says_how_it_is_or_nothing(sdk, service):
    told, _, _ = sdk.api("get_ai_lake_service_status", service_id=service)
    assert told["status"]["are_all_counted"] is True
    told, _, _ = sdk.api("get_ai_lake_service_status", service_id="quiet")
    assert told["status"] is None


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ({"command_name": "fly"}, 404, "describe"),
        ({"service_id": "none"}, 404, "none"),
        ({"payload": {"database": 7}}, 400, "payload.database"),
        ({"payload": {"x": "y" * 15_000}}, 400, "15,000"),
    ],
)
def test_what_cannot_be_run_is_a_clear_problem(sdk, service, asked, status, says):
    request = model("RunServiceCommandRequest", payload=asked.pop("payload", {}))
    usual = {"service_id": service, "command_name": "describe"}
    with pytest.raises(SdkError) as refused:
        sdk.api(RUN, run_service_command_request=request, **usual | asked)
    assert refused.value.status == status
    assert says in refused.value.problem["detail"]
