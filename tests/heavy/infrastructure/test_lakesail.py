"""LakeSail's door over real deployments: followed by polls alone, as its clients do."""

import time
from collections import Counter

import pytest

BASE = "/lakesail/api/v1"
ENDED = {"succeeded", "failed", "cancelled"}


@pytest.fixture
def http(installation):
    with installation.http(BASE) as http:
        yield http


def follow(http, resource, seconds=60):
    """Everything that polls have shown of a resource's operation, until it has ended."""
    shown, until = [], time.monotonic() + seconds
    while not shown or shown[-1]["status"] not in ENDED:
        assert time.monotonic() < until, shown[-1]
        shown.append(http.get(f"/operations/{resource['operationId']}").raise_for_status().json())
        progress = shown[-1].get("progress", {"resources": [], "summary": {}})
        counts = Counter(one["status"] for one in progress["resources"])
        summary = {name: number for name, number in progress["summary"].items() if number}
        assert summary == counts | ({"total": counts.total()} if counts else {})
        time.sleep(0.05)
    return shown


def test_a_network_is_made_changed_and_deleted_and_its_counters_hold_at_every_poll(http, tmp_path):
    asked = {"name": "lake", "config": {"cidr": "10.4.0.0/16", "root": str(tmp_path)}}
    made = http.post("/infra/networks", json=asked).raise_for_status().json()
    done = follow(http, made)[-1]
    assert (done["status"], done["operation"]) == ("succeeded", "provision-network"), done
    assert done["progress"]["summary"]["succeeded"] == 3
    assert {one["operation"] for one in done["progress"]["resources"]} == {"create"}
    shown = http.get("/infra/networks/lake").json()
    assert (shown["status"], shown["iacOutputs"]["path"]) == ("active", str(tmp_path / "lake"))
    assert shown["config"]["cidr"] == "10.4.0.0/16"
    assert (tmp_path / "lake" / "subnet-1" / "cidr").read_text() == "10.4.1.0/24"
    changed = http.patch("/infra/networks/lake", json={"config": {"subnets": 1}}).json()
    done = follow(http, changed)[-1]
    assert (done["operation"], done["status"]) == ("update-network", "succeeded"), done
    assert done["progress"]["summary"] == {
        "total": 3, "pending": 0, "running": 0, "succeeded": 1, "failed": 0, "unchanged": 2,
    }  # fmt: skip
    gone = http.delete("/infra/networks/lake").raise_for_status().json()
    assert gone["status"] == "deleting"
    assert follow(http, gone)[-1]["operation"] == "delete-network"
    assert http.get("/infra/networks/lake").status_code == 404
    assert not (tmp_path / "lake").exists()


def test_resources_move_while_they_are_polled(http, tmp_path):
    # Two more than are worked on at once: those wait.
    things = {f"t{n}": {"seconds": 0.75} for n in range(12)}
    asked = {"name": "lake-things", "module": "workshop"}
    asked["variables"] = {"root": str(tmp_path), "things": things}
    shown = follow(http, http.post("/infra/stacks", json=asked).raise_for_status().json())
    seen = {
        one["status"]
        for each in shown
        for one in each.get("progress", {"resources": []})["resources"]
    }
    assert {"pending", "running", "succeeded"} <= seen
    again = http.patch("/infra/stacks/lake-things", json={}).raise_for_status().json()
    assert follow(http, again)[-1]["progress"]["summary"]["unchanged"] == 12
    assert http.get("/infra/stacks/lake-things").json()["status"] == "active"


def test_a_plan_that_fails_says_why_there_and_in_the_resource(http, tmp_path):
    asked = {"name": "bad", "config": {"cidr": "10.4", "root": str(tmp_path)}}
    made = http.post("/infra/networks", json=asked).raise_for_status().json()
    ended = follow(http, made)[-1]
    assert (ended["status"], ended["error"]["code"]) == ("failed", "plan_failed")
    assert (ended["error"]["errorType"], "10.0.0.0/16" in ended["error"]["message"]) == (
        "validation",
        True,
    )
    assert ended["error"]["details"]["requestId"]
    resource = http.get("/infra/networks/bad").json()
    assert (resource["status"], resource["statusMessage"]) == ("failed", ended["error"]["message"])


def test_a_cancel_stops_what_runs(http, tmp_path):
    asked = {"name": "lake-long", "module": "workshop"}
    asked["variables"] = {"root": str(tmp_path), "things": {"long": {"seconds": 60}}}
    made = http.post("/infra/stacks", json=asked).raise_for_status().json()
    path = f"/operations/{made['operationId']}"
    until = time.monotonic() + 30
    while (
        not http.get(path).json().get("progress", {"summary": {"running": 0}})["summary"]["running"]
    ):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert http.post(f"{path}/cancel").json()["status"] == "running"
    assert follow(http, made)[-1]["error"]["code"] == "cancelled"


def test_instance_types_are_found_as_on_the_published_page(http):
    made = http.post("/infra/instance-types", json={"name": "m5.large"}).raise_for_status().json()
    done = follow(http, {"operationId": made["id"]})[-1]
    [found] = done["result"]["items"]
    assert found == {
        "provider": "aws",
        "instanceType": "m5.large",
        "vCpus": 2,
        "memoryMiB": 8192,
        "architecture": "x86_64",
        "gpuCount": 0,
        "instanceFamily": "m5",
        "maxPods": 29,
        "group": found["group"],
        "allocatableMilliCpu": 1930,
    }
    assert done["result"]["metadata"].keys() >= {"provider", "systemMilliCPUPerNode"}
