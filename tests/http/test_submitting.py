import asyncio

import pytest
from installation import until
from serving import problem_of

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_submission_is_accepted_with_all_that_a_poller_needs(serving, client):
    answer = await client.post("/v1/operations", json={"kind": "add", "spec": {"a": 1, "b": 2}})
    assert answer.status_code == 202
    operation = answer.json()
    assert operation["state"] == "pending"
    assert operation["spec"] == {"a": 1, "b": 2}
    assert operation["created_by"] == "admin-1"
    assert answer.headers["location"] == f"/v1/operations/{operation['id']}"
    assert answer.headers["operation-location"] == answer.headers["location"]
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["etag"] == '"1"'
    assert "idempotent-replayed" not in answer.headers


async def test_every_field_of_a_submission_comes_back(serving, client):
    wish = {
        "labels": {"team": "data", "tier/x": "1"},
        "priority": 7,
        "available_at": "2101-01-02T03:04:05.678Z",
        "deadline_at": "2101-01-03T03:04:05+02:00",
        "resource_type": "table",
        "resource_id": "42",
        "project": "atlas",
        "project_version": "3",
    }
    operation = await serving.submit(client, **wish)
    expected = wish | {"deadline_at": "2101-01-03T01:04:05.000Z"}
    assert {name: operation[name] for name in wish} == expected


async def test_the_headers_of_a_submission_are_kept(serving, client):
    headers = {"Operation-Id": "my.own~id", "X-Request-Id": "req-1", "traceparent": TRACE}
    operation = await serving.submit(client, headers=headers)
    assert operation["alias"] == "my.own~id"
    assert operation["request_id"] == "req-1"
    stored = await serving.store.operations.get(None, [operation["id"]])
    assert stored[0].traceparent == TRACE
    assert (await client.get("/v1/operations/my.own~id")).json()["id"] == operation["id"]


@pytest.mark.parametrize(
    "trace",
    [
        "nonsense",
        "ff" + TRACE[2:],
        TRACE[:3] + "0" * 32 + TRACE[35:],
        TRACE[:36] + "0" * 16 + TRACE[52:],
        TRACE.upper(),
    ],
)
async def test_a_malformed_traceparent_is_ignored(serving, client, trace):
    operation = await serving.submit(client, headers={"traceparent": trace})
    stored = await serving.store.operations.get(None, [operation["id"]])
    assert stored[0].traceparent is None


async def test_the_same_key_and_body_give_the_first_answer_again(serving, client):
    headers = {"Idempotency-Key": "k1"}
    first = await serving.submit(client, headers=headers)
    body = {"spec": {"a": 1}, "kind": "add"}
    answer = await client.post("/v1/operations", json=body, headers=headers)
    assert answer.status_code == 202
    assert answer.json()["id"] == first["id"]
    assert answer.headers["idempotent-replayed"] == "true"


async def test_a_replay_of_what_has_ended_is_answered_200(serving, client):
    headers = {"Idempotency-Key": "k1"}
    await serving.submit(client, headers=headers)
    [claimed] = await serving.claim()
    await serving.succeed(claimed)
    body = {"kind": "add", "spec": {"a": 1}}
    answer = await client.post("/v1/operations", json=body, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["result"] == {"total": 1}
    assert "retry-after" not in answer.headers


async def test_the_same_key_with_another_body_is_refused(serving, client):
    headers = {"Idempotency-Key": "k1"}
    await serving.submit(client, headers=headers)
    body = {"kind": "add", "spec": {"a": 2}}
    answer = await client.post("/v1/operations", json=body, headers=headers)
    assert (answer.status_code, problem_of(answer)["code"]) == (422, "idempotency_mismatch")


async def test_a_taken_operation_id_is_a_conflict(serving, client):
    headers = {"Operation-Id": "mine"}
    await serving.submit(client, headers=headers)
    body = {"kind": "add", "spec": {"a": 2}}
    answer = await client.post("/v1/operations", json=body, headers=headers)
    assert (answer.status_code, problem_of(answer)["code"]) == (409, "operation_id_taken")


async def test_another_tenant_may_use_the_same_key_and_the_same_id(serving, client):
    headers = {"Operation-Id": "mine", "Idempotency-Key": "k"}
    here = await serving.submit(client, headers=headers)
    there = await serving.submit(serving.client("admin", "away"), spec={"a": 2}, headers=headers)
    assert here["id"] != there["id"]


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"spec": {}}, 400, "invalid_request", "kind"),
        ({"kind": "add"}, 400, "invalid_request", "spec"),
        ({"kind": 1, "spec": {}}, 400, "invalid_request", "kind"),
        ({"kind": "add", "spec": {"a": 1}, "lables": {}}, 400, "invalid_request", "lables"),
        ({"kind": "add", "spec": {"a": 1}, "priority": 101}, 400, "invalid_request", "priority"),
        ({"kind": "add", "spec": {"a": 1}, "priority": 10**30}, 400, "invalid_request", "priority"),
        (
            {"kind": "add", "spec": {"a": 1}, "deadline_at": "2001-01-01T00:00:00Z"},
            400,
            "invalid_request",
            "deadline_at",
        ),
        (
            {"kind": "add", "spec": {"a": 1}, "available_at": "2101-01-01T00:00:00"},
            400,
            "invalid_request",
            "available_at",
        ),
        ({"kind": "add", "spec": {"a": 1}, "project": ""}, 400, "invalid_request", "project"),
        ({"kind": "add", "spec": {"a": "x"}}, 422, "invalid_spec", "a"),
        ({"kind": "none", "spec": {"a": "x"}}, 422, "unknown_kind", None),
    ],
)
async def test_a_wrong_field_is_named(client, body, status, code, field):
    answer = await client.post("/v1/operations", json=body)
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (status, code)
    assert field is None or field in problem["field_errors"]


