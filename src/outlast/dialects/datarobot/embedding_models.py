"""What documents can be cut and embedded by, and how passages are found, as the wire tells it."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from outlast.dialects.datarobot.vector_databases import TOKEN_CHARS

CHUNK_TOKENS_MIN: Final = 13
CHUNK_TOKENS_MAX: Final = 5000
LOCAL_TOKENS_MAX: Final = 512
_METHOD: Final = "recursive"


class EmbeddingModel(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A model of this installation that embeds."""

    embedding_model: str
    description: str
    max_sequence_length: int
    languages: str


class SupportedValidation(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that was validated."""

    id: str
    name: str


class SupportedEmbeddings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What embeds."""

    embedding_models: Sequence[EmbeddingModel]
    default_embedding_model: str
    custom_model_embedding_validations: Sequence[SupportedValidation] = ()
    openai_embedding_validations: Sequence[SupportedValidation] = ()


class ChunkingParameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of a way to cut."""

    name: str
    type: Literal["int", "list[str]"]
    description: str
    default: int | Sequence[str]
    min: int | None = None
    max: int | None = None


class ChunkingMethod(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A way to cut."""

    chunking_method: str
    title: str
    chunking_parameters: Sequence[ChunkingParameter]
    description: str


class ChunkingConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The ways to cut for a model."""

    embedding_model: str
    methods: Sequence[ChunkingMethod]
    default_method: str = _METHOD


class SupportedTextChunkings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The ways to cut for every model."""

    text_chunking_configs: Sequence[ChunkingConfig]


class RetrievalSetting(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A setting of how passages are found."""

    name: str
    type: str
    description: str
    title: str
    default: str | int | bool | None = None
    minimum: int | None = None
    maximum: int | None = None
    enum: Sequence[str] | None = None
    settings: None = None
    group_id: str | None = None


class SupportedRetrievalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How passages can be found."""

    settings: Sequence[RetrievalSetting]


def local_model(name: str) -> EmbeddingModel:
    """A local model."""
    return EmbeddingModel(
        embedding_model=name,
        description="A small model that runs on this server.",
        max_sequence_length=LOCAL_TOKENS_MAX,
        languages="multilingual",
    )


def chunkings(
    models: Sequence[str], *, chars: int, overlap: int, separators: Sequence[str]
) -> SupportedTextChunkings:
    """The ways to cut for models, with what holds where a request does not say."""
    parameters = (
        ChunkingParameter(
            name="chunkSize",
            type="int",
            description=f"How long a chunk may be, in tokens of {TOKEN_CHARS} characters.",
            default=chars // TOKEN_CHARS,
            min=CHUNK_TOKENS_MIN,
            max=CHUNK_TOKENS_MAX,
        ),
        ChunkingParameter(
            name="chunkOverlapPercentage",
            type="int",
            description="Which share of a chunk is also in the next one.",
            default=overlap,
            min=0,
            max=50,
        ),
        ChunkingParameter(
            name="separators",
            type="list[str]",
            description="Where to cut: at the first of these that leaves pieces small enough.",
            default=separators,
        ),
    )
    method = ChunkingMethod(
        chunking_method=_METHOD,
        title="Recursive",
        chunking_parameters=parameters,
        description="Cuts at the largest unit of text that leaves pieces small enough.",
    )
    return SupportedTextChunkings(
        text_chunking_configs=[
            ChunkingConfig(embedding_model=model, methods=[method]) for model in models
        ]
    )


RETRIEVAL: Final = SupportedRetrievalSettings(
    settings=(
        RetrievalSetting(
            name="maxDocumentsRetrievedPerPrompt",
            type="integer",
            title="Chunks per prompt",
            description="How many chunks a model is given at most.",
            default=5,
            minimum=1,
            maximum=100,
        ),
        RetrievalSetting(
            name="maxTokens",
            type="integer",
            title="Tokens per prompt",
            description="How many tokens of chunks a model is given at most.",
            minimum=1,
            maximum=1_000_000,
        ),
        RetrievalSetting(
            name="addNeighborChunks",
            type="boolean",
            title="Neighbours",
            description="Whether the chunks beside each are given too.",
            default=False,
        ),
        RetrievalSetting(
            name="retrievalMode",
            type="string",
            title="Mode",
            description="The nearest chunks, or near ones that differ from each other.",
            default="similarity",
            enum=("similarity", "maximal_marginal_relevance"),
        ),
    )
)
"""What a blueprint can say of its vector database."""
