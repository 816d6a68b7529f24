"""Buckets of callers on a real server, through the gate and its proxy."""

import os

import pytest

from outlast.operations.errors import Invalid, NotFound, OutboundRefused
from outlast.outbound import Gate
from outlast.resources.objects.foreign import open_foreign_store


@pytest.fixture(autouse=True)
def _no_variables_of_aws(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def place(bucket):
    return {
        "endpoint": bucket.endpoint,
        "access_key": bucket.access_key,
        "secret_key": bucket.secret_key,
    }


@pytest.fixture
def gate(bucket):
    return Gate(configured=[bucket.endpoint])


async def test_objects_are_listed_and_read(bucket, objects, place, gate):
    large = b"x" * 20_000_000
    await objects.put_bytes("in/a.jsonl", b"one")
    await objects.put_bytes("in/b.jsonl", large)
    await objects.put_bytes("out/c.jsonl", b"three")
    async with open_foreign_store(bucket.url, gate=gate, **place) as store:
        listed = [info async for info in store.list("in")]
        assert [(info.key, info.bytes) for info in listed] == [
            ("in/a.jsonl", 3),
            ("in/b.jsonl", 20_000_000),
        ]
        content = b"".join([chunk async for chunk in store.read("in/b.jsonl")])
        assert content == large
        with pytest.raises(NotFound):
            await anext(store.read("in/missing"))


async def test_wrong_keys_are_refused_without_being_shown(bucket, place, gate):
    place["secret_key"] = "not-the-secret"
    async with open_foreign_store(bucket.url, gate=gate, **place) as store:
        for call in (store.list(), store.read("in/a")):
            with pytest.raises(Invalid, match="refuses these keys") as caught:
                await anext(call)
            assert "not-the-secret" not in str(caught.value)


async def test_a_bucket_that_is_not_there_is_told(place, gate):
    async with open_foreign_store("s3://missing-bucket", gate=gate, **place) as store:
        with pytest.raises(NotFound, match="not there"):
            await anext(store.list())


async def test_an_address_that_becomes_private_is_refused_by_the_proxy(bucket, place):
    looks = []

    def resolve(host, port):
        looks.append(host)
        return ["8.8.8.8" if len(looks) == 1 else "127.0.0.1"]

    port = bucket.endpoint.rpartition(":")[2]
    place["endpoint"] = f"http://rebound.example:{port}"
    async with open_foreign_store(bucket.url, gate=Gate(resolve=resolve), **place) as store:
        with pytest.raises(OutboundRefused):
            await anext(store.list())
