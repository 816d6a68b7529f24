"""The chat log of a server whose bytes lie in a bucket."""

import asyncio
import time

import openai
import pytest
from model_double import ModelDouble

SETTINGS = """
objects = "main"
[object_stores.main]
url = "{bucket.url}"
endpoint = "{bucket.endpoint}"
access_key_variable = "TEST_S3_KEY"
secret_key_variable = "TEST_S3_SECRET"
[backends.acme]
url = "{double.url}"
models = ["double"]
"""
SAID = [f"number {n}" for n in range(20)]


@pytest.fixture
def double():
    with ModelDouble() as double:
        yield double


@pytest.fixture
def server(serve, bucket, double):
    return serve(
        SETTINGS.format(bucket=bucket, double=double),
        environment={"TEST_S3_KEY": bucket.access_key, "TEST_S3_SECRET": bucket.secret_key},
    )


async def test_chats_are_logged_in_the_bucket_and_become_a_dataset_there(server, objects):
    with openai.OpenAI(base_url=f"{server.url}/nebius/v1", api_key=server.token) as client:
        for text in SAID:
            messages = [{"role": "user", "content": text}]
            client.chat.completions.create(model="double", messages=messages)
    journal = server.data / "chat-journal"
    ends_at = time.monotonic() + 20
    while list(journal.iterdir()):
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.1)

    with server.http("/v1") as http:
        wish = {"kind": "materialize_history", "spec": {"dst": {"dataset": "said"}}}
        submitted = http.post("/operations", json=wish).raise_for_status().json()
        ended = http.get(f"/operations/{submitted['id']}?wait=60").json()
        assert ended["state"] == "succeeded", ended
        rows = http.get("/datasets/said/rows").json()["rows"]
    assert [row["prompt"][0]["content"] for row in rows] == SAID
    assert [info async for info in objects.walk("tenant/default/chat/")]
    assert not [path for path in (server.data / "objects").rglob("*") if path.is_file()]
