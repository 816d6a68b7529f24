"""The LakeSail door over the engine and the libraries: what is asked for, told and kept apart."""

import asyncio
import re
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from serving import Serving
from stacks_for_tests import MODULES, keep_connection, keep_stack, module

from outlast.kinds import check_drift, deploy, destroy, discover_instance_types, validate_connection
from outlast.operations import transitions
from outlast.operations.failure import Failure
from outlast.operations.kind import CatalogWrite
from outlast.resources.stacks.model import STACK
from outlast.settings import Infrastructure, Limits

ROOT = "/lakesail/api/v1"
INFRA = f"{ROOT}/infra"
ID = re.compile(r"[A-Z0-9]{1,20}")
KINDS = [
    *check_drift.kinds,
    *deploy.kinds,
    *destroy.kinds,
    *discover_instance_types.kinds,
    *validate_connection.kinds,
]
LOCAL = {"name": "here", "provider": "s3", "providerConfig": {"url": "s3://b", "region": "eu"}}
CHANGES = [
    ("POST", "/connections", LOCAL),
    ("PATCH", "/connections/aws", {}),
    ("POST", "/connections/aws/validate", None),
    ("DELETE", "/connections/aws", None),
    ("POST", "/stacks", {"name": "web"}),
    ("POST", "/networks", {"name": "other", "config": {"cidr": "10.0.0.0/8"}}),
    ("PATCH", "/networks/main", {}),
    ("DELETE", "/networks/main", None),
    ("POST", "/networks/main/check-drift", None),
    ("POST", "/clusters", {"name": "prod"}),
    ("POST", "/instance-types", {}),
]


IMPOSSIBLE = [
    ("networks", {"name": "n"}, 400, "invalid_spec", {"config.cidr"}),
    (
        "networks",
        {"name": "9", "config": {"cidr": "c"}},
        400,
        "invalid_spec",
        {"name"},
    ),
    (
        "networks",
        {"name": "n", "config": {"cidr": "c", "colour": 1}},
        400,
        "invalid_spec",
        {"config.colour"},
    ),
    ("networks", {"config": {}}, 400, "invalid_request", {"name"}),
    ("networks", {"name": "n", "module": "shop"}, 400, "invalid_spec", {"module"}),
    ("networks", {"name": "n", "module": "none"}, 404, "not_found", None),
    ("clusters", {"name": "n", "networkId": "none"}, 404, "not_found", None),
    ("stacks", {"name": "n", "variables": {"x": 1}}, 400, "invalid_spec", {"variables.x"}),
    (
        "connections",
        LOCAL | {"provider": "aws", "providerConfig": {}},
        400,
        "invalid_spec",
        {"credentials.accessKey"},
    ),
    (
        "connections",
        LOCAL | {"providerConfig": {"url": "s3://b", "region": "?"}},
        400,
        "invalid_spec",
        {"providerConfig.region"},
    ),
    ("instance-types", {"vCpusMin": 4, "vCpusMax": 2}, 400, "invalid_spec", {"vCpusMax"}),
    ("instance-types", {"connectionId": "none"}, 404, "not_found", None),
    ("instance-types", {"provider": "moon"}, 400, "invalid_spec", {"provider"}),
]
"""What is asked for where, and what the answer names."""


@asynccontextmanager
async def opened(folder, modules=MODULES, **settings):
    """A server that deploys these modules; no attempt is run."""
    program = Infrastructure(program=Path("/bin/true"))
    serving = Serving(folder, kinds=KINDS, modules=modules, infrastructure=program, **settings)
    await serving.open()
    try:
        yield serving
    finally:
        await serving.close()


@pytest.fixture
async def serving(tmp_path):
    async with opened(tmp_path) as serving:
        yield serving


@pytest.fixture
def client(serving):
    return serving.client()


def ok(answer, status=200):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    return answer.json()


async def fail(serving, **fields):
    """Let the operation that waits end without success."""
    [operation] = await serving.claim()
    failure = Failure(**{"code": "apply_failed", "message": "no room", "fault": "user"} | fields)
    return await serving.decide(operation, transitions.fail, failure, None)


