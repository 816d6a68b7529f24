import asyncio

import pytest
from installation import until
from serving import problem_of

from outlast.operations import ids
from outlast.store.port import Held


def path(operation, rest=""):
    return f"/v1/operations/{operation['id']}{rest}"


async def test_an_operation_shows_every_key_also_where_there_is_nothing(serving, client):
    operation = await serving.submit(client)
    shown = (await client.get(path(operation))).json()
    assert len(shown) == 31
    assert shown["progress"] is None
    assert shown["failure"] is None


async def test_a_poll_says_when_to_ask_again_until_the_end(serving, client):
    operation = await serving.submit(client)
    pending = await client.get(path(operation))
    assert pending.headers["retry-after"] == "1"
    assert pending.headers["cache-control"] == "private, no-cache"
    [claimed] = await serving.claim()
    await serving.succeed(claimed)
    ended = await client.get(path(operation))
    assert "retry-after" not in ended.headers
    assert ended.json()["result"] == {"total": 1}


async def test_progress_has_its_summary_and_all_keys(serving, client):
    operation = await serving.submit(client)
    [claimed] = await serving.claim()
    await serving.report(claimed, 4.0)
    progress = (await client.get(path(operation))).json()["progress"]
    assert progress["done"] == 4
    assert progress["summary"] == {
        "total": 1, "pending": 0, "running": 1, "succeeded": 0, "failed": 0, "unchanged": 0,
    }  # fmt: skip
    assert progress["resources"] == [
        {
            "urn": "table:1", "type": "", "name": "", "operation": "", "status": "running",
            "duration_seconds": None,
        }
    ]  # fmt: skip


async def test_an_id_is_understood_in_all_of_its_forms(serving, client):
    operation = await serving.submit(client)
    for form in (str(ids.to_uuid(operation["id"])), ids.to_hex(operation["id"])):
        assert (await client.get(f"/v1/operations/{form}")).json()["id"] == operation["id"]


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', '"7", "1"', "*"])
async def test_a_revision_that_was_seen_is_304(serving, client, tag):
    operation = await serving.submit(client)
    answer = await client.get(path(operation), headers={"If-None-Match": tag})
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("tag", ['"2"', "1", "nonsense", '"1', ""])
async def test_any_other_tag_gets_the_operation(serving, client, tag):
    operation = await serving.submit(client)
    answer = await client.get(path(operation), headers={"If-None-Match": tag})
    assert answer.status_code == 200


async def test_renewing_a_lease_does_not_change_the_tag(serving, client):
    operation = await serving.submit(client)
    [claimed] = await serving.claim()
    tag = (await client.get(path(operation))).headers["etag"]
    held = [Held(id=claimed.id, token=claimed.lease.token)]
    await serving.store.operations.renew("worker-1", held, 60)
    answer = await client.get(path(operation), headers={"If-None-Match": tag})
    assert answer.status_code == 304


async def test_a_wait_ends_when_the_operation_has_ended(serving, client):
    operation = await serving.submit(client)
    asking = asyncio.create_task(client.get(path(operation, "?wait=20")))
    await until(lambda: serving.engine.watchers)
    [claimed] = await serving.claim()
    await asyncio.sleep(0.05)
    assert not asking.done()
    await serving.succeed(claimed)
    answer = await asking
    assert answer.json()["state"] == "succeeded"


async def test_a_wait_with_a_tag_ends_at_the_next_revision(serving, client):
    operation = await serving.submit(client)
    asking = asyncio.create_task(
        client.get(path(operation, "?wait=20"), headers={"If-None-Match": '"1"'})
    )
    await until(lambda: serving.engine.watchers)
    await serving.claim()
    answer = await asking
    assert answer.status_code == 200
    assert answer.json()["state"] == "running"


async def test_a_wait_that_saw_nothing_is_304_or_the_operation(serving, client):
    operation = await serving.submit(client)
    url = path(operation, "?wait=0.05")
    assert (await client.get(url, headers={"If-None-Match": '"1"'})).status_code == 304
    assert (await client.get(url)).json()["state"] == "pending"
    assert (await client.get(url, headers={"If-None-Match": '"9"'})).status_code == 200


async def test_nobody_waits_for_what_has_ended(serving, client):
    operation = await serving.submit(client)
    await client.post(path(operation, "/cancel"))
    async with asyncio.timeout(5):
        url = path(operation, "?wait=60")
        answer = await client.get(url, headers={"If-None-Match": '"2"'})
    assert answer.status_code == 304


@pytest.mark.parametrize("wait", ["61", "-1", "x", "", "1e3", "nan", "60.01"])
async def test_a_wait_beyond_its_limits_is_refused(serving, client, wait):
    operation = await serving.submit(client)
    answer = await client.get(path(operation), params={"wait": wait})
    assert answer.status_code == 400
    assert problem_of(answer)["field_errors"] == {"wait": "range"}


async def test_shutting_down_ends_every_wait(serving, client):
    operation = await serving.submit(client)
    asking = asyncio.create_task(client.get(path(operation, "?wait=50")))
    await until(lambda: serving.engine.watchers)
    serving.hub.close()
    async with asyncio.timeout(5):
        assert (await asking).json()["state"] == "pending"


