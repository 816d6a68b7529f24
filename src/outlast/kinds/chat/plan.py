"""What the handlers of chat prompts and evaluations are given. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from outlast.inference.models import ServedModel
from outlast.resources.evaluations.model import Columns, Measures
from outlast.resources.playgrounds.finding import Said
from outlast.resources.playgrounds.model import Citation, Generation, Retrieval
from outlast.resources.vector_databases.filtering import Where

QUESTIONS: Final = "questions.jsonl"


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


class EvaluationPlan(msgspec.Struct, frozen=True, kw_only=True):
    """An evaluation with every name resolved: `ways` of answering, one for each blueprint.

    The questions are the lines of the staged file QUESTIONS. `dataset` is where all answers go;
    None: a temporary one.
    """

    evaluation: str
    columns: Columns
    rows: int
    blueprints: tuple[str, ...]
    ways: tuple[Answering, ...]
    allow_unsandboxed: bool
    dataset: str | None = None
    version_name: str | None = None


class BlueprintMeasures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a blueprint."""

    llm_blueprint: str
    measures: Measures


class EvaluationResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, and the dataset with every answer."""

    evaluation: str
    blueprints: tuple[BlueprintMeasures, ...]
    dataset: str
    version: str
