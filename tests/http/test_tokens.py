from serving import HOME, problem_of

from outlast.engine import Role


async def test_a_token_is_made_used_rotated_and_revoked(serving, client):
    answer = await client.post("/v1/tokens", json={"role": "viewer", "member": "bob"})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert (made["token"]["member"], made["token"]["role"]) == ("bob", "viewer")
    bob = serving.client(None, Authorization=f"Bearer {made['secret']}")
    assert (await bob.get("/v1/operations")).status_code == 200

    url = f"/v1/tokens/{made['token']['id']}"
    rotated = (await client.post(url + "/rotate")).json()
    assert rotated["token"]["id"] == made["token"]["id"]
    assert (await bob.get("/v1/operations")).status_code == 401
    bob.headers["Authorization"] = f"Bearer {rotated['secret']}"
    assert (await bob.get("/v1/operations")).status_code == 200

    assert (await client.delete(url)).status_code == 204
    assert (await bob.get("/v1/operations")).status_code == 401


async def test_lists_hold_nothing_secret(serving, client):
    text = (await client.get("/v1/tokens")).text + (await client.get("/v1/audit")).text
    for token in serving.texts.values():
        assert token.split("_", 2)[2] not in text
    assert "digest" not in text


async def test_a_token_expires(serving, client):
    wish = {"role": "viewer", "expires_seconds": 0.001}
    made = (await client.post("/v1/tokens", json=wish)).json()
    assert made["token"]["expires_at"] is not None
    late = serving.client(None, Authorization=f"Bearer {made['secret']}")
    answer = await late.get("/v1/operations")
    assert (answer.status_code, problem_of(answer)["code"]) == (401, "unauthenticated")


async def test_what_a_token_cannot_be_is_refused(client):
    for body in (
        {"role": "king"},
        {},
        {"role": "viewer", "expires_seconds": -1},
        {"role": "viewer", "expires_seconds": 1e300},
        {"role": "viewer", "member": "Not A Name"},
        {"role": "viewer", "tenant": "away"},
    ):
        answer = await client.post("/v1/tokens", json=body)
        assert (answer.status_code, problem_of(answer)["code"]) == (400, "invalid_request"), body


async def test_root_makes_tenants(serving):
    root = serving.client("root")
    answer = await root.post("/v1/tenants", json={"name": "third"})
    assert answer.status_code == 201
    names = {tenant["name"] for tenant in (await root.get("/v1/tenants")).json()["tenants"]}
    assert names >= {"third", HOME, "away"}
    again = await root.post("/v1/tenants", json={"name": "third"})
    assert (again.status_code, problem_of(again)["code"]) == (409, "resource_exists")
    root.headers["Outlast-Tenant"] = "third"
    made = (await root.post("/v1/tokens", json={"role": "admin", "member": "zoe"})).json()
    zoe = serving.client(None, Authorization=f"Bearer {made['secret']}")
    assert (await serving.submit(zoe))["created_by"] == "zoe"


async def test_the_audit_log_is_read_in_parts(serving, client):
    for n in range(3):
        await serving.submit(client, spec={"a": n}, headers={"X-Request-Id": f"r-{n}"})
    records = (await client.get("/v1/audit?limit=2")).json()["records"]
    assert [record["request_id"] for record in records] == ["r-2", "r-1"]
    before = records[-1]["number"]
    older = (await client.get(f"/v1/audit?limit=1&before={before}")).json()["records"]
    assert older[0]["request_id"] == "r-0"
    assert older[0]["actor"] == f"{Role.ADMIN}-1"
    assert (await client.get("/v1/audit?before=0")).status_code == 400


async def test_what_happens_to_tokens_tenants_and_datasets_is_audited_with_the_request(
    serving, client
):
    root = serving.client("root")
    headers = {"X-Request-Id": "call-1"}
    made = (await client.post("/v1/tokens", json={"role": "viewer"}, headers=headers)).json()
    token = f"/v1/tokens/{made['token']['id']}"
    await client.post(f"{token}/rotate", headers=headers)
    await client.delete(token, headers=headers)
    await client.post("/v1/datasets", json={"name": "words"}, headers=headers)
    await client.delete("/v1/datasets/words", headers=headers)
    await root.post("/v1/tenants", json={"name": "elsewhere"}, headers=headers)
    records = (await client.get("/v1/audit?limit=5")).json()["records"]
    assert [(one["action"], one["request_id"]) for one in records] == [
        ("dataset.delete", "call-1"),
        ("dataset.create", "call-1"),
        ("token.revoke", "call-1"),
        ("token.rotate", "call-1"),
        ("token.create", "call-1"),
    ]
    entries = await serving.store.operations.audit(None, limit=1)
    assert (entries[0].entry.action, entries[0].entry.request_id) == ("tenant.create", "call-1")
