"""The DataRobot door over the engine: statuses and where they lead, who sees what, what is gone."""

import pytest
from datarobot_examples import EXAMPLES

from outlast.dialects.datarobot.ids import show_id
from outlast.operations import transitions
from outlast.operations.kind import Kind

JOB = "/api/v2/genai/status"
TASK = "/api/v2/status"
CHOSEN = "e900225c-0629-4e96-be6e-86a17a309645"
RESOURCE = "06EV0000000000000DB0"


@pytest.fixture(autouse=True)
def kinds(serving):
    """Kinds of the names that the dialect shows, which take any spec."""
    anything = serving.engine.kinds["anything"]
    for name in EXAMPLES:
        serving.engine.kinds[name] = Kind(
            name, spec=anything.spec, result=anything.result, run=anything.run, executor="inline"
        )


async def make(serving, client, kind="chat_prompt", **fields):
    fields = {"resource_type": kind, "resource_id": RESOURCE} | fields
    return await serving.submit(client, kind, {}, **fields)


async def polled(client, id, at=JOB):
    answer = await client.get(f"{at}/{id}/")
    assert answer.status_code == 200, answer.text
    return answer.json()["status"]


def error_of(answer):
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document.keys() == {"detail", "message", "errors"}
    return document


@pytest.mark.parametrize("scheme", ["Token", "Bearer", "token"])
async def test_both_words_before_a_token_are_taken(serving, scheme):
    text = serving.texts["default", "viewer"]
    client = serving.client(None, Authorization=f"{scheme} {text}")
    answer = await client.get("/api/v2/version/")
    assert answer.json() == {"major": 2, "minor": 49, "versionString": "2.49.0"}


@pytest.mark.parametrize("header", [None, "Token nonsense", "Basic nonsense", "Token"])
async def test_a_bad_token_is_refused_already_by_the_version(serving, header):
    headers = {} if header is None else {"Authorization": header}
    answer = await serving.client(None, **headers).get("/api/v2/version/")
    assert answer.status_code == 401
    assert error_of(answer)["detail"] == error_of(answer)["message"]


@pytest.mark.parametrize("base", ["", "/datarobot"])
async def test_an_operation_is_followed_to_what_it_left_behind(serving, client, base):
    id = show_id((await make(serving, client))["id"])
    for at in (JOB, TASK):
        assert await polled(client, id, base + at) == "INITIALIZED"
    [operation] = await serving.claim()
    assert await polled(client, id) == "RUNNING"
    await serving.succeed(operation)
    for at in (JOB, TASK):
        answer = await client.get(f"{base}{at}/{id}/")
        assert answer.status_code == 303
        where = f"http://outlast/api/v2/genai/chatPrompts/{show_id(RESOURCE)}/"
        assert answer.headers["location"] == where


async def test_the_clients_own_waiter_may_leave_out_the_base_path(serving, client):
    id = show_id((await make(serving, client))["id"])
    for at in ("/status", "/datarobot/status"):
        assert await polled(client, id, at) == "INITIALIZED"


@pytest.mark.parametrize("kind", ["evaluate_chat", "export_vector_database"])
async def test_what_leaves_nothing_to_redirect_to_ends_as_completed(serving, client, kind):
    id = (await make(serving, client, kind))["id"]
    [operation] = await serving.claim()
    await serving.succeed(operation)
    assert await polled(client, show_id(id)) == "COMPLETED"


async def test_an_operation_is_found_by_the_uuid_that_the_caller_chose(serving, client):
    await make(serving, client, headers={"Operation-Id": CHOSEN})
    for ref in (CHOSEN, CHOSEN.upper()):
        shown = (await client.get(f"{JOB}/{ref}/")).json()
        assert shown["statusId"] == CHOSEN


async def test_an_id_that_is_no_uuid_is_named(client):
    for id in ("abc", "1", "e900225c06294e96be6e86a1-7a309645", "%7B%7D", "null"):
        for at in (JOB, TASK):
            answer = await client.get(f"{at}/{id}/")
            assert answer.status_code == 422
            [fault] = error_of(answer)["detail"]
            assert fault["loc"] == ["path", "statusId"]
            assert fault["msg"]
            assert fault["type"]


async def test_what_is_not_there_not_ones_own_or_not_of_this_wire_is_not_found(serving, client):
    theirs = await make(serving, serving.client("admin", "away"))
    other = await serving.submit(client)
    for id in (CHOSEN, show_id(theirs["id"]), theirs["id"], show_id(other["id"])):
        for method, at in (("GET", JOB), ("GET", TASK), ("DELETE", TASK)):
            answer = await client.request(method, f"{at}/{id}/")
            assert answer.status_code == 404, (method, at)
            assert isinstance(error_of(answer)["detail"], str)


async def test_a_path_without_its_slash_leads_to_the_one_with_it(serving, client):
    id = show_id((await make(serving, client))["id"])
    answer = await client.get(f"{JOB}/{id}?a=b%20c")
    assert (answer.status_code, answer.headers["location"]) == (308, f"{JOB}/{id}/?a=b%20c")
    assert (await client.post("/api/v2/status")).headers["location"] == "/api/v2/status/"
    assert (await client.get("/datarobot/api/v2/version")).headers["location"] == (
        "/datarobot/api/v2/version/"
    )
    for path in ("/api/v2/nothing", "/api/v2/nothing/", "/v1/operations/", "/api/v2/version//"):
        assert (await client.get(path)).status_code == 404