async def test_a_pending_operation_is_cancelled_at_once(serving, client):
    operation = await serving.submit(client)
    answer = await client.post(path(operation, "/cancel"), headers={"X-Request-Id": "c-1"})
    assert answer.status_code == 200
    assert answer.json()["state"] == "cancelled"
    assert answer.headers["etag"] == '"2"'
    audit = (await client.get("/v1/audit")).json()["records"]
    assert (audit[0]["action"], audit[0]["request_id"]) == ("operation.cancel", "c-1")


async def test_a_running_operation_is_asked_to_stop(serving, client):
    operation = await serving.submit(client)
    await serving.claim()
    answer = await client.post(path(operation, "/cancel"))
    assert answer.status_code == 202
    assert answer.json()["state"] == "running"
    assert answer.json()["cancel_requested_at"] is not None
    assert (await client.post(path(operation, "/cancel"))).status_code == 202


async def test_what_has_ended_cannot_be_cancelled(serving, client):
    operation = await serving.submit(client)
    await client.post(path(operation, "/cancel"))
    answer = await client.post(path(operation, "/cancel"))
    assert (answer.status_code, problem_of(answer)["code"]) == (409, "illegal_transition")


async def test_only_what_has_ended_can_be_deleted(serving, client):
    operation = await serving.submit(client)
    refused = await client.delete(path(operation))
    assert (refused.status_code, problem_of(refused)["code"]) == (409, "not_terminal")
    await client.post(path(operation, "/cancel"))
    answer = await client.delete(path(operation))
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await client.get(path(operation))).status_code == 404


async def test_events_are_numbered_and_read_in_parts(serving, client):
    operation = await serving.submit(client)
    [claimed] = await serving.claim()
    await serving.succeed(claimed)
    events = (await client.get(path(operation, "/events"))).json()["events"]
    assert [event["type"] for event in events] == ["created", "claimed", "succeeded"]
    part = (await client.get(path(operation, "/events?after=1&limit=1"))).json()["events"]
    assert [event["number"] for event in part] == [2]


async def test_logs_are_read_in_parts(serving, client):
    operation = await serving.submit(client)
    [claimed] = await serving.claim()
    held = Held(id=claimed.id, token=claimed.lease.token)
    at = serving.store.operations.now()
    await serving.store.operations.append_log(held, [(at, "one"), (at, "two")], 1000)
    lines = (await client.get(path(operation, "/logs"))).json()["lines"]
    assert [(line["number"], line["attempt"], line["text"]) for line in lines] == [
        (1, 1, "one"), (2, 1, "two"),
    ]  # fmt: skip
    rest = (await client.get(path(operation, "/logs?after=1"))).json()["lines"]
    assert [line["text"] for line in rest] == ["two"]


async def test_bulk_cancel_counts_honestly(serving, client):
    for number in range(3):
        await serving.submit(client, labels={"batch": "7"}, spec={"a": number})
    other = await serving.submit(client)
    [claimed] = await serving.claim()
    wish = {"filter": {"labels": {"batch": "7"}}, "dry_run": True}
    counted = (await client.post("/v1/operations:cancel", json=wish)).json()
    assert counted == {
        "matched": 3, "requested": 0, "already_ended": 0, "dry_run": True, "more": False,
    }  # fmt: skip
    del wish["dry_run"]
    done = (await client.post("/v1/operations:cancel", json=wish)).json()
    assert (done["matched"], done["requested"], done["more"]) == (3, 3, False)
    again = (await client.post("/v1/operations:cancel", json=wish)).json()
    assert again["matched"] == 0
    assert (await client.get(path(other))).json()["state"] == "pending"
    assert (await serving.engine.store.operations.get(None, [claimed.id]))[0].cancel_requested_at


async def test_bulk_cancel_stops_at_its_limit_and_says_so(serving, client):
    body = {"operations": [{"kind": "add", "spec": {"a": 1}}] * 1000}
    await client.post("/v1/operations:batch", json=body)
    await serving.submit(client)
    wish = {"filter": {"kind": "add", "state": ["pending"]}}
    first = (await client.post("/v1/operations:cancel", json=wish)).json()
    assert (first["requested"], first["more"]) == (1000, True)
    second = (await client.post("/v1/operations:cancel", json=wish)).json()
    assert (second["requested"], second["more"]) == (1, False)


async def test_bulk_cancel_of_a_submitter_touches_only_its_own(serving, client):
    await serving.submit(client)
    mine = serving.client("submitter")
    await serving.submit(mine)
    done = (await mine.post("/v1/operations:cancel", json={"filter": {}})).json()
    assert (done["matched"], done["requested"]) == (1, 1)


async def test_bulk_cancel_leaves_out_what_has_ended(serving, client):
    operation = await serving.submit(client)
    await client.post(path(operation, "/cancel"))
    for state in ("cancelled", ["cancelled", "failed"]):
        wish = {"filter": {"state": state}}
        assert (await client.post("/v1/operations:cancel", json=wish)).json()["matched"] == 0


@pytest.mark.parametrize(
    "body", [{}, {"filter": {"status": "x"}}, {"filter": {"state": "x"}}, {"filter": None}]
)
async def test_a_bulk_cancel_that_is_not_clear_is_refused(client, body):
    answer = await client.post("/v1/operations:cancel", json=body)
    assert (answer.status_code, problem_of(answer)["code"]) == (400, "invalid_request")
