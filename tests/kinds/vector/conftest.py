import pytest
from lake import a_lake
from vectors import MODEL, WordEmbedder, vector_of

from outlast.executors.calls import Sandbox
from outlast.resources.vector_databases import VectorDatabases
from outlast.settings import Backend


@pytest.fixture
def embedder():
    with WordEmbedder() as double:
        yield double


@pytest.fixture
async def lake(tmp_path, embedder):
    """A lake whose only model is the embedder; `vectors` are the vector databases."""
    backends = {"embedder": Backend(url=embedder.url, models=(MODEL,))}
    async with a_lake(tmp_path, backends=backends) as made:
        made.vectors = vector_databases(made.foundation)
        yield made


def vector_databases(foundation):
    async def embed(principal, model, text):
        assert model == MODEL
        return vector_of(text)

    return VectorDatabases(
        foundation.store,
        foundation.objects,
        Sandbox(foundation.launcher),
        embed,
        spool=foundation.folder.spool,
    )
