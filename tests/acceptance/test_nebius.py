"""The official client against the program itself: each row of the endpoint table is answered."""

import json
import time

import httpx
import openai
import pytest
from live_server import LiveServer
from model_double import ModelDouble
from openapi_spec_validator import OpenAPIV31SpecValidator

pytestmark = pytest.mark.acceptance

ROWS = [{"n": n, "condition": n % 2 == 0} for n in range(10)]
SCHEMA = [
    {"name": "n", "type": {"name": "integer"}},
    {"name": "condition", "type": {"name": "boolean"}},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ModelDouble() as double:
        server = LiveServer(
            tmp_path_factory.mktemp("nebius"),
            f'[backends.double]\nurl = "{double.url}"\nmodels = ["double"]\n',
            arguments=["--profile", "nebius=127.0.0.1:0"],
        )
        try:
            yield server.start()
        finally:
            server.stop()


@pytest.fixture(scope="module")
def client(server):
    """The client as its users make it: a base URL and a key. The profile has a root of its own."""
    url = server.started["profiles"]["nebius"]
    with openai.OpenAI(base_url=f"{url}/v1", api_key=server.token, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def dataset(client):
    body = {"name": "numbers", "schema": SCHEMA, "folder": "/", "rows": ROWS}
    return client.post("/datasets", body=body, cast_to=object)


def run(client, type, params, src=(), seconds=60, **more):
    """Run an operation as the service's own client does: ask, then poll until a final status."""
    body = {"type": type, "params": params, "src": list(src), **more}
    operation = client.post("/operations", body=body, cast_to=object)
    until = time.monotonic() + seconds
    while operation["status"] not in {"succeeded", "failed", "cancelled"}:
        assert time.monotonic() < until, operation
        time.sleep(0.05)
        operation = client.get(f"/operations/{operation['id']}", cast_to=object)
    errors = client.get(f"/operations/{operation['id']}/errors", cast_to=object)
    assert operation["status"] == "succeeded", errors
    assert errors == {"object": "list", "data": []}
    return operation


def test_rows_go_through_a_query_into_a_file_and_back(client, dataset):
    source = {"id": dataset["id"], "version": dataset["current_version"]}
    query = {"query": "SELECT * FROM {src_0} WHERE condition"}
    chosen = run(client, "yql", query, [source])
    [target] = chosen["dst"]
    content = client.get(f"/datasets/{target['id']}/content", cast_to=object)
    assert content["rows"] == ROWS[::2]

    written = run(client, "dataset_to_file", {"format": "jsonl"}, [target])
    results = client.get(f"/operations/{written['id']}/results", cast_to=object)
    lines = client.files.content(results["output_file_id"]).text.splitlines()
    assert [json.loads(line) for line in lines] == ROWS[::2]

    read = run(client, "file_to_dataset", {"file_id": results["output_file_id"]})
    assert read["dst"][0]["version"] == target["version"]

    listed = client.get("/operations", cast_to=object)
    assert [one["id"] for one in listed["data"][:3]] == [read["id"], written["id"], chosen["id"]]


def test_the_history_is_empty_before_anything_was_said(client):
    made = run(client, "materialize_history", {"from": 0, "to": "2100-01-01T00:00:00Z"})
    content = client.get(f"/datasets/{made['dst'][0]['id']}/content", cast_to=object)
    assert content["rows"] == []


def test_a_batch_goes_the_way_of_the_services_own_client(client):
    """A dataset, an operation, its batch, the batch's file, the answers' dataset, and clean up."""
    rows = [
        {"id": f"p{n}", "messages": json.dumps([{"role": "user", "content": f"say {n}"}])}
        for n in range(5)
    ]
    names = ({"name": name, "type": {"name": "string"}} for name in ("id", "messages"))
    body = {"name": "prompts", "schema": list(names), "folder": "/", "rows": rows}
    prompts = client.post("/datasets", body=body, cast_to=object)
    mapping = {
        "type": "text_messages",
        "messages": {"type": "column", "name": "messages"},
        "custom_id": {"type": "column", "name": "id"},
        "max_tokens": {"type": "number", "value": 64},
    }
    source = {"id": prompts["id"], "version": prompts["current_version"], "mapping": mapping}
    made = run(
        client,
        "batch_inference",
        {"model": "double", "completion_window": "24h"},
        [source],
        dst=[],
    )
    batch = client.batches.retrieve(made["id"])
    assert (batch.status, batch.request_counts.total) == ("completed", 5)
    assert batch.request_counts.completed == 5
    lines = map(json.loads, client.files.content(batch.output_file_id).text.splitlines())
    answers = {line["custom_id"]: line["response"]["body"] for line in lines}
    assert answers.keys() == {row["id"] for row in rows}
    exported = client.get(
        f"/datasets/{made['dst'][0]['id']}/export?format=jsonl", cast_to=httpx.Response
    )
    assert {json.loads(line)["custom_id"] for line in exported.text.splitlines()} == answers.keys()
    for dataset in (prompts["id"], made["dst"][0]["id"]):
        assert client.delete(f"/datasets/{dataset}", cast_to=object) == {}
        with pytest.raises(openai.NotFoundError):
            client.delete(f"/datasets/{dataset}", cast_to=object)


def test_what_cannot_be_is_refused_as_the_client_knows_it(client, dataset):
    source = {"id": dataset["id"], "version": dataset["current_version"]}
    query = {"type": "yql", "params": {"query": "SELECT nothing FROM"}, "src": [source]}
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.post("/operations", body=query, cast_to=object)
    [fault] = refused.value.body["detail"]
    assert fault["loc"] == ["body", "params", "query"]
    for body in (
        {"type": "yql", "params": {"query": "SELECT 1"}, "src": [source | {"version": "f" * 32}]},
        {"type": "finetuning", "params": {"model": "none", "training_file": "none"}},
        {"type": "batch_inference", "params": {"model": "none"}, "src": [source]},
    ):
        with pytest.raises((openai.NotFoundError, openai.UnprocessableEntityError)) as refused:
            client.post("/operations", body=body, cast_to=object)
        assert refused.value.body["detail"]
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="nonsense").models.list()


def test_an_operation_is_cancelled(client, dataset):
    """It counts to a hundred thousand millions: it cannot end by itself in time."""
    source = {"id": dataset["id"], "version": dataset["current_version"]}
    many = ", ".join(f"{{src_0}} AS t{n}" for n in range(11))
    body = {
        "type": "yql",
        "params": {"dialect": "duckdb", "query": f"SELECT sum(t0.n * t10.n) FROM {many}"},
        "src": [source],
    }
    made = client.post("/operations", body=body, cast_to=object)
    client.post(f"/operations/{made['id']}/cancel", body={}, cast_to=object)
    until = time.monotonic() + 30
    while made["status"] != "cancelled":
        assert time.monotonic() < until, made
        time.sleep(0.05)
        made = client.get(f"/operations/{made['id']}", cast_to=object)


ENDPOINTS = [
    ("POST", "/operations", 422),
    ("GET", "/operations", 200),
    ("GET", "/operations/{operation}", 200),
    ("POST", "/operations/{operation}/cancel", 409),
    ("GET", "/operations/{operation}/errors", 200),
    ("GET", "/operations/{operation}/results", 404),
    ("POST", "/datasets", 422),
    ("GET", "/datasets", 200),
    ("GET", "/datasets/{dataset}", 200),
    ("PATCH", "/datasets/{dataset}", 200),
    ("GET", "/datasets/{dataset}/content", 200),
    ("GET", "/datasets/{dataset}/export?format=csv", 200),
    ("POST", "/datasets/uploads", 422),
    ("POST", "/datasets/uploads/none/complete", 422),
    ("POST", "/files", 415),
    ("GET", "/files", 200),
    ("GET", "/files/{file}", 200),
    ("GET", "/files/{file}/content", 200),
    ("POST", "/batches", 422),
    ("GET", "/batches", 200),
    ("GET", "/batches/none", 404),
    ("POST", "/batches/none/cancel", 404),
    ("POST", "/fine_tuning/jobs", 422),
    ("GET", "/fine_tuning/jobs", 200),
    ("GET", "/fine_tuning/jobs/none", 404),
    ("POST", "/fine_tuning/jobs/none/cancel", 404),
    ("GET", "/fine_tuning/jobs/none/events", 404),
    ("GET", "/fine_tuning/jobs/none/checkpoints", 404),
    ("POST", "/chat/completions", 422),
    ("POST", "/embeddings", 422),
    ("GET", "/models", 200),
    ("DELETE", "/files/{file}", 200),
    ("DELETE", "/datasets/{dataset}", 200),
]


def test_each_row_of_the_endpoint_table_is_answered(client, server):
    body = {"name": "to go", "schema": SCHEMA, "folder": "/", "rows": ROWS}
    dataset = client.post("/datasets", body=body, cast_to=object)
    query = {"query": "SELECT n FROM {src_0}"}
    ids = {
        "operation": run(client, "yql", query, [{"id": dataset["id"]}])["id"],
        "dataset": dataset["id"],
        "file": client.files.create(file=("f.jsonl", b'{"a": 1}\n'), purpose="batch").id,
    }
    answered = []
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=str(client.base_url), headers=headers) as plain:
        for method, path, _ in ENDPOINTS:
            body = {} if method in {"POST", "PATCH"} else None
            answer = plain.request(method, path.lstrip("/").format(**ids), json=body)
            answered.append((method, path, answer.status_code))
    assert answered == ENDPOINTS


def test_the_document_of_the_profile_says_where_it_is(client, server):
    root = server.started["profiles"]["nebius"]
    document = httpx.get(f"{root}/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    assert document["servers"] == [{"url": "/"}]
    assert httpx.get(f"{server.url}/nebius/openapi.json").json()["paths"] == document["paths"]