async def test_a_network_is_made_told_changed_and_deleted_by_operations(serving, client):
    asked = {"name": "main", "region": "eu", "config": {"cidr": "10.0.0.0/16"}}
    made = ok(await client.post(f"{INFRA}/networks", json=asked), 202)
    assert ID.fullmatch(made["id"])
    assert (made["name"], made["status"], made["region"]) == ("main", "provisioning", "eu")
    assert made["config"] == {"cidr": "10.0.0.0/16"}
    assert made["createdBy"] == ok(await client.get(f"{ROOT}/operations"))["items"][0]["memberId"]
    assert made["iacState"] == {"projectName": "vpc", "stackName": "network/main"}
    operation = ok(await client.get(f"{ROOT}/operations/{made['operationId']}"))
    assert operation["operation"] == "provision-network"
    assert (operation["resourceType"], operation["resourceId"]) == ("network", made["id"])
    assert ok(await client.get(f"{INFRA}/networks/main")) == made
    changed = {"config": {"cidr": "10.1.0.0/16"}}
    updated = ok(await client.patch(f"{INFRA}/networks/{made['id']}", json=changed), 202)
    deleted = ok(await client.delete(f"{INFRA}/networks/main"), 202)
    assert deleted["status"] == "deleting"
    words = [
        ok(await client.get(f"{ROOT}/operations/{one['operationId']}"))["operation"]
        for one in (updated, deleted)
    ]
    assert words == ["update-network", "delete-network"]


async def test_a_network_that_could_not_be_made_says_why(serving, client):
    asked = {"name": "main", "config": {"cidr": "10.0.0.0/16"}}
    ok(await client.post(f"{INFRA}/networks", json=asked), 202)
    await fail(serving)
    shown = ok(await client.get(f"{INFRA}/networks/main"))
    assert (shown["status"], shown["statusMessage"]) == ("failed", "no room")
    [included] = ok(await client.get(f"{INFRA}/networks"))["included"]["operations"]
    assert (included["id"], included["error"]["errorType"]) == (shown["operationId"], "provider")


async def test_what_is_ready_shows_its_outputs_but_not_those_that_are_sensitive(serving, client):
    await keep_stack(serving.store, variables={"cidr": "10.0.0.0/16", "region": "eu"})
    shown = ok(await client.get(f"{INFRA}/networks/main"))
    assert (shown["status"], shown["providerNetworkId"]) == ("active", "vpc-1")
    assert shown["iacOutputs"] == {"vpc_id": "vpc-1", "subnets": '["10.0.0.0/24"]'}
    assert (shown["region"], shown["config"]) == ("eu", {"cidr": "10.0.0.0/16"})


async def test_a_cluster_is_told_of_its_network_and_what_that_says(serving, client):
    network = await keep_stack(serving.store)
    asked = {"name": "prod", "networkId": "main", "config": {"nodes": 2}}
    made = ok(await client.post(f"{INFRA}/clusters", json=asked), 202)
    assert (made["networkId"], made["externalClusterId"]) == (network, made["id"])
    assert (made["externalStatus"], made["config"]) == ("provisioning", {"nodes": 2})
    native = (await client.get(f"/v1/operations/{made['operationId']}")).json()
    assert native["spec"]["variables"] == {
        "name": "prod",
        "nodes": 2,
        "network_id": network,
        "network_outputs": {"vpc_id": "vpc-1", "subnets": ["10.0.0.0/24"]},
    }


async def test_a_stack_has_its_variables_and_keeps_secrets_to_itself(client):
    asked = {"name": "web", "variables": {"size": 3}, "secretVariables": {"password": "s3same"}}
    made = ok(await client.post(f"{INFRA}/stacks", json=asked), 202)
    assert (made["variables"], made["secretVariableNames"]) == ({"size": 3}, ["password"])
    native = await client.get(f"/v1/operations/{made['operationId']}")
    assert "s3same" not in native.text


async def test_a_plan_answers_the_operation_and_makes_nothing(client):
    asked = {"name": "web", "variables": {"size": 3}, "planOnly": True}
    planned = ok(await client.post(f"{INFRA}/stacks", json=asked), 202)
    assert (planned["operation"], planned["status"]) == ("deploy-stack", "pending")
    assert ok(await client.get(f"{INFRA}/stacks"))["items"] == []


