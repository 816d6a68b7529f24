"""Playgrounds, LLM blueprints and language models on the wire."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from outlast.dialects.datarobot.instants import Instant
from outlast.operations.errors import Invalid, NotSupported

NOBODY: Final = "unknown"
"""Who did what nobody knows any more: clients take no empty id."""

ExecutionStatus = Literal["NEW", "RUNNING", "COMPLETED", "ERROR"]
Retriever = Literal["SINGLE_LOOKUP_RETRIEVER", "CONVERSATIONAL_RETRIEVER", "MULTI_STEP_RETRIEVER"]
RetrievalMode = Literal["similarity", "maximal_marginal_relevance"]
PromptType = Literal["CHAT_HISTORY_AWARE", "ONE_TIME_PROMPT"]

_LAMBDA: Final = 0.5


class LLMSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """How a model shall answer."""

    system_prompt: str | None = None
    max_completion_length: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    validation_id: str | None = None
    custom_model_id: str | None = None


class VectorDatabaseSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a model is given of a vector database."""

    max_documents_retrieved_per_prompt: int | None = None
    max_tokens: int | None = None
    retriever: Retriever = "SINGLE_LOOKUP_RETRIEVER"
    add_neighbor_chunks: bool = False
    retrieval_mode: RetrievalMode = "similarity"
    maximal_marginal_relevance_lambda: float | None = _LAMBDA


class CreatePlaygroundRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A playground to make."""

    name: str
    use_case_id: str
    description: str = ""
    playground_type: Literal["rag", "agentic"] = "rag"
    copy_insights: dict[str, Any] | None = None


class EditPlaygroundRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What to change of a playground."""

    name: str | None = None
    description: str | None = None


class PlaygroundResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A playground."""

    id: str
    name: str
    description: str
    use_case_id: str
    playground_type: str
    llm_blueprints_count: int
    saved_llm_blueprints_count: int = msgspec.field(name="savedLLMBlueprintsCount")
    creation_date: Instant
    creation_user_id: str
    user_name: str
    last_update_date: Instant
    last_update_user_id: str


class _Settings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    llm_id: str | None = None
    llm_settings: LLMSettings | None = None
    vector_database_id: str | None = None
    vector_database_settings: VectorDatabaseSettings | None = None


class CreateLLMBlueprintRequest(_Settings, frozen=True, kw_only=True, rename="camel"):
    """A blueprint to make."""

    playground_id: str
    name: str
    description: str = ""
    prompt_type: PromptType = "CHAT_HISTORY_AWARE"


class EditLLMBlueprintRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What to change of a blueprint. A vector database that is null is taken out."""

    name: str | None = None
    description: str | None = None
    llm_id: str | None = None
    llm_settings: LLMSettings | None = None
    vector_database_id: str | UnsetType | None = UNSET
    vector_database_settings: VectorDatabaseSettings | UnsetType | None = UNSET
    is_saved: bool | None = None
    is_starred: bool | None = None
    prompt_type: PromptType | None = None


class CopyLLMBlueprintRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A blueprint to make of another."""

    llm_blueprint_id: str
    name: str
    description: str = ""


class CopyChatPromptRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A blueprint to make of how a chat prompt was answered."""

    chat_prompt_id: str
    name: str
    description: str = ""


class LLMBlueprintResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A blueprint."""

    id: str
    name: str
    description: str
    playground_id: str
    is_saved: bool
    is_starred: bool
    prompt_type: PromptType
    llm_id: str | None
    llm_name: str | None
    llm_settings: LLMSettings | None
    vector_database_id: str | None
    vector_database_name: str | None
    vector_database_status: ExecutionStatus | None
    vector_database_settings: VectorDatabaseSettings | None
    creation_date: Instant
    creation_user_id: str
    creation_user_name: str
    last_update_date: Instant
    last_update_user_id: str


def generation_spec(settings: LLMSettings | None) -> dict[str, Any] | None:
    """How a model shall answer, as our specs say it. Raises NotSupported."""
    if settings is None:
        return None
    if settings.validation_id is not None or settings.custom_model_id is not None:
        raise NotSupported("there are no custom models here: name a model as llmId")
    return _given(
        system_prompt=settings.system_prompt,
        max_tokens=settings.max_completion_length,
        temperature=settings.temperature,
        top_p=settings.top_p,
    )


def show_generation(spec: Mapping[str, Any]) -> LLMSettings:
    """How a model shall answer."""
    return LLMSettings(
        system_prompt=spec.get("system_prompt"),
        max_completion_length=spec.get("max_tokens"),
        temperature=spec.get("temperature"),
        top_p=spec.get("top_p"),
    )


def retrieval_spec(settings: VectorDatabaseSettings | None) -> dict[str, Any] | None:
    """What a model is given, as our specs say it. Raises Invalid."""
    if settings is None:
        return None
    if settings.retriever != "SINGLE_LOOKUP_RETRIEVER":
        message = "only SINGLE_LOOKUP_RETRIEVER is here"
        raise Invalid(message, field_errors={"vectorDatabaseSettings.retriever": message})
    relevance = settings.maximal_marginal_relevance_lambda
    is_diverse = settings.retrieval_mode == "maximal_marginal_relevance"
    return _given(
        chunks=settings.max_documents_retrieved_per_prompt,
        tokens_max=settings.max_tokens,
        relevance=(_LAMBDA if relevance is None else relevance) if is_diverse else None,
        with_neighbours=settings.add_neighbor_chunks,
    )


def show_retrieval(spec: Mapping[str, Any]) -> VectorDatabaseSettings:
    """What a model is given."""
    is_diverse = spec["relevance"] < 1
    return VectorDatabaseSettings(
        max_documents_retrieved_per_prompt=spec["chunks"],
        max_tokens=spec["tokens_max"],
        add_neighbor_chunks=spec["with_neighbours"],
        retrieval_mode="maximal_marginal_relevance" if is_diverse else "similarity",
        maximal_marginal_relevance_lambda=spec["relevance"] if is_diverse else _LAMBDA,
    )


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def wire_path(path: str) -> str:
    """What a field of our specs is called in a request that prompts."""
    first, dot, rest = path.partition(".")
    if first in _SETTINGS and dot:
        return f"{_NAMES[first]}.{_SETTINGS[first].get(rest, rest)}"
    return _NAMES.get(first, first)


_SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "generation": {
        "system_prompt": "systemPrompt",
        "max_tokens": "maxCompletionLength",
        "top_p": "topP",
    },
    "retrieval": {
        "chunks": "maxDocumentsRetrievedPerPrompt",
        "tokens_max": "maxTokens",
        "relevance": "maximalMarginalRelevanceLambda",
    },
}
_NAMES: Final[Mapping[str, str]] = {
    "chat": "chatId",
    "llm_blueprint": "llmBlueprintId",
    "llm": "llmId",
    "model": "llmId",
    "generation": "llmSettings",
    "vector_database": "vectorDatabaseId",
    "retrieval": "vectorDatabaseSettings",
    "filters": "metadataFilter",
    "where": "metadataFilter",
}
