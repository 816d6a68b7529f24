"""Databases and services by both clients, against a real server."""

import asyncio

import duckdb
import pytest

from outlast.client import AsyncClient, Conflict, NotFound


def test_a_database_lives_from_its_provision_to_its_end(client, tmp_path):
    made = client.submit("provision_database", {"name": "life"}).result(timeout_seconds=30)
    found = client.databases.get("life")
    assert (found.id, found.status, found.engine) == (made["database"], "ready", "duckdb")
    assert "life" in [one.name for one in client.databases.list()]
    path = tmp_path / "life.duckdb"
    path.write_bytes(b"".join(client.databases.download("life")))
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT 42").fetchone() == (42,)
    assert client.databases.attach("life", "eu", "Europe").name == "Europe"
    assert client.databases.replace("life", "eu", "us").data_source_id == "us"
    client.databases.detach("life", "us")
    with pytest.raises(Conflict, match="last"):
        client.databases.detach("life", "life")
    with pytest.raises(Conflict, match="a file"):
        client.databases.credentials("life")
    client.submit("deprovision_database", {"database": "life"}).result(timeout_seconds=30)
    with pytest.raises(NotFound):
        client.databases.get("life")


def test_services_are_seen_and_told_what_to_do(client):
    names = [one.name for one in client.services.list()]
    assert {"databases", "datasets"} <= set(names)
    found = client.services.get("datasets")
    assert client.services.get(found.id) == found
    assert [one.name for one in found.commands] == ["collect", "verify"]
    assert "temporary" in client.services.status("datasets")
    spec = {"service": "datasets", "command": "collect"}
    collected = client.submit("service_command", spec).result(timeout_seconds=30)
    assert set(collected) == {"datasets", "objects"}


def test_the_asynchronous_client_can_do_the_same(server):
    async def use():
        async with AsyncClient(server.url, server.token) as client:
            handle = await client.submit("provision_database", {"name": "async"})
            await handle.result(timeout_seconds=30)
            found = await client.databases.get("async")
            assert found.id in [one.id async for one in client.databases.list()]
            pieces = [piece async for piece in client.databases.download("async")]
            assert len(b"".join(pieces)) == found.bytes
            await client.databases.attach("async", "eu")
            await client.databases.replace("async", "eu", "us")
            await client.databases.detach("async", "us")
            with pytest.raises(Conflict):
                await client.databases.credentials("async")
            assert await client.services.get("databases") in await client.services.list()
            assert (await client.services.status("databases"))["are_all_counted"]

    asyncio.run(use())