async def test_an_answer_that_is_given_again_when_the_network_is_gone_is_its_operation(
    serving, client
):
    asked = {"name": "main", "config": {"cidr": "10.0.0.0/16"}}
    key = {"Idempotency-Key": "k-1"}
    made = ok(await client.post(f"{INFRA}/networks", json=asked, headers=key), 202)
    gone = CatalogWrite(type=STACK, id=made["id"])
    await serving.store.catalog.write("default", [gone])
    again = ok(await client.post(f"{INFRA}/networks", json=asked, headers=key), 202)
    assert (again["id"], again["operation"]) == (made["operationId"], "provision-network")


async def test_a_page_is_no_longer_than_the_settings_allow(tmp_path):
    async with opened(tmp_path, limits=Limits(page_size=2)) as serving:
        client = serving.client()
        for _ in range(3):
            await serving.submit(client)
        page = ok(await client.get(f"{ROOT}/operations"))
        assert len(page["items"]) == 2
        rest = ok(await client.get(f"{ROOT}/operations?marker={page['marker']}"))
        assert (len(rest["items"]), "marker" in rest) == (1, False)


async def test_to_look_for_drift_is_an_operation(serving, client):
    id = await keep_stack(serving.store)
    asked = ok(await client.post(f"{INFRA}/networks/main/check-drift"), 202)
    assert (asked["operation"], asked["resourceId"]) == ("check-drift", id)


async def test_the_same_key_makes_one_network(client):
    asked = {"name": "main", "config": {"cidr": "10.0.0.0/16"}}
    key = {"Idempotency-Key": "k-1"}
    first = await client.post(f"{INFRA}/networks", json=asked, headers=key)
    again = await client.post(f"{INFRA}/networks", json=asked, headers=key)
    assert ok(again, 202) == ok(first, 202)
    assert again.headers["idempotent-replayed"] == "true"


async def test_what_cannot_be_names_the_fields_of_the_request(client):
    for path, body, status, code, fields in IMPOSSIBLE:
        error = ok(await client.post(f"{INFRA}/{path}", json=body), status)
        assert error["code"] == code
        assert fields is None or error["details"]["fieldErrors"].keys() == fields, error


async def test_a_word_that_no_module_is_bound_to_says_how_to_bind_it(tmp_path):
    async with opened(tmp_path, {}) as serving:
        asked = {"name": "n", "region": "eu"}
        error = ok(await serving.client().post(f"{INFRA}/networks", json=asked), 501)
    assert (error["code"], error["errorType"]) == ("not_supported", "unsupported")
    assert 'word = "network"' in error["message"]


async def test_a_region_that_the_module_does_not_ask_for_is_refused(tmp_path):
    async with opened(tmp_path, {"net": module("net", "network", "cidr")}) as serving:
        asked = {"name": "n", "region": "eu"}
        error = ok(await serving.client().post(f"{INFRA}/networks", json=asked), 400)
        assert error["details"]["fieldErrors"].keys() == {"region"}
        made = ok(await serving.client().post(f"{INFRA}/networks", json={"name": "n"}), 202)
        assert (made["config"], "region" in made) == ({}, False)


async def test_of_several_modules_one_is_named(tmp_path):
    both = {name: module(name, "network", "name!") for name in ("a", "b")}
    async with opened(tmp_path, both) as serving:
        error = ok(await serving.client().post(f"{INFRA}/networks", json={"name": "n"}), 400)
        assert error["details"]["fieldErrors"].keys() == {"module"}
        asked = {"name": "n", "module": "b"}
        made = ok(await serving.client().post(f"{INFRA}/networks", json=asked), 202)
        assert made["iacState"]["projectName"] == "b"


