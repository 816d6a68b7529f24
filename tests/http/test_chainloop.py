"""The Chainloop door over the engine: who sees what, exact totals, and asking for evaluations."""

import base64
import hashlib
import json

import chainloop_proto
import pytest

from outlast.kinds import evidence_evaluation
from outlast.operations import ids, transitions
from outlast.store import port

ROOT = "/chainloop/v1"
OPERATIONS = f"{ROOT}/operations"
EVALUATE = f"{ROOT}/agents/evaluate-evidence"
SBOM = json.dumps(
    {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": []}
).encode()
DIGEST = "sha256:" + hashlib.sha256(SBOM).hexdigest()


@pytest.fixture(autouse=True)
def kinds(serving):
    for kind in evidence_evaluation.kinds:
        serving.engine.kinds[kind.name] = kind


async def listed(client, **query):
    answer = await client.get(OPERATIONS, params=query)
    assert answer.status_code == 200, answer.text
    chainloop_proto.parse("ListOperationsResponse", answer.content)
    document = answer.json()
    return [one["id"] for one in document["operations"]], document["pagination"]


async def total(client, **query):
    return (await listed(client, **query))[1]["total_count"]


async def evaluate(client, headers=None, **body):
    answer = await client.post(EVALUATE, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    chainloop_proto.parse("EvaluateEvidenceResponse", answer.content)
    return answer.json()["operation_id"]


async def native(client, id):
    return (await client.get(f"/v1/operations/{id}")).json()


async def keep_sbom(client):
    headers = {"content-type": "application/octet-stream"}
    answer = await client.post("/v1/evidence", content=SBOM, headers=headers)
    assert answer.json()["digest"] == DIGEST


async def test_pages_show_everything_once_and_agree_with_the_total(serving, client):
    made = [(await serving.submit(client, "add"))["id"] for _ in range(7)]
    shown = []
    for page in range(1, 5):
        ids_, said = await listed(client, **{"pagination.page": page, "pagination.page_size": 3})
        shown += ids_
        assert said == {"total_count": 7, "page": page, "page_size": 3, "total_pages": 3}
    assert shown == [str(ids.to_uuid(id)) for id in reversed(made)]


async def test_totals_follow_every_change(serving, client):
    for kind in ("add", "add", "anything"):
        await serving.submit(client, kind)
    assert [await total(client, kind=kind) for kind in ("add", "anything", "")] == [2, 1, 3]
    first, second = await serving.claim(2)
    await serving.succeed(first)
    assert [await total(client, status=number) for number in range(5)] == [3, 1, 1, 1, 0]
    await client.post(f"/v1/operations/{second.id}/cancel")
    await serving.decide(second, transitions.confirm_cancel)
    assert [await total(client, status=number) for number in range(5)] == [3, 1, 0, 1, 1]
    await client.delete(f"/v1/operations/{first.id}")
    assert [await total(client, status=number) for number in range(5)] == [2, 1, 0, 0, 1]


async def test_what_is_another_tenants_is_neither_shown_nor_counted(serving, client):
    made = await serving.submit(client)
    away = serving.client("admin", "away")
    assert await listed(away) == (
        [],
        {"total_count": 0, "page": 1, "page_size": 100, "total_pages": 0},
    )
    assert (await away.get(f"{OPERATIONS}/{made['id']}")).status_code == 404


async def test_a_resource_with_too_many_operations_is_counted_where_a_filter_leaves_few(
    serving, client, monkeypatch
):
    of_one = {"resource_type": "database", "resource_id": "r1"}
    for _ in range(3):
        await serving.submit(client, **of_one)
    assert await total(client, **of_one) == 3
    few = "outlast.http.chainloop.operations.Count"
    monkeypatch.setattr(few, lambda **fields: port.Count(walked_max=2, **fields))
    answer = await client.get(OPERATIONS, params=of_one)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert "has more than 2 operations" in answer.json()["message"]
    assert await total(client, status="3", **of_one) == 0
    assert await total(client, kind="anything", **of_one) == 0


async def test_a_root_token_names_the_organization(serving, client):
    await serving.submit(client)
    root = serving.client("root")
    del root.headers["outlast-tenant"]
    refused = await root.get(OPERATIONS)
    assert (refused.status_code, refused.json()["code"]) == (400, 3)
    assert "Chainloop-Organization" in refused.json()["message"]
    for organization, found in (("default", 1), ("away", 0)):
        root.headers["chainloop-organization"] = organization
        assert await total(root) == found
    root.headers["chainloop-organization"] = "nobody"
    assert (await root.get(OPERATIONS)).json()["code"] == 5


async def test_the_header_of_another_dialect_names_no_tenant_here(client):
    named = {"Chainloop-Organization": "away"}
    assert (await client.get("/v1/operations", headers=named)).status_code == 200
    assert (await client.get("/lakesail/api/v1/operations", headers=named)).status_code == 200
    assert (await client.get(OPERATIONS, headers=named)).status_code == 403


@pytest.mark.parametrize(
    "content",
    [
        base64.b64encode(SBOM).decode(),
        base64.b64encode(SBOM).decode().rstrip("="),
        base64.urlsafe_b64encode(SBOM).decode(),
        base64.encodebytes(SBOM).decode().replace("\n", "\r\n"),
        SBOM.decode(),
    ],
    ids=["base64", "unpadded", "url", "lines", "text"],
)
async def test_evidence_comes_as_base64_or_as_text(client, content):
    operation = await native(client, await evaluate(client, content=content))
    assert (operation["kind"], operation["spec"]) == ("evidence_evaluation", {"evidence": DIGEST})
    assert (operation["resource_type"], operation["resource_id"]) == ("evidence", DIGEST)
    assert (await client.get(f"/v1/evidence/{DIGEST}/content")).content == SBOM


async def test_evidence_that_is_stored_is_named_by_its_digest(client):
    await keep_sbom(client)
    id = await evaluate(
        client, digest=DIGEST, content="", policies=None, project_id="shop", project_version_id="1"
    )
    shown = (await client.get(f"{OPERATIONS}/{id}")).json()["operation"]
    assert (shown["status"], shown["project_id"], shown["project_version_id"]) == (
        "ASYNC_OPERATION_STATUS_PENDING",
        "shop",
        "1",
    )
    assert await total(client, resource_type="evidence", resource_id=DIGEST) == 1


async def test_the_same_key_gives_the_same_operation(client):
    key = {"Idempotency-Key": "k1"}
    once = await evaluate(client, key, content=SBOM.decode())
    assert await evaluate(client, key, content=base64.b64encode(SBOM).decode()) == once
    assert await total(client) == 1


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({}, 400, 3, "either the digest"),
        ({"digest": DIGEST, "content": "e30="}, 400, 3, "either the digest"),
        ({"digest": "", "content": ""}, 400, 3, "either the digest"),
        ({"digest": DIGEST}, 404, 5, "there is no evidence"),
        ({"digest": 7}, 400, 3, "digest"),
        ({"content": "AAAA"}, 400, 3, ""),
        ({"content": SBOM.decode(), "policies": ["no-such-policy"]}, 404, 5, "no-such-policy"),
        ({"content": SBOM.decode(), "policies": "licences"}, 400, 3, "policies"),
        ({"content": SBOM.decode(), "project_id": "\n"}, 400, 3, "project_id"),
    ],
)
async def test_what_cannot_be_evaluated_is_refused(client, body, status, code, words):
    answer = await client.post(EVALUATE, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert words in answer.json()["message"]
    chainloop_proto.parse("Status", answer.content)
    assert await total(client) == 0


async def test_a_viewer_lists_and_does_not_evaluate(serving):
    viewer = serving.client("viewer")
    assert await total(viewer) == 0
    answer = await viewer.post(EVALUATE, json={"content": "{}"})
    assert (answer.status_code, answer.json()["code"]) == (403, 7)
