"""The GoodData door over the engine: who sees what, and what is the same in both ways."""

import asyncio

import pytest
from databases_for_tests import keep_database
from gooddata_examples import EXAMPLES

from outlast.dialects.gooddata.words import WORDS
from outlast.operations import ids
from outlast.operations.kind import Kind

ROOT = "/gooddata/api/v1/ailake"
INSTANCES = f"{ROOT}/database/instances"
CHOSEN = "e9fd5d74-8a1b-46bd-ac60-bd91e9206897"
SALES = {"name": "sales", "storageIds": []}
CHANGES = [
    ("POST", INSTANCES, SALES),
    ("DELETE", f"{INSTANCES}/sales", None),
    ("POST", f"{INSTANCES}/sales/analyzeStatistics", {}),
    ("POST", f"{INSTANCES}/sales/dataSources", {"dataSourceId": "s2"}),
    ("DELETE", f"{INSTANCES}/sales/dataSources/s2", None),
    ("PATCH", f"{INSTANCES}/sales/dataSource", {"dataSourceId": "a", "oldDataSourceId": "b"}),
    ("DELETE", f"{INSTANCES}/sales/pipeTables/orders", None),
]
READS = [
    f"{INSTANCES}/sales",
    f"{INSTANCES}/sales/dataSources",
    f"{INSTANCES}/sales/pipeTables",
    f"{INSTANCES}/sales/pipeTables/orders",
]


@pytest.fixture(autouse=True)
def kinds(serving):
    """Kinds of the names that the dialect shows, which take any spec."""
    anything = serving.engine.kinds["anything"]
    for name in WORDS:
        serving.engine.kinds[name] = Kind(
            name, spec=anything.spec, result=anything.result, run=anything.run, executor="inline"
        )


async def provision(client, **headers):
    answer = await client.post(INSTANCES, json=SALES, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {}), answer.text
    return answer.headers["operation-id"]


async def test_what_was_asked_for_here_is_an_operation_natively_under_its_alias(client):
    assert await provision(client, **{"operation-id": CHOSEN}) == CHOSEN
    native = (await client.get(f"/v1/operations/{CHOSEN}")).json()
    assert (native["kind"], native["alias"], native["spec"]) == (
        "provision_database",
        CHOSEN,
        {"name": "sales"},
    )
    for ref in (CHOSEN, native["id"], str(ids.to_uuid(native["id"]))):
        assert (await client.get(f"{ROOT}/operations/{ref}")).json()["id"] == CHOSEN


@pytest.mark.parametrize("kind", EXAMPLES)
async def test_what_was_asked_for_natively_is_seen_here(serving, client, kind):
    native = await serving.submit(client, kind, EXAMPLES[kind].spec)
    for ref in (native["id"], str(ids.to_uuid(native["id"]))):
        shown = (await client.get(f"{ROOT}/operations/{ref}")).json()
        assert shown == {
            "id": str(ids.to_uuid(native["id"])),
            "kind": WORDS[kind],
            "status": "pending",
        }


async def test_an_id_that_is_chosen_by_many_at_once_makes_one_operation(client):
    chosen = await asyncio.gather(
        *(provision(client, **{"operation-id": CHOSEN}) for _ in range(20))
    )
    assert set(chosen) == {CHOSEN}
    assert len((await client.get("/v1/operations")).json()["operations"]) == 1


async def test_the_same_id_is_free_in_another_tenant(serving, client):
    await provision(client, **{"operation-id": CHOSEN})
    away = serving.client("admin", "away")
    assert (await away.get(f"{ROOT}/operations/{CHOSEN}")).status_code == 404
    assert await provision(away, **{"operation-id": CHOSEN}) == CHOSEN


async def test_what_is_another_tenants_is_not_there(serving):
    await keep_database(serving.store, "sales")
    away = serving.client("admin", "away")
    assert (await away.get(INSTANCES)).json()["databases"] == []
    for url in READS:
        assert (await away.get(url)).status_code == 404


@pytest.mark.parametrize(("method", "url", "body"), CHANGES)
async def test_a_viewer_changes_nothing(serving, method, url, body):
    viewer = serving.client("viewer")
    answer = await viewer.request(method, url, json=body)
    assert (answer.status_code, answer.json()["title"]) == (403, "Forbidden")


async def test_a_submitter_leaves_alone_what_is_anothers(serving):
    await keep_database(serving.store, "sales", created_by="somebody")
    url, body = f"{INSTANCES}/sales/dataSources", {"dataSourceId": "s2"}
    assert (await serving.client("submitter").post(url, json=body)).status_code == 403
    assert (await serving.client("operator").post(url, json=body)).status_code == 200


async def test_a_database_that_is_not_finished_is_not_there_yet(serving, client):
    maker = await provision(client)
    id = (await client.get(f"/v1/operations/{maker}")).json()["id"]
    await keep_database(serving.store, "sales", owner=id, operation_id=None)
    assert (await client.get(INSTANCES)).json()["databases"] == []
    for url in READS[:2]:
        assert (await client.get(url)).status_code == 404


async def test_more_than_one_page_of_the_store_is_counted_and_passed_over(
    serving, client, monkeypatch
):
    monkeypatch.setattr("outlast.http.gooddata.databases.FIND_MAX", 3)
    monkeypatch.setattr("outlast.http.gooddata.listing.FIND_MAX", 3)
    made = [await keep_database(serving.store, f"d{n}") for n in range(8)]
    newest = [str(ids.to_uuid(id)) for id in sorted(made, reverse=True)]
    page = (await client.get(f"{INSTANCES}?offset=4&size=3&metaInclude=page")).json()
    assert [one["id"] for one in page["databases"]] == newest[4:7]
    assert page["totalCount"] == 8
    page = (await client.get(f"{INSTANCES}?page=3&size=2")).json()
    assert [one["id"] for one in page["databases"]] == newest[6:]
    assert "totalCount" not in page


async def test_no_answer_may_be_kept_by_a_cache(client):
    assert (await client.get(INSTANCES)).headers["cache-control"] == "no-store"