async def test_a_connection_is_made_looked_at_changed_and_deleted(serving, client):
    asked = LOCAL | {"credentials": {"accessKey": "AKIA1", "secretKey": "open-sesame"}}
    answer = await client.post(f"{INFRA}/connections", json=asked)
    made = ok(answer, 201)
    assert made["providerConfig"] == {"region": "eu", "url": "s3://b"}
    assert made["credentialNames"] == ["accessKey", "secretKey"]
    assert made["status"] == "validating"
    operation = ok(await client.get(f"{ROOT}/operations/{made['operationId']}"))
    assert operation["operation"] == "validate-connection"
    assert (operation["resourceType"], operation["resourceId"]) == ("connection", made["id"])
    await fail(serving, code="access_refused", message="the keys are not taken")
    failed = ok(await client.get(f"{INFRA}/connections/here"))
    assert (failed["status"], failed["statusMessage"]) == ("failed", "the keys are not taken")
    changed = {"credentials": {"accessKey": None, "secretKey": None}}
    shown = ok(await client.patch(f"{INFRA}/connections/here", json=changed))
    assert (shown["credentialNames"], shown["status"]) == ([], "validating")
    await fail(serving)
    again = ok(await client.post(f"{INFRA}/connections/here/validate"), 202)
    assert again["operationId"] != shown["operationId"]
    await fail(serving)
    assert (await client.delete(f"{INFRA}/connections/here")).status_code == 204
    assert (await client.get(f"{INFRA}/connections/here")).status_code == 404
    assert "open-sesame" not in answer.text + (await client.get("/v1/audit")).text


async def test_a_connection_that_works_says_whose_it_is(serving, client):
    await keep_connection(serving.store)
    shown = ok(await client.get(f"{INFRA}/connections/aws"))
    assert (shown["status"], shown["providerConfig"]) == (
        "active",
        {
            "region": "eu-north-1",
            "accountId": "123456789012",
            "arn": "arn:aws:iam::123456789012:user/ada",
            "endpoint": "https://sts.example.com",
        },
    )


async def test_a_discovery_is_an_operation(client):
    asked = {"provider": "aws", "vCpusMin": 2, "memoryMiBMax": 8192}
    made = ok(await client.post(f"{INFRA}/instance-types", json=asked), 202)
    assert (made["operation"], made["status"]) == ("discover-instance-types", "pending")
    native = (await client.get(f"/v1/operations/{made['id']}")).json()
    assert native["spec"] == {"provider": "aws", "vcpus_min": 2, "memory_mib_max": 8192}


async def test_lists_go_on_where_the_marker_says_and_include_what_they_name(serving, client):
    made = await serving.submit(client)
    for name in "abc":
        await keep_stack(serving.store, name=name, made_by=made["id"])
        await keep_stack(serving.store, word="cluster", name=name, made_by=made["id"])
        await keep_connection(serving.store, name=name, made_by=made["id"])
    for path in ("networks", "clusters", "connections"):
        page = ok(await client.get(f"{INFRA}/{path}?limit=2"))
        assert [one["name"] for one in page["items"]] == ["c", "b"]
        assert [one["id"] for one in page["included"]["operations"]] == [made["id"]]
        rest = ok(await client.get(f"{INFRA}/{path}?marker={page['marker']}"))
        assert [one["name"] for one in rest["items"]] == ["a"]
        assert "marker" not in rest
        nothing = ok(await client.get(f"{INFRA}/{path}?limit=0"))
        assert nothing["items"] == []
        assert ok(await client.get(f"{INFRA}/{path}?marker={nothing['marker']}"))["items"]
        other = "operations" if path == "networks" else "infra/networks"
        answer = await client.get(f"{ROOT}/{other}?marker={page['marker']}")
        assert ok(answer, 400)["code"] == "invalid_page_token"


async def test_my_clusters_are_counted_sorted_and_paged(serving, client):
    connection = await keep_connection(serving.store)
    for name in ("b", "c", "a"):
        await keep_stack(serving.store, word="cluster", name=name, connection=connection)
    page = ok(await client.get(f"{ROOT}/me/clusters?limit=2&page=1"))
    assert page["total"] == 3
    assert [one["name"] for one in page["included"]["clusters"]] == ["a", "b"]
    assert [one["id"] for one in page["items"]] == [
        one["id"] for one in page["included"]["clusters"]
    ]
    assert [one["id"] for one in page["included"]["connections"]] == [connection]
    last = ok(await client.get(f"{ROOT}/me/clusters?limit=2&page=2&sortDirection=desc"))
    assert [one["name"] for one in last["included"]["clusters"]] == ["a"]
    for query in ("sortBy=age", "sortDirection=up", "page=0", "limit=101"):
        assert (await client.get(f"{ROOT}/me/clusters?{query}")).status_code == 400


