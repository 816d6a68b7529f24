"""A connection that leads to a model that embeds: looked at, built with and searched with."""

import pytest
from chatting import Chatting
from lake import ANN, a_lake
from vectors import DIMENSIONS, MODEL, WordEmbedder, keep_rows

from outlast.executors.calls import Sandbox
from outlast.inference.embedding import RelayEmbedder
from outlast.operations.errors import Conflict, InvalidSpec, NotFound, OutboundRefused
from outlast.resources.connections import ConnectionChange, Connections
from outlast.resources.vector_databases import VectorDatabases
from outlast.settings import Outbound

KEY = "sk-of-ann"
ROWS = [{"document": "The owl hunts at night."}, {"document": "A spider spins a web."}]


@pytest.fixture
def endpoint():
    with WordEmbedder() as double:
        yield double


@pytest.fixture
async def lake(tmp_path):
    """A lake without any backend, which may call what is on this machine."""
    async with a_lake(tmp_path, outbound=Outbound(allow=("127.0.0.1",))) as made:
        made.connections = Connections(made.engine, made.foundation.keyring)
        yield made


async def connect(lake, endpoint, name="words", **settings):
    given = {"base_url": endpoint.url, "model": MODEL} | settings
    made = await lake.connections.create(
        ANN, name, "openai_embeddings", settings=given, secrets={"api_key": KEY}
    )
    await lake.ended(await lake.engine.get(ANN, made.operation_id))
    return await lake.connections.get(ANN, made.id)


@pytest.fixture
def search(lake, tmp_path):
    """Searches as the server does, with the key that the connection holds."""
    secrets = lake.foundation.secrets
    chatting = Chatting(
        tmp_path, lake.store, lake.foundation.settings, connection_key=secrets.connection_key
    )
    vectors = VectorDatabases(
        lake.store,
        lake.foundation.objects,
        Sandbox(lake.foundation.launcher),
        RelayEmbedder(chatting.relay),
        spool=lake.foundation.folder.spool,
    )
    return vectors.search


async def test_it_is_looked_at_and_then_builds_and_searches(lake, endpoint, search):
    await lake.work()
    made = await connect(lake, endpoint)
    assert made.status == "ready"
    assert made.identity.keys() == {"model", "dimensions", "latency_ms"}
    assert made.identity["dimensions"] == str(DIMENSIONS)
    operation = await lake.engine.get(ANN, made.operation_id)
    assert (operation.kind, operation.resource_id) == ("validate_embedding_endpoint", made.id)
    await keep_rows(lake, "nature", ROWS, ANN)
    model = f"connection:{made.id}"
    built = await lake.result(
        "build_vector_database", name="nature", dataset="nature", embedding_model=model
    )
    [hit, _] = await search(ANN, built["vector_database"], "a spider in its web")
    assert hit.text == ROWS[1]["document"]
    keys = {request.headers["authorization"] for request in endpoint.requests}
    assert keys == {f"Bearer {KEY}"}
    change = ConnectionChange(secrets={"api_key": "sk-of-today"})
    changed = await lake.connections.update(ANN, made.id, change)
    with pytest.raises(Conflict, match="validating"):
        await search(ANN, built["vector_database"], "a spider in its web")
    await lake.ended(await lake.engine.get(ANN, changed.operation_id))
    await search(ANN, built["vector_database"], "a spider in its web")
    assert endpoint.requests[-1].headers["authorization"] == "Bearer sk-of-today"


async def test_what_it_cannot_be_asked_is_no_model(lake, endpoint):
    for name, error in (("connection:nothing", NotFound), ("connection:", NotFound)):
        with pytest.raises(error):
            await lake.submit("build_vector_database", name="x", file="y", embedding_model=name)
    made = await lake.connections.create(
        ANN, "words", "openai_embeddings", settings={"base_url": endpoint.url, "model": MODEL}
    )
    with pytest.raises(Conflict, match="validating"):
        await lake.submit(
            "build_vector_database", name="x", file="y", embedding_model=f"connection:{made.id}"
        )


async def test_an_endpoint_that_refuses_fails_with_what_it_said_and_without_the_key(lake, endpoint):
    await lake.work()
    made = await connect(lake, endpoint, model="nothing")
    assert made.status == "failed"
    failure = (await lake.engine.get(ANN, made.operation_id)).failure
    assert "nothing" in failure.message
    assert KEY not in repr(failure)


@pytest.mark.parametrize("url", ["http://10.1.2.3/v1", "http://[fe80::1]/v1", "http://[::]:80/v1"])
async def test_an_address_inside_is_refused_at_once_and_leaves_nothing(lake, endpoint, url):
    with pytest.raises(OutboundRefused) as raised:
        await connect(lake, endpoint, base_url=url)
    assert raised.value.field_errors.keys() == {"settings.base_url"}
    assert await lake.connections.find(ANN) == []


async def test_another_address_needs_the_key_again(lake, endpoint):
    made = await lake.connections.create(
        ANN,
        "words",
        "openai_embeddings",
        settings={"base_url": endpoint.url, "model": MODEL},
        secrets={"api_key": KEY},
    )
    change = ConnectionChange(settings={"base_url": "http://127.0.0.1:1/v1", "model": MODEL})
    with pytest.raises(InvalidSpec, match="secrets"):
        await lake.connections.update(ANN, made.id, change)