async def test_the_platform_lists_what_is_under_way(serving, client):
    made = [await make(serving, client) for _ in range(5)]
    [operation] = await serving.claim()
    await serving.succeed(operation)
    await serving.submit(client)
    await make(serving, serving.client("admin", "away"))
    left = [show_id(one["id"]) for one in reversed(made) if one["id"] != operation.id]
    shown, url, pages = [], f"{TASK}/?offset=0&limit=3", 0
    while url is not None:
        page = (await client.get(url)).json()
        shown += [one["statusId"] for one in page["data"]]
        assert (page["totalCount"], page["count"]) == (4, len(page["data"]))
        url, pages = page["next"], pages + 1
    assert (shown, pages) == (left, 2)
    assert page["previous"] == "http://outlast/api/v2/status/?offset=0&limit=3"
    all_ = (await client.get(f"{TASK}/?offset=0&limit=0")).json()
    assert [one["statusId"] for one in all_["data"]] == left
    assert all_["next"] is None


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "offset=10001", "limit=1001"])
async def test_a_part_of_a_list_that_cannot_be_is_refused(client, query):
    answer = await client.get(f"{TASK}/?{query}")
    assert answer.status_code == 422
    name = query.partition("=")[0]
    assert error_of(answer)["detail"][0]["loc"] == ["query", name]


async def test_to_delete_the_record_of_what_runs_stops_it_and_hides_the_record(serving, client):
    native = await make(serving, client)
    id = show_id(native["id"])
    [operation] = await serving.claim()
    answer = await client.delete(f"{TASK}/{id}/")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await client.get(f"{TASK}/{id}/")).status_code == 404
    assert (await client.get(f"{TASK}/?offset=0&limit=0")).json()["data"] == []
    assert (await client.delete(f"{TASK}/{id}/")).status_code == 404
    assert await polled(client, id) == "RUNNING"
    await serving.decide(operation, transitions.confirm_cancel)
    assert await polled(client, id) == "ABORTED"
    kept = (await client.get(f"/v1/operations/{native['id']}")).json()
    assert kept["state"] == "cancelled"


async def test_to_delete_the_record_of_what_has_ended_hides_that_alone(serving, client):
    native = await make(serving, client)
    [operation] = await serving.claim()
    await serving.succeed(operation)
    path = f"{TASK}/{show_id(native['id'])}/"
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
    assert (await client.get(f"{JOB}/{show_id(native['id'])}/")).status_code == 303
    assert (await client.get(f"/v1/operations/{native['id']}")).json()["state"] == "succeeded"


async def test_to_delete_the_record_of_anothers_is_for_operators(serving, client):
    id = show_id((await make(serving, client))["id"])
    submitter, operator = serving.client("submitter"), serving.client("operator")
    assert (await submitter.delete(f"{TASK}/{id}/")).status_code == 403
    assert await polled(client, id, TASK) == "INITIALIZED"
    assert (await operator.delete(f"{TASK}/{id}/")).status_code == 204
    assert await polled(client, id) == "ABORTED"


async def test_what_is_no_longer_kept_has_expired_for_a_week(serving, client, monkeypatch):
    ids = []
    for alias in (None, CHOSEN):
        headers = {"Operation-Id": alias} if alias else {}
        native = await make(serving, client, headers=headers)
        await client.post(f"/v1/operations/{native['id']}/cancel")
        assert (await client.delete(f"/v1/operations/{native['id']}")).status_code == 204
        ids.append(alias or show_id(native["id"]))
    for id in ids:
        shown = (await client.get(f"{JOB}/{id}/")).json()
        assert (shown["status"], shown["code"], shown["statusId"]) == ("EXPIRED", 1, id)
        assert shown["created"][:4] == native["created_at"][:4]
        assert (await client.delete(f"{TASK}/{id}/")).status_code == 404
        away = serving.client("admin", "away")
        assert (await away.get(f"{JOB}/{id}/")).status_code == 404
    week = 7 * 86_400 * 1_000_000
    later = serving.store.operations.now() + week
    monkeypatch.setattr(serving.store.operations, "_clock", lambda: later)
    for id in ids:
        assert (await client.get(f"{JOB}/{id}/")).status_code == 404


async def test_a_host_that_nobody_named_is_not_repeated(serving, client):
    id = show_id((await make(serving, client))["id"])
    [operation] = await serving.claim()
    await serving.succeed(operation)
    for host, origin in (
        ("evil.example", "http://outlast"),
        ("127.0.0.1:8470", "http://127.0.0.1:8470"),
        ("localhost:1", "http://localhost:1"),
        ("[::1]:8470", "http://[::1]:8470"),
        ("127.0.0.1/@evil.example", "http://outlast"),
    ):
        answer = await client.get(f"{JOB}/{id}/", headers={"Host": host})
        assert answer.headers["location"].startswith(f"{origin}/api/v2/genai/"), host