async def test_more_clusters_than_are_found_at_once_are_all_counted(serving, client, monkeypatch):
    monkeypatch.setattr("outlast.http.lakesail.clusters.FIND_MAX", 2)
    for name in "abcde":
        await keep_stack(serving.store, word="cluster", name=name)
    assert ok(await client.get(f"{ROOT}/me/clusters"))["total"] == 5


async def test_what_is_another_tenants_is_not_there(serving):
    await keep_stack(serving.store)
    await keep_connection(serving.store)
    away = serving.client("admin", "away")
    made = await serving.submit(serving.client())
    for path in ("connections/aws", "networks/main"):
        assert (await away.get(f"{INFRA}/{path}")).status_code == 404
    for path in ("networks", "stacks", "clusters", "connections"):
        assert ok(await away.get(f"{INFRA}/{path}"))["items"] == []
    assert ok(await away.get(f"{ROOT}/me/clusters"))["total"] == 0
    for method, rest in (("GET", ""), ("POST", "/cancel")):
        answer = await away.request(method, f"{ROOT}/operations/{made['id']}{rest}")
        assert ok(answer, 404)["code"] == "not_found"
    assert ok(await away.get(f"{ROOT}/operations"))["items"] == []


async def test_a_network_is_no_cluster_and_no_stack(serving, client):
    id = await keep_stack(serving.store)
    for path in ("clusters", "stacks"):
        for ref in (id, "main"):
            assert (await client.get(f"{INFRA}/{path}/{ref}")).status_code == 404


async def test_a_viewer_changes_nothing(serving):
    await keep_stack(serving.store)
    await keep_connection(serving.store)
    viewer = serving.client("viewer")
    for method, path, body in CHANGES:
        answer = await viewer.request(method, INFRA + path, json=body)
        assert ok(answer, 403)["errorType"] == "authorization", path


async def test_a_submitter_leaves_alone_what_is_anothers(serving):
    await keep_stack(serving.store, created_by="somebody")
    await keep_connection(serving.store, created_by="somebody")
    submitter = serving.client("submitter")
    for path in ("networks/main", "connections/aws"):
        assert (await submitter.delete(f"{INFRA}/{path}")).status_code == 403


async def test_who_made_an_operation_and_for_whom_is_told(serving, client):
    made = await serving.submit(client, headers={"X-Request-Id": "r-7"})
    away = await serving.submit(serving.client("operator", "away"))
    shown = ok(await client.get(f"{ROOT}/operations/{made['id']}"))
    assert shown["organizationId"] == "DEFAULT"
    assert ID.fullmatch(shown["memberId"])
    cancelled = ok(await client.post(f"{ROOT}/operations/{made['id']}/cancel"))
    assert cancelled["error"]["details"]["requestId"] == "r-7"
    other = ok(await serving.client("viewer", "away").get(f"{ROOT}/operations/{away['id']}"))
    assert other["organizationId"] == serving.away.id
    assert other["memberId"] != shown["memberId"]


async def test_progress_is_seen_here_as_it_is_reported(serving, client):
    made = await serving.submit(client)
    [operation] = await serving.claim()
    seen = set()
    for done in range(4):
        await serving.report(operation, done)
        shown = ok(await client.get(f"{ROOT}/operations/{made['id']}"))
        seen.add(shown["progress"]["message"])
        resources, summary = shown["progress"]["resources"], shown["progress"]["summary"]
        assert summary["total"] == len(resources) == 1
        assert summary["running"] == 1
    assert len(seen) == 4


async def test_many_at_once_make_what_each_asked_for(client):
    bodies = [{"name": f"n{n}", "config": {"cidr": "10.0.0.0/16"}} for n in range(10)]
    answers = await asyncio.gather(
        *(client.post(f"{INFRA}/networks", json=one) for one in [*bodies, *bodies])
    )
    assert sorted(one.status_code for one in answers) == [202] * 10 + [409] * 10
    assert len(ok(await client.get(f"{INFRA}/networks"))["items"]) == 10
