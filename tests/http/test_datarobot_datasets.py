"""Datasets and use cases at the DataRobot door: from a file to something to build upon."""

import pytest

from outlast.dialects.datarobot.ids import show_id
from outlast.kinds import file_to_dataset

DATASETS = "/api/v2/datasets/"
USE_CASES = "/api/v2/useCases/"
ROWS = b"name,age\nada,36\nbob,7\n"


@pytest.fixture(autouse=True)
def kinds(serving):
    serving.engine.kinds |= {kind.name: kind for kind in file_to_dataset.kinds}


async def upload(client, name="people.csv", content=ROWS, field="file"):
    return await client.post(DATASETS + "fromFile/", files={field: (name, content)})


async def make_use_case(client, name="Handbook"):
    answer = await client.post(USE_CASES, json={"name": name, "description": "what we know"})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def test_rows_become_a_dataset_that_is_followed_by_its_status(client):
    answer = await upload(client)
    assert answer.status_code == 202
    body = answer.json()
    where = f"http://outlast/api/v2/status/{body['statusId']}/"
    assert answer.headers["location"] == where
    status = (await client.get(where)).json()
    assert status["status"] == "INITIALIZED"
    shown = (await client.get(f"{DATASETS}{body['catalogId']}/")).json()
    assert (shown["name"], shown["processingState"]) == ("people.csv", "RUNNING")
    assert (shown["rowCount"], shown["error"]) == (0, "")
    listed = (await client.get(DATASETS)).json()
    assert [one["datasetId"] for one in listed["data"]] == [body["catalogId"]]


async def test_a_dataset_whose_operation_failed_says_why(serving, client):
    id = (await upload(client)).json()["catalogId"]
    [native] = (await client.get("/v1/operations")).json()["operations"]
    await client.post(f"/v1/operations/{native['id']}/cancel")
    shown = (await client.get(f"{DATASETS}{id}/")).json()
    assert shown["processingState"] == "ERROR"
    assert shown["error"]


async def test_documents_are_a_dataset_at_once(client):
    answer = await upload(client, "handbook.zip", b"PK\x05\x06" + bytes(18))
    assert answer.status_code == 202
    id = answer.json()["catalogId"]
    redirect = await client.get(answer.headers["location"])
    assert redirect.status_code == 303
    assert redirect.headers["location"] == f"http://outlast{DATASETS}{id}/"
    assert redirect.json()["status"] == "COMPLETED"
    shown = (await client.get(f"{DATASETS}{id}/")).json()
    assert (shown["processingState"], shown["datasetSize"]) == ("COMPLETED", 22)
    assert (await client.get(f"{DATASETS}{id}/file/")).content[:2] == b"PK"
    renamed = await client.patch(f"{DATASETS}{id}/", json={"name": "other.zip"})
    assert renamed.status_code == 501
    assert (await client.delete(f"{DATASETS}{id}/")).status_code == 204
    assert (await client.get(f"{DATASETS}{id}/")).status_code == 404
    assert (await client.get(answer.headers["location"])).status_code == 404


async def test_what_was_uploaded_natively_is_a_dataset_as_well(client):
    made = (await client.post("/v1/datasets", json={"name": "people"})).json()
    uploaded = await client.post(
        "/v1/datasets/people/versions", content=ROWS, headers={"Content-Type": "text/csv"}
    )
    assert uploaded.status_code == 201, uploaded.text
    path = f"{DATASETS}{show_id(made['id'])}/"
    shown = (await client.get(path)).json()
    assert (shown["name"], shown["processingState"]) == ("people", "COMPLETED")
    assert (await client.patch(path, json={"name": "Folk", "categories": ["TRAINING"]})).json()[
        "name"
    ] == "Folk"
    assert (await client.delete(path)).status_code == 204


@pytest.mark.parametrize("field", ["data", "files"])
async def test_a_form_without_the_file_is_refused_and_nothing_is_left(client, field):
    answer = await upload(client, field=field)
    assert answer.status_code == 422
    assert (await client.get("/v1/files")).json()["files"] == []


async def test_a_dataset_of_another_tenant_is_not_there(serving, client):
    id = (await upload(client, "a.txt", b"text")).json()["catalogId"]
    away = serving.client("admin", "away")
    for method in ("GET", "DELETE"):
        assert (await away.request(method, f"{DATASETS}{id}/")).status_code == 404
    assert (await away.get(f"/api/v2/status/{id}/")).status_code == 404
    assert (await away.get(DATASETS)).json()["data"] == []


async def test_a_use_case_holds_what_is_linked_to_it(client):
    use_case = await make_use_case(client)
    linked = (await upload(client, "a.md", b"# a")).json()["catalogId"]
    await upload(client, "b.md", b"# b")
    for _ in range(2):
        answer = await client.post(f"{USE_CASES}{use_case}/datasets/{linked}/")
        assert answer.status_code == 201
        assert answer.json()["entityId"] == linked
    shown = (await client.get(f"{USE_CASES}{use_case}/")).json()
    assert (shown["name"], shown["description"]) == ("Handbook", "what we know")
    assert shown["filesCount"] + shown["datasetsCount"] == 1
    assert shown["created"]["id"] == "admin-1"
    found = (await client.get(DATASETS, params={"useCaseIds": [use_case]})).json()
    assert [one["datasetId"] for one in found["data"]] == [linked]
    assert (await client.delete(f"{USE_CASES}{use_case}/datasets/{linked}/")).status_code == 204
    assert (await client.delete(f"{USE_CASES}{use_case}/datasets/{linked}/")).status_code == 404
    assert (await client.get(DATASETS, params={"useCaseIds": use_case})).json()["count"] == 0


async def test_use_cases_are_listed_searched_and_sorted(client):
    for name in ("Bees", "Ants", "Birds"):
        await make_use_case(client, name)

    async def names(**query):
        answer = await client.get(USE_CASES, params=query)
        return [one["name"] for one in answer.json()["data"]]

    assert await names() == ["Birds", "Ants", "Bees"]
    assert await names(search="B", sort="name") == ["Bees", "Birds"]
    assert await names(sort="-name", limit=1, offset=1) == ["Bees"]
    answer = await client.get(USE_CASES, params={"sort": "size"})
    assert answer.json()["detail"][0]["loc"] == ["query", "sort"]


async def test_a_use_case_is_changed_by_who_made_it_and_deleted_alone(serving, client):
    use_case = await make_use_case(client)
    path = f"{USE_CASES}{use_case}/"
    changed = (await client.patch(path, json={"name": "Rules"})).json()
    assert (changed["name"], changed["description"]) == ("Rules", "what we know")
    for caller, status in ((serving.client("submitter"), 403), (serving.client("viewer"), 403)):
        assert (await caller.patch(path, json={"name": "x"})).status_code == status
        assert (await caller.delete(path)).status_code == status
    assert (await client.patch(path, json={"name": ""})).status_code == 422
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [("projects/x/", 501), ("datasets/nothing/", 404), (f"files/{'0' * 20}/", 404)],
)
async def test_what_is_not_there_or_is_nothing_of_ours_is_not_linked(client, path, status):
    use_case = await make_use_case(client)
    answer = await client.post(f"{USE_CASES}{use_case}/{path}")
    assert answer.status_code == status, answer.text
