"""Files as OpenAI's client sees them: the official one, against a listening server."""

import openai
import pytest

ROWS = b'{"custom_id":"1"}\n' * 5_000


@pytest.fixture
async def official(serving):
    async with serving.listening() as port:
        client = openai.AsyncOpenAI(
            base_url=f"http://127.0.0.1:{port}/nebius/v1",
            api_key=serving.texts["default", "submitter"],
            max_retries=0,
        )
        async with client:
            yield client


@pytest.fixture
def nebius(serving):
    """A client in this process, for what the official one never sends."""
    client = serving.client("submitter")
    client.base_url = "http://outlast/nebius"
    return client


async def test_the_official_client_keeps_a_file_here(official):
    file = await official.files.create(file=("rows.jsonl", ROWS), purpose="batch")
    assert (file.object, file.purpose, file.status) == ("file", "batch", "processed")
    assert (file.filename, file.bytes, len(file.id)) == ("rows.jsonl", len(ROWS), 32)
    assert await official.files.retrieve(file.id) == file
    assert (await official.files.content(file.id)).content == ROWS
    deleted = await official.files.delete(file.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (file.id, True, "file")
    with pytest.raises(openai.NotFoundError):
        await official.files.retrieve(file.id)
    with pytest.raises(openai.NotFoundError):
        await official.files.content(file.id)


async def test_a_file_can_expire(official):
    file = await official.files.create(
        file=("a", b"x"),
        purpose="user_data",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert file.expires_at - file.created_at in {3600, 3601}


async def test_the_official_client_walks_through_all_files(official):
    made = [
        await official.files.create(file=(f"{n}", b"x"), purpose=["batch", "evals"][n % 2])
        for n in range(5)
    ]
    ids = [file.id for file in made]
    assert [file.id async for file in official.files.list(limit=2)] == ids[::-1]
    assert [file.id async for file in official.files.list(limit=2, order="asc")] == ids
    found = official.files.list(purpose="evals", limit=1)
    assert [file.id async for file in found] == [ids[3], ids[1]]


async def test_a_list_says_where_it_ends(nebius):
    assert (await nebius.get("/v1/files")).json() == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }
    made = [await upload(nebius, n) for n in ("a", "b", "c")]
    page = (await nebius.get("/v1/files?limit=2")).json()
    assert (page["first_id"], page["last_id"], page["has_more"]) == (made[2], made[1], True)
    page = (await nebius.get(f"/v1/files?limit=2&after={made[1]}")).json()
    assert (page["first_id"], page["last_id"], page["has_more"]) == (made[0], made[0], False)


async def test_files_belong_to_projects(nebius):
    in_form = await upload(nebius, "a", ai_project_id="p1")
    answer = await nebius.post(
        "/v1/files?ai_project_id=p1", data={"purpose": "batch"}, files={"file": ("b", b"x")}
    )
    in_query = answer.json()["id"]
    await upload(nebius, "c")
    page = (await nebius.get("/v1/files?ai_project_id=p1")).json()
    assert [file["id"] for file in page["data"]] == [in_query, in_form]
    assert page["data"][0]["ai_project_id"] == "p1"


async def test_both_files_of_a_batch_are_output_on_the_wire(serving, nebius):
    native = serving.client("submitter")
    for purpose in ("batch_output", "batch_errors"):
        await native.post(
            f"/v1/files?name={purpose}&purpose={purpose}",
            content=b"x",
            headers={"Content-Type": "application/octet-stream"},
        )
    page = (await nebius.get("/v1/files?purpose=batch_output&limit=1")).json()
    assert page["has_more"]
    page = (await nebius.get("/v1/files?purpose=batch_output")).json()
    assert [file["purpose"] for file in page["data"]] == ["batch_output", "batch_output"]
    assert [file["filename"] for file in page["data"]] == ["batch_errors", "batch_output"]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({}, ["body", "purpose"]),
        ({"purpose": "batch_output"}, ["body", "purpose"]),
        (
            {"purpose": "batch", "expires_after[seconds]": "3600"},
            ["body", "expires_after", "anchor"],
        ),
        (
            {
                "purpose": "batch",
                "expires_after[anchor]": "created_at",
                "expires_after[seconds]": "10",
            },
            ["body", "expires_after", "seconds"],
        ),
    ],
)
async def test_what_does_not_fit_is_named_as_fastapi_does(nebius, fields, place):
    answer = await nebius.post("/v1/files", data=fields, files={"file": ("a", b"x")})
    assert answer.status_code == 422
    assert [detail["loc"] for detail in answer.json()["detail"]] == [place]


@pytest.mark.parametrize("query", ["limit=0", "limit=10001", "order=up", "after=nothing"])
async def test_lists_refuse_what_they_do_not_know(nebius, query):
    answer = await nebius.get(f"/v1/files?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", query.partition("=")[0]]


async def test_a_form_without_a_file_is_refused(nebius):
    answer = await nebius.post("/v1/files", files={"purpose": (None, b"batch")})
    assert answer.json()["detail"][0]["loc"] == ["body", "file"]


async def upload(client, name, **fields):
    answer = await client.post(
        "/v1/files", data={"purpose": "batch"} | fields, files={"file": (name, b"x")}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]
