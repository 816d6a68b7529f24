"""Chats and chat prompts on the wire."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from outlast.dialects.datarobot.ids import read_id
from outlast.dialects.datarobot.instants import Instant
from outlast.dialects.datarobot.metadata_filters import conditions_of
from outlast.dialects.datarobot.playgrounds import (
    ExecutionStatus,
    LLMSettings,
    VectorDatabaseSettings,
    generation_spec,
    retrieval_spec,
)

STATUSES: Final[Mapping[str, ExecutionStatus]] = MappingProxyType(
    {"new": "NEW", "running": "RUNNING", "completed": "COMPLETED", "failed": "ERROR"}
)


class CreateChatRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A chat to begin."""

    llm_blueprint_id: str
    name: str


class EditChatRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What to change of a chat."""

    name: str


class ChatResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A chat. One that is frozen takes no prompts."""

    id: str
    name: str
    llm_blueprint_id: str
    is_frozen: bool
    prompts_count: int
    creation_date: Instant
    creation_user_id: str
    warning: str | None = None


class CreateChatPromptRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A prompt, in a chat or for a blueprint. What else is named goes before the blueprint's."""

    text: str
    llm_blueprint_id: str | None = None
    chat_id: str | None = None
    llm_id: str | None = None
    llm_settings: LLMSettings | None = None
    vector_database_id: str | None = None
    vector_database_settings: VectorDatabaseSettings | None = None
    metadata_filter: dict[str, Any] | None = None


class FeedbackMetadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether an answer was good: 1, or 0."""

    feedback: Literal["1", "0"]


class EditChatPromptRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Feedback on an answer."""

    feedback_metadata: FeedbackMetadata | None = None
    custom_metrics: Sequence[Any] | None = None


class CitationResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A chunk that the model was given."""

    text: str
    source: str
    similarity_score: float
    metadata: Mapping[str, Any]
    page: int | None
    chunk_id: int


class FeedbackResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who found an answer good, and who did not."""

    positive_user_ids: Sequence[str]
    negative_user_ids: Sequence[str]


class ResultMetadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an answer cost."""

    output_token_count: int
    input_token_count: int
    total_token_count: int
    estimated_docs_token_count: int
    latency_milliseconds: int
    feedback_result: FeedbackResult
    metrics: Sequence[Any] = ()
    error_message: str | None = None
    cost: float | None = None


class ChatPromptResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A chat prompt, and its answer once it is there."""

    id: str
    text: str
    chat_id: str
    chat_context_id: str
    llm_blueprint_id: str
    llm_id: str
    llm_settings: LLMSettings
    vector_database_id: str | None
    vector_database_settings: VectorDatabaseSettings | None
    metadata_filter: dict[str, Any] | None
    execution_status: ExecutionStatus
    result_text: str | None
    result_metadata: ResultMetadata | None
    citations: Sequence[CitationResponse]
    chat_prompt_ids_included_in_history: Sequence[str]
    confidence_scores: None = None
    creation_date: Instant
    creation_user_id: str
    user_name: str
    error_message: str | None = None


def prompt_spec(request: CreateChatPromptRequest) -> dict[str, Any]:
    """The spec of what a request asks for. Raises Invalid."""
    ids = {
        "chat": ("chatId", request.chat_id),
        "llm_blueprint": ("llmBlueprintId", request.llm_blueprint_id),
        "vector_database": ("vectorDatabaseId", request.vector_database_id),
    }
    spec = {
        "text": request.text,
        "llm": request.llm_id,
        "generation": generation_spec(request.llm_settings),
        "retrieval": retrieval_spec(request.vector_database_settings),
        "where": conditions_of(request.metadata_filter),
        **{name: None if ref is None else read_id(ref, word) for name, (word, ref) in ids.items()},
    }
    return {name: value for name, value in spec.items() if value is not None}
