import pytest

from outlast.client import AsyncClient, Client, InvalidRequest, NotFound

POLICY = {
    "name": "small",
    "language": "cel",
    "rules": [{"check": "size(input) < 3", "message": "it is large"}],
    "tests": [{"input": {}, "expect": "passed"}],
}


def test_policies_are_written_listed_and_deleted(server):
    with Client(server.url, server.token) as client:
        made = client.policies.put(POLICY)
        assert (made.name, made.version, made.created_by) == ("small", 1, "admin")
        assert client.policies.put(POLICY) == made
        assert client.policies.put(POLICY | {"severity": "low"}).version == 2
        assert [one.version for one in client.policies.versions("small")] == [2, 1]
        assert client.policies.get("small@1") == made
        listed = {one.name: one for one in client.policies.list()}
        assert (listed["small"].version, listed["small"].document) == (2, None)
        assert listed["signed"].is_builtin
        tested = client.policies.test(POLICY | {"rules": [{"check": "1 +"}]})
        assert (tested.is_passed, tested.error.column) == (False, 4)
        with pytest.raises(InvalidRequest, match="line 1, column 4"):
            client.policies.put(POLICY | {"rules": [{"check": "1 +"}]})
        client.policies.delete("small")
        with pytest.raises(NotFound):
            client.policies.get("small")


async def test_the_async_client_does_the_same(server):
    async with AsyncClient(server.url, server.token) as client:
        policy = POLICY | {"name": "small-too"}
        made = await client.policies.put(policy)
        assert await client.policies.get("small-too") == made
        assert (await client.policies.test(policy)).is_passed
        assert "small-too" in [one.name async for one in client.policies.list()]
        assert [one.version async for one in client.policies.versions("small-too")] == [1]
        await client.policies.delete("small-too")
