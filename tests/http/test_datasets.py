import asyncio
import json

import pytest
from serving import problem_of

JSONL = {"Content-Type": "application/x-ndjson"}
ROWS = b'{"n":1,"t":"a"}\n{"n":2,"t":"b"}\n{"n":3,"t":"c"}\n'


@pytest.fixture
async def numbers(client):
    """A dataset with one version."""
    await client.post("/v1/datasets", json={"name": "numbers"})
    answer = await client.post("/v1/datasets/numbers/versions", content=ROWS, headers=JSONL)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_dataset_is_created_empty(client):
    answer = await client.post("/v1/datasets", json={"name": "new"})
    assert answer.status_code == 201
    dataset = answer.json()
    assert dataset["current_version"] is None
    assert answer.headers["location"] == f"/v1/datasets/{dataset['id']}"
    assert (await client.get("/v1/datasets/new")).json() == dataset
    again = await client.post("/v1/datasets", json={"name": "new"})
    assert (again.status_code, problem_of(again)["code"]) == (409, "resource_exists")


async def test_an_upload_becomes_the_current_version(client, numbers):
    assert (numbers["rows"], numbers["parts"]) == (3, 1)
    assert numbers["columns"] == [{"name": "n", "type": "int64"}, {"name": "t", "type": "string"}]
    dataset = (await client.get("/v1/datasets/numbers")).json()
    assert dataset["current_version"] == numbers["version"]
    url = f"/v1/datasets/numbers/versions/{numbers['version']}"
    assert (await client.get(url)).json() == numbers


async def test_rows_are_read_in_parts(client, numbers):
    shown = (await client.get("/v1/datasets/numbers/rows?offset=1&limit=1")).json()
    assert shown == {
        "version": numbers["version"],
        "columns": numbers["columns"],
        "rows": [{"n": 2, "t": "b"}],
        "offset": 1,
        "total": 3,
    }


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "offset=-1", "version=a&version=b"])
async def test_rows_beyond_the_limits_are_refused(client, numbers, query):
    answer = await client.get(f"/v1/datasets/numbers/rows?{query}")
    assert answer.status_code == 400


async def test_an_export_is_the_file_again(client, numbers):
    answer = await client.get("/v1/datasets/numbers/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert numbers["version"] in answer.headers["content-disposition"]
    assert [json.loads(line) for line in answer.text.splitlines()][2] == {"n": 3, "t": "c"}
    csv = await client.get("/v1/datasets/numbers/export?format=csv")
    assert len(csv.text.splitlines()) == 4
    parquet = await client.get("/v1/datasets/numbers/export?format=parquet")
    assert parquet.content[:4] == b"PAR1"
    assert (await client.get("/v1/datasets/numbers/export?format=xml")).status_code == 400
    head = await client.head("/v1/datasets/numbers/export")
    assert (head.status_code, head.content) == (200, b"")


async def test_versions_have_names_and_pages(client, numbers):
    for number in range(3):
        answer = await client.post(
            f"/v1/datasets/numbers/versions?name=v{number}",
            content=b'{"n":%d}\n' % number,
            headers=JSONL,
        )
        assert answer.json()["name"] == f"v{number}"
    taken = await client.post("/v1/datasets/numbers/versions?name=v1", content=ROWS, headers=JSONL)
    assert problem_of(taken)["code"] == "resource_exists"
    first = (await client.get("/v1/datasets/numbers/versions?page_size=3")).json()
    assert [version["name"] for version in first["versions"]] == ["v2", "v1", "v0"]
    token = first["next_page_token"]
    url = f"/v1/datasets/numbers/versions?page_size=3&page_token={token}"
    second = (await client.get(url)).json()
    assert [version["version"] for version in second["versions"]] == [numbers["version"]]
    assert second["next_page_token"] is None
    answer = await client.get(f"/v1/datasets?page_token={token}")
    assert problem_of(answer)["code"] == "invalid_page_token"
    rows = (await client.get("/v1/datasets/numbers/rows?version=v1")).json()["rows"]
    assert rows == [{"n": 1}]


async def test_datasets_are_listed_page_by_page(client):
    for number in range(3):
        await client.post("/v1/datasets", json={"name": f"d{number}"})
        await asyncio.sleep(0.002)
    first = (await client.get("/v1/datasets?page_size=2")).json()
    assert [dataset["name"] for dataset in first["datasets"]] == ["d2", "d1"]
    url = f"/v1/datasets?page_size=2&page_token={first['next_page_token']}"
    second = (await client.get(url)).json()
    assert [dataset["name"] for dataset in second["datasets"]] == ["d0"]
    assert second["next_page_token"] is None


async def test_a_dataset_is_deleted_with_its_versions(client, numbers):
    assert (await client.delete("/v1/datasets/numbers")).status_code == 204
    for rest in ("", "/rows", "/export", "/versions", f"/versions/{numbers['version']}"):
        assert (await client.get(f"/v1/datasets/numbers{rest}")).status_code == 404


@pytest.mark.parametrize("media", ["application/json", "text/plain", ""])
async def test_an_upload_of_another_type_is_refused(client, numbers, media):
    answer = await client.post(
        "/v1/datasets/numbers/versions", content=ROWS, headers={"Content-Type": media}
    )
    assert (answer.status_code, problem_of(answer)["code"]) == (415, "unsupported_media_type")


async def test_a_compressed_upload_is_refused(client, numbers):
    headers = JSONL | {"Content-Encoding": "gzip"}
    answer = await client.post("/v1/datasets/numbers/versions", content=ROWS, headers=headers)
    assert problem_of(answer)["code"] == "unsupported_media_type"


async def test_a_file_that_cannot_be_parsed_is_refused(client, numbers):
    answer = await client.post(
        "/v1/datasets/numbers/versions", content=b'{"n":1}\nnonsense\n', headers=JSONL
    )
    assert (answer.status_code, problem_of(answer)["code"]) == (400, "invalid_request")
    assert "2" in problem_of(answer)["detail"]
