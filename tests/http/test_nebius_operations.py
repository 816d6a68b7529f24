"""Operations on the Nebius wire, over the engine: who sees what, and what is taken twice."""

import pytest
from nebius_examples import EXAMPLES

from outlast.dialects.nebius.words import TYPES
from outlast.operations import ids
from outlast.operations.kind import Kind

ROOT = "/nebius/v1/operations"
QUERY = {"type": "yql", "params": {"query": "SELECT 1"}, "src": [{"id": "ds1"}]}
BATCH = {
    "type": "batch_inference",
    "params": {"model": "m", "completion_window": "24h"},
    "src": [
        {"id": "d", "mapping": {"type": "text_prompt", "prompt": {"type": "column", "name": "p"}}}
    ],
}


@pytest.fixture(autouse=True)
def kinds(serving):
    """Kinds of the names that the dialect shows, which take any spec."""
    anything = serving.engine.kinds["anything"]
    for name in TYPES:
        serving.engine.kinds[name] = Kind(
            name, spec=anything.spec, result=anything.result, run=anything.run, executor="inline"
        )


async def run(client, body=QUERY, **headers):
    answer = await client.post(ROOT, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def seen(client, url=ROOT):
    return [one["id"] for one in (await client.get(url)).json()["data"]]


async def test_what_was_asked_for_in_the_dialect_is_seen_natively(serving, client):
    shown = await run(client, QUERY | {"ai_project_id": "p1"})
    native = (await client.get(f"/v1/operations/{shown['id']}")).json()
    assert ids.to_hex(native["id"]) == shown["id"]
    assert (native["kind"], native["project"], native["state"]) == ("sql_query", "p1", "pending")
    assert native["spec"] == {"query": "SELECT 1", "src": [{"dataset": "ds1"}]}


@pytest.mark.parametrize("kind", EXAMPLES)
async def test_what_was_asked_for_natively_is_seen_in_the_dialect(serving, client, kind):
    native = await serving.submit(client, kind, EXAMPLES[kind].spec)
    for ref in (native["id"], ids.to_hex(native["id"])):
        shown = (await client.get(f"{ROOT}/{ref}")).json()
        assert (shown["id"], shown["type"]) == (ids.to_hex(native["id"]), TYPES[kind])
    assert await seen(client) == [shown["id"]]


async def test_a_name_that_a_caller_chose_leads_there_too(serving, client):
    spec, headers = EXAMPLES["sql_query"].spec, {"Operation-Id": "nightly"}
    native = await serving.submit(client, "sql_query", spec, headers)
    answer = await client.get(f"{ROOT}/nightly")
    assert answer.json()["id"] == ids.to_hex(native["id"])


async def test_a_kind_without_a_word_is_not_there(serving, client):
    native = await serving.submit(client, "add")
    for method, path in (
        ("GET", ""),
        ("GET", "/errors"),
        ("GET", "/results"),
        ("POST", "/cancel"),
    ):
        answer = await client.request(method, f"{ROOT}/{native['id']}{path}")
        assert (answer.status_code, answer.json()) == (
            404,
            {"detail": "there is no such operation"},
        )
    assert await seen(client) == []


async def test_not_yours_looks_exactly_like_not_there(serving, client):
    shown = await run(client)
    other = serving.client("admin", tenant="away")
    theirs = await other.get(f"{ROOT}/{shown['id']}")
    nowhere = await other.get(f"{ROOT}/{ids.to_hex(ids.make_id(0, 0))}")
    assert (theirs.status_code, theirs.json()) == (nowhere.status_code, nowhere.json())
    assert await seen(other) == []


@pytest.mark.parametrize(
    ("role", "status"), [("viewer", 403), ("submitter", 200), ("operator", 200)]
)
async def test_a_role_allows_here_what_it_allows_natively(serving, role, status):
    answer = await serving.client(role).post(ROOT, json=QUERY)
    assert answer.status_code == status


async def test_others_of_the_tenant_cancel_only_as_operators(serving, client):
    shown = await run(client)
    path = f"{ROOT}/{shown['id']}/cancel"
    refused = await serving.client("submitter").post(path, json={})
    assert refused.status_code == 403
    assert set(refused.json()) == {"detail"}
    done = await serving.client("operator").post(path)
    assert done.json()["status"] == "cancelled"


async def test_a_root_token_names_the_tenant(serving):
    client = serving.client("root")
    del client.headers["Outlast-Tenant"]
    refused = await client.get(ROOT)
    assert refused.status_code == 422
    [fault] = refused.json()["detail"]
    assert (fault["loc"], "Outlast-Tenant" in fault["msg"]) == (["query"], True)
    assert (await client.get(ROOT, headers={"Outlast-Tenant": "away"})).json()["data"] == []


@pytest.mark.parametrize("body", [QUERY, BATCH], ids=["plain", "with a window"])
async def test_the_same_key_makes_one_operation(serving, client, body):
    first = await run(client, body, **{"Idempotency-Key": "k"})
    again = await client.post(ROOT, json=body, headers={"Idempotency-Key": "k"})
    assert again.json() == first
    assert again.headers["idempotent-replayed"] == "true"
    other = await client.post(
        ROOT, json=body | {"ai_project_id": "else"}, headers={"Idempotency-Key": "k"}
    )
    assert (other.status_code, set(other.json())) == (400, {"detail"})


async def test_a_window_becomes_a_deadline(serving, client):
    shown = await run(client, BATCH)
    native = (await client.get(f"/v1/operations/{shown['id']}")).json()
    assert native["deadline_at"] > native["created_at"]
    assert shown["params"]["completion_window"] == "24h"


async def test_pages_lead_through_all_that_was_created_together(serving, client):
    spec = EXAMPLES["sql_query"].spec
    body = {"operations": [{"kind": "sql_query", "spec": spec}] * 5}
    made = (await client.post("/v1/operations:batch", json=body)).json()["results"]
    ids_made = [ids.to_hex(one["operation"]["id"]) for one in made]
    found, page = [], await seen(client, f"{ROOT}?limit=2")
    while page:
        found += page
        page = await seen(client, f"{ROOT}?limit=2&cursor_time={found[-1]}")
    assert found == sorted(ids_made, reverse=True)


async def test_an_empty_cursor_is_the_first_page(client):
    shown = await run(client)
    assert await seen(client, f"{ROOT}?cursor_time=") == [shown["id"]]


async def test_what_fastapi_would_ignore_is_ignored(client):
    answer = await client.get(f"{ROOT}?colour=red")
    assert answer.status_code == 200
    await run(client, QUERY | {"colour": "red", "params": {"query": "SELECT 1", "colour": "red"}})


@pytest.mark.parametrize("name", ["api_key", "token", "access_token"])
async def test_a_token_in_a_url_is_refused(client, name):
    answer = await client.get(f"{ROOT}?{name}=olt_1_2")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", name]


async def test_a_lost_attempt_shows_running_until_it_is_reaped(serving, client):
    shown = await run(client)
    await serving.claim()
    answer = (await client.get(f"{ROOT}/{shown['id']}")).json()
    assert (answer["status"], answer["finished_at"]) == ("running", None)
    assert isinstance(answer["in_progress_at"], int)


async def test_what_goes_wrong_inside_says_nothing_of_it(serving, client, monkeypatch):
    async def fail(*_):
        raise RuntimeError("the secret reason")

    monkeypatch.setattr(serving.engine, "get", fail)
    answer = await client.get(f"{ROOT}/x")
    assert (answer.status_code, set(answer.json())) == (500, {"detail"})
    assert "secret" not in answer.text


async def test_its_numbers_stand_below_its_name(client):
    await client.get(f"{ROOT}/nowhere")
    text = (await client.get("/metrics")).text
    assert 'route="/nebius/v1/operations/{operation_id}",status="404"' in text
