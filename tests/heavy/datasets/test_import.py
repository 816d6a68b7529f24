"""Datasets made of the objects of a real S3 server, through a live server and its worker."""

import io
import json
import secrets
import time
from contextlib import closing

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outlast.operations import ids

PATH = "/nebius/v1/datasets"
ENDED = {"READY", "FAILED"}


@pytest.fixture(scope="module")
def live(serve, s3_server):
    settings = f'[outbound]\nallow = ["127.0.0.1:{s3_server.port}"]\n'
    return serve(settings, environment={"AWS_SESSION_TOKEN": "of the operator"})


@pytest.fixture
def http(live):
    with closing(live.http()) as http:
        yield http


@pytest.fixture
def place(s3_server):
    """A prefix of the bucket, and what a caller says of it."""
    prefix = f"imports/{secrets.token_hex(8)}"
    return {
        "type": "s3",
        "endpoint": s3_server.endpoint,
        "bucket": "outlast",
        "prefix": prefix,
        "access_key_id": s3_server.access_key,
        "secret_access_key": s3_server.secret_key,
    }


@pytest.fixture
def put(s3_server, place):
    def put(name, content):
        obstore.put(s3_server.store(), f"{place['prefix']}/{name}", content)

    return put


def create(http, place, **fields):
    body = {"name": "imported", "folder": "/s3", "origin": place} | fields
    answer = http.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    dataset = answer.json()
    assert (dataset["status"], dataset["current_version"]) == ("PENDING", None)
    return dataset["id"]


def ended(http, id):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        dataset = http.get(f"{PATH}/{id}").json()
        if dataset["status"] in ENDED:
            return dataset
        time.sleep(0.1)
    raise AssertionError(dataset)


def rows(http, id):
    return http.get(f"{PATH}/{id}/content").json()["rows"]


def parquet(rows):
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def test_all_objects_below_a_prefix_are_one_table(http, place, put):
    put("b/2.csv", b"n,text\n3,three\n")
    put("a.jsonl", b'{"n":1,"text":"one"}\n')
    put("c.parquet", parquet([{"n": 4, "text": "four"}]))
    put("a/", b"")
    dataset = ended(http, create(http, place))
    assert (dataset["status"], dataset["error"]) == ("READY", None), dataset
    assert dataset["current_version_origin"] == {"type": "s3"}
    assert rows(http, dataset["id"]) == [
        {"n": 1, "text": "one"},
        {"n": 3, "text": "three"},
        {"n": 4, "text": "four"},
    ]


def test_one_object_and_a_declared_schema(http, place, put):
    put("rows.jsonl", b'{"messages":[{"role":"user","content":"Hi"}]}\n')
    schema = [{"name": "messages", "type": {"name": "json"}}]
    one = place | {"prefix": place["prefix"] + "/rows.jsonl"}
    dataset = ended(http, create(http, one, schema=schema))
    assert (dataset["status"], dataset["schema"]) == ("READY", schema)
    assert rows(http, dataset["id"]) == [{"messages": [{"role": "user", "content": "Hi"}]}]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"secret_access_key": "wrong"}, "keys"),
        ({"access_key_id": "wrong"}, "keys"),
        ({"bucket": "no-such-bucket"}, "not there"),
        ({"prefix": "nothing/is/here"}, "nothing/is/here"),
    ],
)
def test_what_cannot_be_fetched_is_told(http, place, put, change, says):
    put("a.jsonl", b'{"n":1}\n')
    dataset = ended(http, create(http, place | change))
    assert dataset["status"] == "FAILED"
    assert says in dataset["error"], dataset


def test_the_keys_are_shown_nowhere(http, live, place, put):
    put("a.jsonl", b'{"n":1}\n')
    dataset = ended(http, create(http, place))
    operations = http.get("/v1/operations", params={"kind": "import_objects", "view": "full"})
    for shown in (json.dumps(dataset), operations.text, live.log.read_text()):
        assert place["secret_access_key"] not in shown
    for path in live.data.rglob("*"):
        if path.is_file():
            assert place["secret_access_key"].encode() not in path.read_bytes(), path


def test_what_cannot_be_parsed_names_the_object_and_the_line(http, place, put):
    put("a.jsonl", b'{"n":1}\n')
    put("b.jsonl", b'{"n":2}\n{"n":\n')
    dataset = ended(http, create(http, place))
    assert dataset["status"] == "FAILED"
    assert "b.jsonl: line 2" in dataset["error"]


def test_many_bytes_are_fetched_and_a_deleted_dataset_stays_deleted(http, place, put):
    line = b'{"n":1,"text":"' + b"x" * 1000 + b'"}\n'
    put("large.jsonl", line * 60_000)
    id = create(http, place)
    assert http.delete(f"{PATH}/{id}").json() == {}
    assert http.get(f"{PATH}/{id}").status_code == 404
    other = ended(http, create(http, place))
    assert other["status"] == "READY"
    assert http.get(f"{PATH}/{id}").status_code == 404


def test_a_retry_fills_the_dataset_that_its_parent_could_not(http, place, put):
    failed = ended(http, create(http, place))
    assert failed["status"] == "FAILED"
    native = http.get(f"/v1/datasets/{ids.from_hex(failed['id'])}").json()
    assert (native["status"], native["title"]) == ("failed", "imported")
    put("a.jsonl", b'{"n":1}\n')
    answer = http.post(f"/v1/operations/{native['operation_id']}/retry")
    assert answer.is_success, answer.text
    end = time.monotonic() + 30
    while (dataset := ended(http, failed["id"]))["status"] != "READY":
        assert time.monotonic() < end, dataset
        time.sleep(0.1)
    assert rows(http, failed["id"]) == [{"n": 1}]


def test_another_place_of_this_network_is_refused_at_once(http, place):
    body = {"name": "x", "folder": "/", "origin": place | {"endpoint": "http://127.0.0.1:1"}}
    answer = http.post(PATH, json=body)
    assert answer.status_code == 422, answer.text
    [fault] = answer.json()["detail"]
    assert fault["loc"] == ["body", "origin", "endpoint"]
    assert "outbound.allow" in fault["msg"]
