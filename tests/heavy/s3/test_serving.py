"""A server whose bytes lie in a bucket: nothing of them stays in its data folder."""

import json

import pytest
from s3_server import S3Server

from outlast.app.objects import try_objects
from outlast.settings import ObjectStoreSettings, Settings, SettingsError

SETTINGS = """
objects = "main"
[object_stores.main]
url = "{url}"
endpoint = "{endpoint}"
access_key_variable = "TEST_S3_KEY"
secret_key_variable = "TEST_S3_SECRET"
"""


@pytest.fixture
def server(serve, bucket):
    return serve(
        SETTINGS.format(url=bucket.url, endpoint=bucket.endpoint),
        environment={"TEST_S3_KEY": bucket.access_key, "TEST_S3_SECRET": bucket.secret_key},
    )


async def keys(objects):
    return [info.key async for info in objects.walk("")]


async def test_a_query_reads_from_the_bucket_and_writes_to_it(server, objects):
    rows = "".join(json.dumps({"n": n}) + "\n" for n in range(1000))
    with server.http("/v1") as http:
        http.post("/datasets", json={"name": "numbers"}).raise_for_status()
        http.post(
            "/datasets/numbers/versions",
            content=rows,
            headers={"Content-Type": "application/x-ndjson"},
        ).raise_for_status()
        spec = {
            "query": "SELECT n * 2 AS twice FROM {src_0} WHERE n >= 990 ORDER BY n",
            "src": [{"dataset": "numbers"}],
            "dst": {"dataset": "doubled"},
        }
        submitted = http.post("/operations", json={"kind": "sql_query", "spec": spec})
        submitted.raise_for_status()
        ended = http.get(f"/operations/{submitted.json()['id']}?wait=60").json()
        assert ended["state"] == "succeeded", ended
        found = http.get("/datasets/doubled/rows").json()["rows"]
        assert [row["twice"] for row in found] == list(range(1980, 2000, 2))
        exported = http.get("/datasets/numbers/export").text
        assert exported == rows.replace(": ", ":")
    parts = [key for key in await keys(objects) if "/parts/" in key]
    assert len(parts) == 2
    assert not [path for path in (server.data / "objects").rglob("*") if path.is_file()]


async def test_files_are_kept_in_the_bucket(server, objects):
    content = b"x" * 20_000_000
    with server.http("/v1") as http:
        made = http.post(
            "/files?name=large&purpose=batch",
            content=content,
            headers={"Content-Type": "application/octet-stream"},
        ).json()
        [key] = [key for key in await keys(objects) if "/files/" in key]
        assert made["id"] in key
        assert http.get(f"/files/{made['id']}/content").content == content
        assert http.delete(f"/files/{made['id']}").status_code == 204
    assert not [key for key in await keys(objects) if "/files/" in key]


async def test_a_dataset_becomes_a_file_and_a_dataset_again(server, objects):
    rows = "".join(f'{{"n":{n}}}\n' for n in range(1000))

    def run(kind, spec):
        submitted = http.post("/operations", json={"kind": kind, "spec": spec})
        submitted.raise_for_status()
        ended = http.get(f"/operations/{submitted.json()['id']}?wait=60").json()
        assert ended["state"] == "succeeded", ended
        return ended["result"]

    with server.http("/v1") as http:
        http.post("/datasets", json={"name": "there"}).raise_for_status()
        http.post(
            "/datasets/there/versions",
            content=rows,
            headers={"Content-Type": "application/x-ndjson"},
        ).raise_for_status()
        file = run("dataset_to_file", {"dataset": "there", "format": "csv"})["file"]
        content = http.get(f"/files/{file}/content").text
        assert content.splitlines()[1:] == [str(n) for n in range(1000)]
        run("file_to_dataset", {"file": file, "format": "csv", "dst": {"dataset": "back"}})
        assert http.get("/datasets/back/export").text == rows
    assert [key for key in await keys(objects) if f"/files/{file}-" in key]


@pytest.fixture
def own_s3_server(tmp_path):
    """A real server that a test may stop."""
    server = S3Server(tmp_path)
    try:
        yield server.start()
    finally:
        server.stop()


def test_a_bucket_that_goes_away_is_a_503_until_it_is_back(own_s3_server, serve):
    server = serve(
        SETTINGS.format(url="s3://outlast/gone", endpoint=own_s3_server.endpoint),
        environment={
            "TEST_S3_KEY": own_s3_server.access_key,
            "TEST_S3_SECRET": own_s3_server.secret_key,
        },
    )
    with server.http("/v1") as http:

        def upload():
            return http.post(
                "/files?name=a&purpose=batch",
                content=b"x",
                headers={"Content-Type": "application/octet-stream"},
            )

        id = upload().json()["id"]
        own_s3_server.stop()
        for answer in (upload(), http.get(f"/files/{id}/content")):
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert own_s3_server.secret_key not in answer.text
            assert own_s3_server.host not in answer.text
        assert http.get(f"/files/{id}").status_code == 200
        assert len(http.get("/files").json()["files"]) == 1
        own_s3_server.start()
        assert upload().status_code == 201
        assert http.get(f"/files/{id}/content").content == b"x"
    assert own_s3_server.secret_key not in server.log.read_text()


def settings_of(bucket):
    store = ObjectStoreSettings(
        url=bucket.url,
        endpoint=bucket.endpoint,
        access_key_variable="TEST_S3_KEY",
        secret_key_variable="TEST_S3_SECRET",
    )
    return Settings(object_stores={"main": store}, objects="main")


def test_what_the_doctor_tries_works_or_is_told(bucket, monkeypatch):
    monkeypatch.setenv("TEST_S3_KEY", bucket.access_key)
    monkeypatch.setenv("TEST_S3_SECRET", bucket.secret_key)
    try_objects(settings_of(bucket))
    monkeypatch.setenv("TEST_S3_SECRET", "wrong-secret")
    with pytest.raises(SettingsError, match=r"object_stores\.main.*refuses the keys") as caught:
        try_objects(settings_of(bucket))
    assert "wrong-secret" not in str(caught.value)
