import pytest

from outlast.client import AsyncClient
from outlast.client.errors import NotFound


async def test_both_clients_bring_evidence_and_take_it_back(client, server, tmp_path):
    file = tmp_path / "notes.yaml"
    file.write_text("a: [1]\n")
    made = client.evidence.put(file)
    assert (made.type, made.name, made.bytes) == ("yaml", "notes.yaml", 7)
    async with AsyncClient(server.url, server.token) as other:
        assert await other.evidence.put(file, name="again") == made
        assert [one async for one in other.evidence.list(type="yaml")] == [made]
        assert await other.evidence.get(made.digest) == made
        read = [chunk async for chunk in other.evidence.download(made.id)]
        assert b"".join(read) == b"a: [1]\n"
        await other.evidence.delete(made.id)
    with pytest.raises(NotFound):
        client.evidence.get(made.id)
    assert list(client.evidence.list(type="yaml")) == []
