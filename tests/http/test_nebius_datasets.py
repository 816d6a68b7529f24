"""Datasets in the Nebius dialect: created, changed, read, exported, uploaded in parts."""

import json

import pytest
from serving import AWAY, Serving

from outlast.kinds import import_objects
from outlast.operations import ids, transitions
from outlast.operations.failure import Failure
from outlast.settings import Limits

PATH = "/nebius/v1/datasets"
SCHEMA = [
    {"name": "messages", "type": {"name": "json"}},
    {"name": "custom_id", "type": {"name": "string"}},
    {"name": "score", "type": {"name": "option", "item": {"name": "number"}}},
]
ROWS = [
    {"messages": [{"role": "user", "content": "Hi"}], "custom_id": "a", "score": 0.5},
    {"messages": [], "custom_id": "b"},
]
BODY = {"name": "my prompts", "folder": "/some/folder", "schema": SCHEMA, "rows": ROWS}


async def created(client, **fields):
    answer = await client.post(PATH, json=BODY | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_rows_become_a_dataset_of_the_documented_shape(client):
    dataset = await created(client, ai_project_id="project-1")
    assert dataset == {
        "id": dataset["id"],
        "name": "my prompts",
        "status": "READY",
        "schema": SCHEMA,
        "metadata": {},
        "folder": "/some/folder",
        "current_version": dataset["current_version"],
        "created_at": dataset["created_at"],
        "error": None,
        "ai_project_id": "project-1",
        "type": "dataset",
        "current_version_origin": {"type": "upload"},
        "current_version_summary": {"id": dataset["current_version"]},
    }
    assert len(dataset["id"]) == 32
    assert isinstance(dataset["created_at"], int)
    own = ids.from_hex(dataset["id"])
    for id in (dataset["id"], own):
        assert (await client.get(f"{PATH}/{id}")).json() == dataset
    native = (await client.get(f"/v1/datasets/{own}")).json()
    assert (native["name"], native["current_version"]) == (own, dataset["current_version"])


async def test_names_are_not_unique_and_the_same_rows_are_the_same_version(client):
    one, two = await created(client), await created(client)
    assert one["id"] != two["id"]
    assert one["current_version"] == two["current_version"]


async def test_content_comes_in_pages(client):
    dataset = await created(client)
    answer = await client.get(f"{PATH}/{dataset['id']}/content")
    rows = [ROWS[0], ROWS[1] | {"score": None}]
    assert answer.json() == {"rows": rows, "version": dataset["current_version"]}
    answer = await client.get(f"{PATH}/{dataset['id']}/content?limit=1&offset=1")
    assert answer.json()["rows"] == rows[1:]
    answer = await client.get(f"{PATH}/{dataset['id']}/content?offset=2")
    assert answer.json()["rows"] == []
    for query, name in (("limit=0", "limit"), ("limit=1001", "limit"), ("offset=-1", "offset")):
        answer = await client.get(f"{PATH}/{dataset['id']}/content?{query}")
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["query", name]


@pytest.mark.parametrize(
    ("format", "media", "content"),
    [
        (
            "jsonl",
            "application/x-ndjson",
            (
                '{"messages":[{"role":"user","content":"Hi"}],"custom_id":"a","score":0.5}\n'
                '{"messages":[],"custom_id":"b","score":null}\n'
            ),
        ),
        (
            "csv",
            "text/csv; charset=utf-8",
            (
                '"messages","custom_id","score"\n'
                '"[{""role"":""user"",""content"":""Hi""}]","a",0.5\n"[]","b",\n'
            ),
        ),
    ],
)
async def test_exports_hold_all_rows(client, format, media, content):
    dataset = await created(client)
    answer = await client.get(f"{PATH}/{dataset['id']}/export?format={format}")
    assert (answer.headers["content-type"], answer.text) == (media, content)


async def test_an_unknown_export_format_is_refused(client):
    dataset = await created(client)
    answer = await client.get(f"{PATH}/{dataset['id']}/export?format=parquet")
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", "format"])


async def test_lists_are_paged_by_the_last_id(client):
    made = [await created(client, ai_project_id=f"p{number % 2}") for number in range(5)]
    made.reverse()
    first = (await client.get(PATH, params={"limit": 3})).json()
    assert first == {"data": made[:3], "has_more": True, "last_id": made[2]["id"]}
    rest = (await client.get(PATH, params={"limit": 3, "after": first["last_id"]})).json()
    assert rest == {"data": made[3:], "has_more": False, "last_id": made[4]["id"]}
    end = (await client.get(PATH, params={"after": rest["last_id"]})).json()
    assert end == {"data": [], "has_more": False, "last_id": None}
    of_project = (await client.get(PATH, params={"ai_project_id": "p1"})).json()
    assert of_project["data"] == [made[1], made[3]]


async def test_name_and_folder_are_changed(client):
    dataset = await created(client)
    answer = await client.patch(f"{PATH}/{dataset['id']}", json={"name": "other"})
    assert answer.json() == dataset | {"name": "other"}
    answer = await client.patch(f"{PATH}/{dataset['id']}", json={"folder": "/elsewhere"})
    assert answer.json() == dataset | {"name": "other", "folder": "/elsewhere"}
    for body, field in (({"name": ""}, "name"), ({"folder": ""}, "folder"), ({"name": 1}, "name")):
        answer = await client.patch(f"{PATH}/{dataset['id']}", json=body)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", field]


async def test_deleted_datasets_are_gone(client):
    dataset = await created(client)
    answer = await client.delete(f"{PATH}/{dataset['id']}")
    assert (answer.status_code, answer.json()) == (200, {})
    for ask in (client.get, client.delete):
        answer = await ask(f"{PATH}/{dataset['id']}")
        assert (answer.status_code, list(answer.json())) == (404, ["detail"])
    for path in ("content", "export"):
        assert (await client.get(f"{PATH}/{dataset['id']}/{path}")).status_code == 404


async def test_datasets_of_others_are_not_there(client, serving):
    dataset = await created(client)
    other = serving.client(tenant=AWAY)
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/content")):
        answer = await other.request(method, f"{PATH}/{dataset['id']}{path}", json={})
        assert answer.status_code == 404, method
    assert (await other.get(PATH)).json()["data"] == []
    viewer = serving.client("viewer")
    assert (await viewer.post(PATH, json=BODY)).status_code == 403
    assert (await viewer.get(f"{PATH}/{dataset['id']}")).status_code == 200


@pytest.mark.parametrize(
    ("change", "loc", "says"),
    [
        ({"rows": [ROWS[0], ROWS[1] | {"custom_id": 7}]}, ["rows", 1, "custom_id"], "`str`"),
        ({"rows": [{"messages": []}]}, ["rows", 0, "custom_id"], "missing"),
        ({"rows": [ROWS[0] | {"more": 1}]}, ["rows", 0, "more"], "not declared"),
        (
            {"rows": [ROWS[1] | {"messages": json.loads("[" * 40 + "]" * 40)}]},
            ["rows", 0, "messages"],
            "deeper than 32",
        ),
        ({"rows": {}}, ["rows"], "array"),
        ({"rows": None}, ["rows"], "array"),
        ({"name": ""}, ["name"], "length"),
        ({"name": None}, ["name"], "`str`"),
        ({"folder": "relative"}, ["folder"], "path"),
        ({"schema": []}, ["schema"], "columns"),
        ({"schema": "x"}, ["schema"], "array"),
        ({"schema": [SCHEMA[0], SCHEMA[0]]}, ["schema", 1, "name"], "twice"),
        ({"schema": [{"name": "a", "type": {"name": "blob"}}]}, ["schema", 0, "type", "name"], ""),
        (
            {"schema": [{"name": "a", "type": {"name": "option"}}]},
            ["schema", 0, "type", "item"],
            "item",
        ),
        ({"ai_project_id": ""}, ["ai_project_id"], "project"),
    ],
)
async def test_what_is_wrong_with_a_dataset_is_named(client, change, loc, says):
    answer = await client.post(PATH, json=BODY | change)
    assert answer.status_code == 422, answer.text
    [fault] = answer.json()["detail"]
    assert fault["loc"] == ["body", *loc]
    assert says in fault["msg"]
    assert fault["type"]
    assert (await client.get(PATH)).json()["data"] == []


@pytest.mark.parametrize("field", ["name", "folder", "schema", "rows"])
async def test_a_field_that_is_missing_is_named(client, field):
    answer = await client.post(PATH, json={key: BODY[key] for key in BODY if key != field})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", field]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"name":"a","name":"b"}'])
async def test_a_body_that_is_no_request_is_a_422(client, body):
    answer = await client.post(PATH, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"][0]["loc"][0] == "body"


async def test_json_values_are_kept_to_the_digit(client):
    value = '{"a":1,"a":[123456789012345678901234567890,1e400]}'
    body = json.dumps(BODY | {"schema": SCHEMA[:1], "rows": [{"messages": "VALUE"}]})
    answer = await client.post(PATH, content=body.replace('"VALUE"', value))
    content = await client.get(f"{PATH}/{answer.json()['id']}/content")
    assert content.text.startswith(f'{{"rows":[{{"messages":{value}}}]')


async def test_large_bodies_go_through_the_spool_up_to_a_limit(tmp_path):
    limits = Limits(body_bytes=2_000, dataset_body_bytes=40_000)
    serving = Serving(tmp_path, limits=limits)
    await serving.open()
    client = serving.client()
    row = {"messages": [], "custom_id": "x" * 100}
    dataset = await created(client, rows=[row] * 200)
    assert (await client.get(f"{PATH}/{dataset['id']}/content?limit=1000")).json()["rows"] == [
        row | {"score": None}
    ] * 200
    answer = await client.post(PATH, json=BODY | {"rows": [row] * 199 + [{}]})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:3] == ["body", "rows", 199]
    answer = await client.post(PATH, json=BODY | {"name": "", "rows": [row] * 200})
    assert answer.json()["detail"][0]["loc"] == ["body", "name"]
    answer = await client.post(PATH, json=BODY | {"rows": [row] * 500})
    assert answer.status_code == 413
    await serving.close()


async def test_native_datasets_are_shown_too(client):
    made = (await client.post("/v1/datasets", json={"name": "native"})).json()
    dataset = (await client.get(f"{PATH}/{made['id']}")).json()
    assert (dataset["name"], dataset["status"], dataset["schema"]) == ("native", "DRAFT", [])
    assert (await client.get(f"{PATH}/{made['id']}/content")).status_code == 404
    await client.post(
        f"/v1/datasets/{made['id']}/versions",
        content=b'{"i":1,"d":1.5,"b":true,"s":"","l":[1],"o":{"a":1}}',
        headers={"content-type": "application/jsonl"},
    )
    dataset = (await client.get(f"{PATH}/native")).json()
    assert dataset["status"] == "READY"
    assert {column["name"]: column["type"] for column in dataset["schema"]} == {
        name: {"name": "option", "item": {"name": type}}
        for name, type in (
            ("i", "integer"),
            ("d", "number"),
            ("b", "boolean"),
            ("s", "string"),
            ("l", "json"),
            ("o", "json"),
        )
    }


async def test_a_dataset_is_uploaded_in_parts(client):
    begun = {"name": "parts", "folder": "/", "schema": SCHEMA[1:2]}
    answer = await client.post(f"{PATH}/uploads?ai_project_id=p", json=begun)
    upload = answer.json()
    info = upload["upload_info"]
    assert info == {
        "status": "PENDING",
        "dataset": begun | {"id": info["dataset"]["id"]},
        "created_at": info["created_at"],
        "error": None,
        "completed_at": None,
        "ai_project_id": "p",
    }
    dataset = (await client.get(f"{PATH}/{info['dataset']['id']}")).json()
    assert (dataset["status"], dataset["schema"]) == ("DRAFT", SCHEMA[1:2])
    parts = f"{PATH}/uploads/{upload['id']}/parts"
    second = await client.put(parts, content=b'"b"}\n')
    first = await client.post(parts, files={"data": ("part", b'{"custom_id":"a"}\n{"custom_id":')})
    assert (second.status_code, first.status_code) == (200, 200), first.text
    assert second.json()["bytes"] == 5
    part_ids = {"part_ids": [first.json()["id"], second.json()["id"]]}
    answer = await client.post(f"{PATH}/uploads/{upload['id']}/complete", json=part_ids)
    done = answer.json()["upload_info"]
    assert (done["status"], done["error"]) == ("COMPLETED", None)
    assert isinstance(done["completed_at"], int)
    exported = await client.get(f"{PATH}/{done['dataset']['id']}/export")
    assert [json.loads(line)["custom_id"] for line in exported.text.splitlines()] == ["a", "b"]


async def test_parts_that_do_not_fit_are_refused(client):
    begun = {"name": "parts", "folder": "/", "schema": SCHEMA[1:2]}
    upload = (await client.post(f"{PATH}/uploads", json=begun)).json()
    path = f"{PATH}/uploads/{upload['id']}"
    part = (await client.post(f"{path}/parts", content=b'{"custom_id":1}')).json()
    answer = await client.post(f"{path}/complete", json={"part_ids": [part["id"]]})
    assert answer.status_code == 422
    assert "line 1, column 'custom_id'" in answer.json()["detail"][0]["msg"]
    answer = await client.post(f"{path}/complete", json={"part_ids": ["nothing"]})
    assert answer.json()["detail"][0]["loc"] == ["body", "part_ids"]
    assert (await client.post(f"{PATH}/uploads/nothing/parts")).status_code == 404
    answer = await client.post(f"{PATH}/uploads", json=begun | {"schema": []})
    assert answer.json()["detail"][0]["loc"] == ["body", "schema"]


ORIGIN = {
    "type": "s3",
    "bucket": "bucket",
    "prefix": "in/",
    "endpoint": "https://s3.example.org",
    "access_key_id": "the-key",
    "secret_access_key": "the-secret",
}
FROM_S3 = {"name": "imported", "folder": "/s3", "schema": SCHEMA[1:2], "origin": ORIGIN}


@pytest.fixture
async def importing(tmp_path):
    serving = Serving(tmp_path, kinds=import_objects.kinds)
    await serving.open()
    yield serving
    await serving.close()


async def test_a_dataset_of_objects_is_pending_while_its_operation_lives(importing):
    client = importing.client()
    dataset = await created_from_s3(client)
    assert dataset["schema"] == SCHEMA[1:2]
    assert (dataset["status"], dataset["current_version"], dataset["error"]) == (
        "PENDING",
        None,
        None,
    )
    [operation] = await importing.claim()
    spec = json.loads(operation.spec)
    assert spec["dst"] == {"dataset": ids.from_hex(dataset["id"])}
    assert (spec["url"], spec["must_exist"]) == ("s3://bucket/in/", True)
    assert b"the-key" not in operation.spec
    assert b"the-secret" not in operation.spec
    running = (await client.get(f"{PATH}/{dataset['id']}")).json()
    assert running == dataset
    failure = Failure(code="objects_missing", message="no such bucket", fault="user")
    await importing.decide(operation, transitions.fail, failure, None)
    failed = (await client.get(f"{PATH}/{dataset['id']}")).json()
    assert failed == dataset | {"status": "FAILED", "error": "no such bucket"}
    listed = (await client.get(PATH)).json()["data"]
    assert listed == [failed]


async def test_to_delete_a_pending_dataset_cancels_what_would_fill_it(importing):
    client = importing.client()
    dataset = await created_from_s3(client)
    assert (await client.delete(f"{PATH}/{dataset['id']}")).json() == {}
    [operation] = (await client.get("/v1/operations")).json()["operations"]
    assert operation["state"] == "cancelled"


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"endpoint": "http://127.0.0.1:1"}, "endpoint"),
        ({"endpoint": "http://169.254.169.254"}, "endpoint"),
        ({"secret_access_key": None}, "secret_access_key"),
        ({"bucket": "a/b"}, "bucket"),
        ({"bucket": ""}, "bucket"),
        ({"format": "xml"}, "format"),
    ],
)
async def test_what_is_wrong_with_an_origin_is_named(importing, change, loc):
    client = importing.client()
    body = FROM_S3 | {"origin": ORIGIN | change}
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"][0]["loc"] == ["body", "origin", loc]
    assert (await client.get(PATH)).json()["data"] == []


async def created_from_s3(client):
    answer = await client.post(PATH, json=FROM_S3)
    assert answer.status_code == 200, answer.text
    return answer.json()
