"""Stacks by both clients, against a real server."""

import asyncio

import pytest

from outlast.client import AsyncClient, NotFound
from outlast.client.stacks import StackWish


def test_a_stack_lives_from_its_deployment_to_its_end(client):
    [module] = client.stacks.modules()
    assert (module.name, [one.name for one in module.variables]) == ("web", ["nodes", "password"])
    wish = StackWish(variables={"nodes": 3}, secret_variables={"password": "open-sesame"})
    made = client.stacks.create("life", "web", wish)
    assert client.wait(made.id, 60).state == "succeeded"
    found = client.stacks.get("life")
    assert (found.id, found.status, found.resources) == (made.resource_id, "ready", 3)
    assert found.outputs["password"].is_sensitive
    assert client.stacks.outputs("life")["password"].value == "correct-horse"
    drift = client.wait(client.stacks.check_drift("life").id, 60)
    assert drift.result["has_drifted"] is False
    changed = client.stacks.update("life", StackWish(variables={"nodes": None}))
    assert client.wait(changed.id, 60).state == "succeeded"
    assert [one.variables for one in client.stacks.list()] == [{}]
    assert list(client.stacks.list(word="network")) == []
    assert client.wait(client.stacks.delete("life").id, 60).state == "succeeded"
    with pytest.raises(NotFound):
        client.stacks.get("life")


def test_the_asynchronous_client_does_the_same(server):
    async def live():
        async with AsyncClient(server.url, server.token) as client:
            assert [one.name for one in await client.stacks.modules()] == ["web"]
            made = await client.stacks.create("async", "web")
            assert (await client.wait(made.id, 60)).state == "succeeded"
            assert (await client.stacks.get("async")).status == "ready"
            assert "address" in await client.stacks.outputs("async")
            assert [one.name async for one in client.stacks.list()] == ["async"]
            for change in (
                client.stacks.update("async", StackWish()),
                client.stacks.check_drift("async"),
                client.stacks.delete("async"),
            ):
                assert (await client.wait((await change).id, 60)).state == "succeeded"

    asyncio.run(live())
