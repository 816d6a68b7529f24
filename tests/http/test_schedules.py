import pytest
from serving import Serving, problem_of

from outlast.settings import Limits

NIGHTLY = {"name": "nightly", "kind": "add", "spec": {"a": 1}, "cron": "0 3 * * *"}


async def made(client, **fields):
    answer = await client.post("/v1/schedules", json={**NIGHTLY, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_schedule_is_created_read_and_deleted(client):
    answer = await client.post(
        "/v1/schedules", json={**NIGHTLY, "time_zone": "Europe/Berlin", "labels": {"team": "data"}}
    )
    assert answer.status_code == 201
    schedule = answer.json()
    assert answer.headers["location"] == f"/v1/schedules/{schedule['id']}"
    assert schedule["next_at"] > schedule["created_at"]
    assert schedule["created_by"] == "admin-1"
    for ref in ("nightly", schedule["id"]):
        assert (await client.get(f"/v1/schedules/{ref}")).json() == schedule
    assert (await client.delete("/v1/schedules/nightly")).status_code == 204
    gone = await client.get("/v1/schedules/nightly")
    assert (gone.status_code, problem_of(gone)["code"]) == (404, "not_found")


async def test_the_same_schedule_twice_is_one_and_another_of_its_name_is_a_conflict(client):
    schedule = await made(client)
    again = await client.post("/v1/schedules", json=NIGHTLY)
    assert (again.status_code, again.json()["id"]) == (200, schedule["id"])
    other = await client.post("/v1/schedules", json={**NIGHTLY, "spec": {"a": 2}})
    assert (other.status_code, problem_of(other)["code"]) == (409, "resource_exists")


@pytest.mark.parametrize(
    ("fields", "status", "code", "field"),
    [
        ({"cron": "0 3 * *"}, 400, "invalid_request", "cron"),
        ({"cron": "0 0 30 2 *"}, 400, "invalid_request", "cron"),
        ({"every_seconds": 5}, 400, "invalid_request", "every_seconds"),
        ({"cron": None, "every_seconds": 0}, 400, "invalid_request", "every_seconds"),
        ({"cron": None, "every_seconds": 2**70}, 400, "invalid_request", "every_seconds"),
        ({"time_zone": "Mars/Base"}, 400, "invalid_request", "time_zone"),
        ({"kind": "nothing"}, 422, "unknown_kind", None),
        ({"spec": {"a": "x"}}, 422, "invalid_spec", "a"),
        ({"spec": {"a": 1, "note": "\0"}}, 400, "invalid_request", None),
        ({"spec": {"a": 2**70}}, 400, "invalid_request", None),
        ({"often": True}, 400, "invalid_request", "often"),
        ({"labels": {"schedule": "x"}}, 400, "invalid_request", "labels.schedule"),
    ],
)
async def test_what_is_wrong_is_refused_by_name(client, fields, status, code, field):
    answer = await client.post("/v1/schedules", json={**NIGHTLY, **fields})
    assert (answer.status_code, problem_of(answer)["code"]) == (status, code), answer.text
    assert field is None or field in problem_of(answer)["field_errors"]


async def test_a_list_is_paged_and_filtered(serving, client):
    for number in range(3):
        await made(client, name=f"s{number}")
    await made(serving.client("operator"), name="theirs", kind="anything")
    first = (await client.get("/v1/schedules?page_size=3")).json()
    token = first["next_page_token"]
    rest = (await client.get(f"/v1/schedules?page_size=3&page_token={token}")).json()
    assert rest["next_page_token"] is None
    names = [one["name"] for one in first["schedules"] + rest["schedules"]]
    assert names == ["theirs", "s2", "s1", "s0"]
    for query in ("kind=anything", "created_by=operator-1"):
        found = (await client.get(f"/v1/schedules?{query}")).json()["schedules"]
        assert [one["name"] for one in found] == ["theirs"]
    assert len((await client.get("/v1/schedules?belongs_to=")).json()["schedules"]) == 4
    moved = await client.get(f"/v1/schedules?kind=add&page_token={token}")
    assert problem_of(moved)["code"] == "invalid_page_token"
    assert (await serving.client(tenant="away").get("/v1/schedules")).json()["schedules"] == []


async def test_only_what_is_named_changes(client):
    schedule = await made(client, labels={"team": "data"})
    answer = await client.patch("/v1/schedules/nightly", json={"priority": 3})
    changed = answer.json()
    kept = {"revision", "updated_at", "priority"}
    assert changed["priority"] == 3
    assert {k: v for k, v in changed.items() if k not in kept} == {
        k: v for k, v in schedule.items() if k not in kept
    }
    changed = (await client.patch("/v1/schedules/nightly", json={"every_seconds": 60})).json()
    assert (changed["every_seconds"], changed["cron"]) == (60, None)
    changed = (await client.patch("/v1/schedules/nightly", json={"spec": {"a": 7}})).json()
    assert changed["spec"] == {"a": 7}
    refused = await client.patch("/v1/schedules/nightly", json={"name": "other"})
    assert refused.status_code == 400


async def test_a_schedule_is_paused_resumed_and_triggered(serving, client):
    schedule = await made(client)
    paused = (await client.post("/v1/schedules/nightly/pause")).json()
    assert (paused["is_paused"], paused["next_at"]) == (True, None)
    resumed = (await client.post("/v1/schedules/nightly/resume", json={})).json()
    assert (resumed["is_paused"], resumed["next_at"]) == (False, schedule["next_at"])
    key = {"Idempotency-Key": "k"}
    answer = await client.post("/v1/schedules/nightly/trigger", headers=key)
    assert answer.status_code == 202
    operation = answer.json()
    assert answer.headers["operation-location"] == f"/v1/operations/{operation['id']}"
    assert operation["labels"] == {"schedule": schedule["id"]}
    again = await client.post("/v1/schedules/nightly/trigger", headers=key)
    assert (again.json()["id"], again.headers["idempotent-replayed"]) == (operation["id"], "true")
    busy = await client.post("/v1/schedules/nightly/trigger")
    assert (busy.status_code, problem_of(busy)["code"]) == (409, "resource_in_use")
    assert problem_of(busy)["details"] == {"operation_id": operation["id"]}
    listed = await client.get(f"/v1/operations?label.schedule={schedule['id']}")
    assert [one["id"] for one in listed.json()["operations"]] == [operation["id"]]
    assert (await client.get("/v1/schedules/nightly")).json()["operation_id"] == operation["id"]


async def test_roles_decide(serving, client):
    await made(client)
    for role in ("viewer", "submitter"):
        other = serving.client(role)
        assert (await other.get("/v1/schedules/nightly")).status_code == 200
        for method, path in (
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/pause"),
            ("POST", "/resume"),
            ("POST", "/trigger"),
        ):
            body = {"json": {}} if method != "DELETE" else {}
            answer = await other.request(method, f"/v1/schedules/nightly{path}", **body)
            assert (answer.status_code, problem_of(answer)["code"]) == (403, "forbidden"), path
    assert (await serving.client(None).get("/v1/schedules")).status_code == 401
    assert (await serving.client(tenant="away").get("/v1/schedules/nightly")).status_code == 404


async def test_a_limit_of_schedules_says_so(tmp_path):
    serving = Serving(tmp_path, limits=Limits(schedules=1))
    await serving.open()
    client = serving.client("admin")
    await made(client)
    full = await client.post("/v1/schedules", json={**NIGHTLY, "name": "second"})
    assert (full.status_code, problem_of(full)["code"]) == (409, "conflict")
    await serving.close()
