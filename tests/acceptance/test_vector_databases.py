"""Vector databases as a user has them: over HTTP, with the client, and on the command line."""

import asyncio
import json
import subprocess
import sys

import pytest
from live_server import LiveServer
from vectors import MODEL, WordEmbedder

from outlast.client import AsyncClient, NotFound

pytestmark = pytest.mark.acceptance
SETTINGS = '[backends.embedder]\nurl = "{url}"\nmodels = ["{model}"]\n'
TEXTS = ["The owl hunts at night.", "A spider spins a web.", "Rivers run to the sea."]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with WordEmbedder() as double:
        settings = SETTINGS.format(url=double.url, model=MODEL)
        running = LiveServer(tmp_path_factory.mktemp("server"), settings).start()
        try:
            yield running
        finally:
            running.stop()


def run(server, *arguments, code=0):
    environment = {"OUTLAST_URL": server.url, "OUTLAST_TOKEN": server.token}
    done = subprocess.run(
        [sys.executable, "-m", "outlast", "vector-database", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def test_from_a_dataset_to_what_is_near_and_to_nothing(server, tmp_path):
    rows = tmp_path / "nature.jsonl"
    rows.write_text(
        "".join(json.dumps({"text": text, "n": n}) + "\n" for n, text in enumerate(TEXTS))
    )
    with server.client() as client:
        client.datasets.create("nature")
        client.datasets.upload("nature", rows)
        run(server, "build", "nature", "--dataset", "nature", "--model", MODEL, "--watch")
        built = client.vector_databases.get("nature")
        assert (built.status, built.chunks, built.embedding_model) == ("ready", 3, MODEL)
        assert [one.id for one in client.vector_databases.list(name="nature")] == [built.id]
        assert list(client.vector_databases.list(name="other")) == []
        [hit] = client.vector_databases.search("nature", "a spider in its web", limit=1)
        assert (hit.text, hit.document, hit.metadata) == (TEXTS[1], "nature, row 2", {"n": 1})
        hits = client.vector_databases.search(built.id, "web", filters={"n": [0, 2]})
        assert {hit.metadata["n"] for hit in hits} == {0, 2}
    told = json.loads(run(server, "search", "nature", "rivers", "--filter", "n=2", "--json"))
    assert [hit["text"] for hit in told["hits"]] == [TEXTS[2]]
    assert "nature, row 1" in run(server, "search", "nature", "owl", "--limit", "1")
    assert built.id in run(server, "list")
    assert "1000 characters" in run(server, "get", "nature")
    asyncio.run(asked_by_the_async_client(server, built.id))
    run(server, "export", "nature", "--dataset", "chunks-of-nature-1", "--watch")
    run(server, "delete", "nature")
    with server.client() as client:
        assert list(client.vector_databases.list()) == []
        assert client.datasets.rows("chunks-of-nature-1").rows[2]["text"] == TEXTS[2]
        with pytest.raises(NotFound, match="no vector database"):
            client.vector_databases.get("nature")


async def asked_by_the_async_client(server, id):
    async with AsyncClient(server.url, server.token) as client:
        assert [one.id async for one in client.vector_databases.list()] == [id]
        [hit] = await client.vector_databases.search(id, "sea", limit=1)
        assert hit.text == TEXTS[2]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": "x", "limit": 0}, 422),
        ({"text": ""}, 422),
        ({"text": "x", "filters": {"a": []}}, 422),
        ({"text": "x", "filters": {"a": {"b": 1}}}, 422),
        ({"text": "x"}, 404),
    ],
)
def test_searches_that_make_no_sense_are_refused(server, body, status):
    with server.http() as http:
        refused = http.post("/v1/vector-databases/none/search", json=body)
    assert refused.status_code in {status, 400}, refused.text
