"""Playgrounds, LLM blueprints, chats and chat prompts: what the catalog keeps of them. Pure.

A playground holds LLM blueprints, a blueprint is how a model shall answer, a chat is had with a
blueprint, and a chat prompt is one question in it. The prompt's resource is there from the moment
its operation is created; `operation_id` of its document stands once it is answered, and its answer
is a resource of its own under the same id, since it is large and lists need it seldom.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from outlast.operations import documents
from outlast.operations.errors import InvalidSpec
from outlast.operations.kind import CatalogWrite, Resource
from outlast.resources.shelves import Label, Owned
from outlast.resources.vector_databases.filtering import Where

PLAYGROUND: Final = "playground"
BLUEPRINT: Final = "llm_blueprint"
CHAT: Final = "chat"
PROMPT: Final = "chat_prompt"
ANSWER: Final = "chat_answer"
OWNER: Final = "operation_id"
_FULL: Final[Mapping[str, str]] = {
    BLUEPRINT: "a playground has at most {} LLM blueprints",
    CHAT: "an LLM blueprint has at most {} chats",
    PROMPT: "a chat has at most {} prompts",
}

NAME_CHARS_MAX: Final = 5000
THINGS_MAX: Final = 500
"""How many blueprints a playground has at most, chats a blueprint, and prompts a chat."""
PROMPT_CHARS_MAX: Final = 20_000
SYSTEM_PROMPT_CHARS_MAX: Final = 50_000
ANSWER_BYTES_MAX: Final = 128 * 1024
PASSAGES_BYTES_MAX: Final = 256 * 1024
CITATIONS_BYTES_MAX: Final = 400 * 1024
"""Of all citations of an answer, with their metadata, as JSON."""
CHUNKS_MAX: Final = 100

Status = Literal["new", "running", "completed", "failed"]
Name = Annotated[str, Meta(max_length=NAME_CHARS_MAX)]


class Generation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the model shall answer. What is None is left to the model's server."""

    system_prompt: Annotated[str, Meta(max_length=SYSTEM_PROMPT_CHARS_MAX)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None


class Retrieval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model is given of a vector database: at most so many chunks, and so many tokens.

    `relevance` below 1 prefers chunks that differ; `with_neighbours` adds those beside each.
    """

    chunks: Annotated[int, Meta(ge=1, le=CHUNKS_MAX)] = 5
    tokens_max: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    relevance: Annotated[float, Meta(ge=0, le=1)] = 1.0
    with_neighbours: bool = False


class PlaygroundDocument(Owned, frozen=True, kw_only=True):
    """A place to try blueprints in. `use_case` is a word of the caller's own, to list by."""

    name: str = ""
    description: str = ""
    use_case: str | None = None


class BlueprintDocument(Owned, frozen=True, kw_only=True):
    """How to answer: which model, with which settings, and out of which vector database.

    Where it `is_history_aware`, the model is told what was said before in the chat. One that
    `is_saved` keeps its settings.
    """

    playground: str
    name: str = ""
    description: str = ""
    llm: str | None = None
    generation: Generation = Generation()
    vector_database: str | None = None
    retrieval: Retrieval = Retrieval()
    is_history_aware: bool = True
    is_saved: bool = False
    is_starred: bool = False


class ChatDocument(Owned, frozen=True, kw_only=True):
    """A chat with a blueprint. One that an `evaluation` was run in takes no prompts."""

    playground: str
    llm_blueprint: str
    name: str = ""
    evaluation: str | None = None


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that the model was given. `score` is how near it is to the question."""

    document: str
    page: int | None
    chunk: int
    text: str
    score: float
    metadata: Mapping[str, Any] = {}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the model answered, and what it was given.

    Of the prompt's tokens about `passage_tokens` are citations. `history` are the prompts that it
    was told of. `latency_ms` is measured from the search to the end of the answer.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    history: tuple[str, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    passage_tokens: int = 0
    latency_ms: int = 0


class PromptDocument(Owned, frozen=True, kw_only=True):
    """A question, with all that decides how it is answered.

    `feedback` is what members think of the answer: whether it was good.
    """

    text: str
    playground: str
    llm_blueprint: str
    chat: str
    llm: str
    generation: Generation = Generation()
    vector_database: str | None = None
    retrieval: Retrieval = Retrieval()
    where: Where | None = None
    is_history_aware: bool = True
    operation_id: str | None = None
    feedback: Mapping[str, bool] = {}


class ChatPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """A chat prompt as callers see it. `operation_id` answers it, did so, or failed to."""

    id: str
    document: PromptDocument
    status: Status
    operation_id: str
    created_by: str
    created_at: int
    answer: Answer | None = None
    error: str | None = None


class NewAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="chat_answer"):
    """What a handler returns in `Finish.writes` to publish the answer to its chat prompt."""

    chat_prompt: str
    answer: Answer


PLAYGROUNDS: Final[Label[PlaygroundDocument]] = Label(
    catalog_type=PLAYGROUND,
    word="playground",
    document=PlaygroundDocument,
    fields=lambda one: {"use_case": one.use_case},
)
BLUEPRINTS: Final[Label[BlueprintDocument]] = Label(
    catalog_type=BLUEPRINT,
    word="LLM blueprint",
    document=BlueprintDocument,
    fields=lambda one: {
        PLAYGROUND: one.playground,
        "vector_database": one.vector_database,
        "is_saved": "true" if one.is_saved else None,
    },
)
CHATS: Final[Label[ChatDocument]] = Label(
    catalog_type=CHAT,
    word="chat",
    document=ChatDocument,
    fields=lambda one: {
        PLAYGROUND: one.playground,
        BLUEPRINT: one.llm_blueprint,
        "evaluation": one.evaluation,
    },
)
PROMPTS: Final[Label[PromptDocument]] = Label(
    catalog_type=PROMPT,
    word="chat prompt",
    document=PromptDocument,
    fields=lambda one: {
        PLAYGROUND: one.playground,
        BLUEPRINT: one.llm_blueprint,
        CHAT: one.chat,
    },
)


def check_room(type: str, count: int) -> None:
    """Raise InvalidSpec if one more would be too many in what things of a type lie in."""
    if count >= THINGS_MAX:
        raise InvalidSpec(f"{_FULL[type].format(THINGS_MAX)}: delete some first")


def prompt_of(resource: Resource) -> PromptDocument:
    """What a chat prompt's resource says."""
    return msgspec.json.decode(resource.document, type=PromptDocument)


def answer_of(resource: Resource) -> Answer:
    """What an answer's resource says."""
    return msgspec.json.decode(resource.document, type=Answer)


def reserve_prompt(id: str, document: PromptDocument) -> CatalogWrite:
    """The write of a chat prompt that the operation it is written with will answer."""
    return msgspec.structs.replace(PROMPTS.write(id, document, 0), is_owned=True)


def change_prompt(found: Resource, document: PromptDocument) -> CatalogWrite:
    """The write of a chat prompt's document, if it is still as it was found."""
    return CatalogWrite(
        type=PROMPT,
        id=found.id,
        document=documents.encode(document),
        fields=found.fields,
        expected_revision=found.revision,
    )


def write_answer(id: str, answer: Answer) -> CatalogWrite:
    """The write of the answer to a chat prompt."""
    return CatalogWrite(type=ANSWER, id=id, document=documents.encode(answer), expected_revision=0)
