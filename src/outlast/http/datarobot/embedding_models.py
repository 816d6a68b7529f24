"""The routes that tell what documents can be cut and embedded by, and how passages are found."""

from outlast.dialects.datarobot import encode
from outlast.dialects.datarobot.embedding_models import (
    RETRIEVAL,
    SupportedEmbeddings,
    SupportedRetrievalSettings,
    SupportedTextChunkings,
    SupportedValidation,
    chunkings,
    local_model,
)
from outlast.dialects.datarobot.embedding_validations import PROVIDER
from outlast.dialects.datarobot.ids import show_id
from outlast.dialects.datarobot.words import GENAI
from outlast.engine.access import Verb
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.resources.vector_databases import Chunking
from outlast.resources.vector_databases.local_models import LOCAL_MODELS, is_installed

_PATH = GENAI + "/vectorDatabases/"
_IGNORED = tuple(
    Parameter(name=name, schema={"type": "string"}, says="Says nothing: models are the same.")
    for name in ("datasetId", "useCaseId")
)


class SupportRoutes:
    """The routes of what is supported."""

    def __init__(self, parts: Parts) -> None:
        self._connections = parts.connections

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [
            Route(
                method="GET",
                path=_PATH + "supportedEmbeddings/",
                handle=self._embeddings,
                says="The embedding models of this server",
                verb=Verb.READ,
                query=_IGNORED,
                answers={200: SupportedEmbeddings},
            ),
            Route(
                method="GET",
                path=_PATH + "supportedTextChunkings/",
                handle=_chunkings,
                says="The ways to cut documents",
                verb=Verb.READ,
                answers={200: SupportedTextChunkings},
            ),
            Route(
                method="GET",
                path=_PATH + "supportedRetrievalSettings/",
                handle=_retrieval,
                says="The ways to find passages",
                verb=Verb.READ,
                answers={200: SupportedRetrievalSettings},
            ),
        ]

    async def _embeddings(self, call: Call) -> Answer:
        names = [name for name in LOCAL_MODELS if is_installed(name)]
        supported = SupportedEmbeddings(
            embedding_models=[local_model(name) for name in names],
            default_embedding_model=next(iter(LOCAL_MODELS)),
            openai_embedding_validations=await self._validated(call),
        )
        return Answer(body=encode(supported))

    async def _validated(self, call: Call) -> list[SupportedValidation]:
        if self._connections is None:
            return []
        found = await self._connections.find(call.principal, limit=1000)
        return [
            SupportedValidation(id=show_id(one.id), name=one.settings.get("title", one.name))
            for one in found
            if one.provider == PROVIDER and one.status == "ready"
        ]


async def _chunkings(call: Call) -> Answer:
    _ = call
    chunking = Chunking()
    supported = chunkings(
        list(LOCAL_MODELS),
        chars=chunking.chunk_size,
        overlap=chunking.overlap_percentage,
        separators=chunking.separators,
    )
    return Answer(body=encode(supported))


async def _retrieval(call: Call) -> Answer:
    _ = call
    return Answer(body=encode(RETRIEVAL))
