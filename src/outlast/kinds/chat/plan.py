"""What the handlers of chat prompts and evaluations are given. Pure."""

from collections.abc import Mapping

import msgspec

from outlast.inference.models import ServedModel
from outlast.resources.playgrounds.finding import Said
from outlast.resources.playgrounds.model import Citation, Generation, Retrieval
from outlast.resources.vector_databases.filtering import Where


class Passages(msgspec.Struct, frozen=True, kw_only=True):
    """Where passages are found: in the chunks that are staged as `file`, near to the question.

    `embedder` None: the embedding model is a local one. `key_name` is what the kind calls the key
    of the embedder's backend.
    """

    file: str
    embedding_model: str
    embedder: ServedModel | None
    key_name: str
    retrieval: Retrieval
    where: Where | None


class Answering(msgspec.Struct, frozen=True, kw_only=True):
    """How questions are answered: by which model, how, and with which passages.

    `key_name` is what the kind calls the key of the model's backend. `folder` is where in the
    workdir a tuned model's own `files` go: its name for each -> the staged one.
    """

    model: ServedModel
    key_name: str
    folder: str
    files: Mapping[str, str]
    generation: Generation
    passages: Passages | None


class ChatPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A chat prompt with every name resolved, and what was said before it."""

    chat_prompt: str
    chat: str
    text: str
    history: tuple[Said, ...]
    answering: Answering
    allow_unsandboxed: bool


class ChatResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, what it was given, its cost in tokens, and how long it took."""

    chat_prompt: str
    chat: str
    text: str
    citations: tuple[Citation, ...]
    prompt_tokens: int
    completion_tokens: int
    latency_ms: int