async def test_prefer_wait_answers_200_when_the_operation_has_ended(serving, client):
    body = {"kind": "add", "spec": {"a": 1}}
    headers = {"Prefer": "respond-async, wait=10"}
    asking = asyncio.create_task(client.post("/v1/operations", json=body, headers=headers))
    claimed = await until(serving.claim)
    await serving.succeed(claimed[0])
    answer = await asking
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=10"
    assert answer.json()["state"] == "succeeded"


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=0", "wait=0"),
        ('WAIT="0"; foo=bar', "wait=0"),
        ("wait=-1", None),
        ("wait=soon", None),
        ("wait", None),
        ("return=minimal", None),
        (",,;=", None),
    ],
)
async def test_bad_preferences_are_ignored(client, prefer, applied):
    body = {"kind": "add", "spec": {"a": 1}}
    answer = await client.post("/v1/operations", json=body, headers={"Prefer": prefer})
    assert answer.status_code == 202
    assert answer.headers.get("preference-applied") == applied


async def test_each_member_of_a_batch_has_its_own_outcome(serving, client):
    good = {"kind": "add", "spec": {"a": 1}}
    body = {
        "operations": [
            good | {"operation_id": "first", "idempotency_key": "k"},
            good | {"surprise": 1},
            {"kind": "none", "spec": 1},
            7,
            good | {"spec": {"a": "x"}},
            good | {"operation_id": "first", "idempotency_key": "k"},
        ]
    }
    answer = await client.post("/v1/operations:batch", json=body)
    assert answer.status_code == 200
    results = answer.json()["results"]
    codes = [result.get("error", {}).get("code") for result in results]
    assert codes == [
        None, "invalid_request", "unknown_kind", "invalid_request", "invalid_spec", None,
    ]  # fmt: skip
    assert results[0]["operation"]["alias"] == "first"
    assert results[0]["operation"]["id"] == results[5]["operation"]["id"]
    assert results[1]["error"]["field_errors"] == {
        "surprise": "Object contains unknown field `surprise`"
    }
    assert results[1]["error"]["status"] == 400


async def test_a_batch_of_too_many_is_refused(client):
    body = {"operations": [{"kind": "add", "spec": {"a": 1}}] * 1001}
    answer = await client.post("/v1/operations:batch", json=body)
    assert (answer.status_code, problem_of(answer)["code"]) == (413, "too_large")


async def test_a_full_batch_is_created(client):
    body = {"operations": [{"kind": "add", "spec": {"a": 1}}] * 1000}
    results = (await client.post("/v1/operations:batch", json=body)).json()["results"]
    assert len({result["operation"]["id"] for result in results}) == 1000


async def test_a_retry_is_a_new_operation_with_a_parent(serving, client):
    old = await serving.submit(client)
    await client.post(f"/v1/operations/{old['id']}/cancel")
    headers = {"Idempotency-Key": "again"}
    answer = await client.post(f"/v1/operations/{old['id']}/retry", headers=headers)
    assert answer.status_code == 202
    new = answer.json()
    assert new["parent_id"] == old["id"]
    assert answer.headers["location"] == f"/v1/operations/{new['id']}"
    again = await client.post(f"/v1/operations/{old['id']}/retry", headers=headers, json={})
    assert again.json()["id"] == new["id"]
    assert again.headers["idempotent-replayed"] == "true"
    listed = await client.get("/v1/operations", params={"parent_id": old["id"]})
    assert [one["id"] for one in listed.json()["operations"]] == [new["id"]]


async def test_what_runs_cannot_be_retried(serving, client):
    operation = await serving.submit(client)
    answer = await client.post(f"/v1/operations/{operation['id']}/retry")
    assert (answer.status_code, problem_of(answer)["code"]) == (409, "illegal_transition")


async def test_a_body_where_none_belongs_is_refused(serving, client):
    operation = await serving.submit(client)
    answer = await client.post(f"/v1/operations/{operation['id']}/cancel", json={"force": True})
    assert (answer.status_code, problem_of(answer)["code"]) == (400, "invalid_request")
