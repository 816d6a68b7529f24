"""The kind `chat_prompt`: a question in a chat, answered by a model with what is found for it.

The passages nearest to the question are found in a vector database, if one is named, and given to
the model with what was said before in the chat. An answer is kept as soon as it is there: an
attempt that follows asks no second time. Failure codes:

    backend_unavailable  the model, or the one that embeds, does not answer; tried again
    backend_refused      its server refuses what it is asked
    answer_too_large     the answer has more than 128 KiB
    search_failed        the chunks cannot be searched with what the embedding model gives
"""

import time
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from outlast.clock import system_clock
from outlast.inference.models import find_model
from outlast.kinds.chat.plan import ChatPlan, ChatResult
from outlast.kinds.chat.preparing import KEYS, Way, prepare_answering
from outlast.operations import ids
from outlast.operations.errors import InvalidSpec
from outlast.operations.kind import Catalog, CatalogWrite, Context, Finish, Kind, Prepared
from outlast.operations.retry import RetryPolicy
from outlast.resources.configured import find_installation
from outlast.resources.playgrounds import finding, model
from outlast.resources.playgrounds.model import (
    Answer,
    ChatDocument,
    Generation,
    NewAnswer,
    PromptDocument,
    Retrieval,
)
from outlast.resources.vector_databases import find_any
from outlast.resources.vector_databases.filtering import Every, Scalar, Where, where_of


class ChatSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question, in a `chat`, or in the oldest chat of an `llm_blueprint`.

    What else is named goes before what the blueprint says. Of the chunks, only those are looked at
    that all `filters` hold for, as in a search, and `where`, if it is given.
    """

    text: Annotated[str, Meta(min_length=1, max_length=model.PROMPT_CHARS_MAX)]
    chat: str | None = None
    llm_blueprint: str | None = None
    llm: str | None = None
    generation: Generation | None = None
    vector_database: str | None = None
    retrieval: Retrieval | None = None
    filters: dict[str, Scalar | list[Scalar]] = {}
    where: Where | None = None


async def prepare(spec: ChatSpec, catalog: Catalog) -> Prepared:
    """Find model and chunks, and keep the prompt. Raises InvalidSpec, NotFound, Conflict."""
    if not spec.text.strip():
        raise InvalidSpec("text: is empty", field_errors={"text": "is empty"})
    if catalog.operation_id is None:
        id, document, writes = await _ask(spec, catalog)
    else:
        found = await finding.own_prompt(catalog, catalog.operation_id)
        id, document, writes = found.id, model.prompt_of(found), []
    way = Way(
        llm=document.llm or None,
        generation=document.generation,
        vector_database=document.vector_database,
        retrieval=document.retrieval,
        where=document.where,
    )
    prepared = await prepare_answering(catalog, way)
    history: list[finding.Said] = []
    if document.is_history_aware:
        history = await finding.history_of(catalog, document.chat, id)
    plan = ChatPlan(
        chat_prompt=id,
        chat=document.chat,
        text=document.text,
        history=tuple(history),
        answering=prepared.plan,
        allow_unsandboxed=(await find_installation(catalog)).allow_unsandboxed,
    )
    return replace(
        prepared,
        plan=plan,
        writes=writes,
        targets=(),
        resource_type=model.PROMPT,
        resource_id=id,
        # What is said first is answered first, and known to what follows.
        concurrency_key=f"chat:{document.chat}",
    )


async def _ask(spec: ChatSpec, catalog: Catalog) -> tuple[str, PromptDocument, list[CatalogWrite]]:
    """The chat prompt that is asked for, under a new id, and the writes that keep it."""
    chat_id, chat, writes = await _find_chat(spec, catalog)
    blueprint = (await finding.find_blueprint(catalog, chat.llm_blueprint)).document
    vector_database = spec.vector_database or blueprint.vector_database
    if vector_database is not None:
        vector_database = (await find_any(catalog, vector_database)).id
    llm = spec.llm or blueprint.llm
    document = PromptDocument(
        text=spec.text,
        playground=chat.playground,
        llm_blueprint=chat.llm_blueprint,
        chat=chat_id,
        llm="" if llm is None else (await find_model(catalog, llm)).name,
        generation=spec.generation or blueprint.generation,
        vector_database=vector_database,
        retrieval=spec.retrieval or blueprint.retrieval,
        where=_where(spec),
        is_history_aware=blueprint.is_history_aware,
    )
    id = ids.make_id(system_clock(), ids.random_bits())
    return id, document, [*writes, model.reserve_prompt(id, document)]


async def _find_chat(
    spec: ChatSpec, catalog: Catalog
) -> tuple[str, ChatDocument, list[CatalogWrite]]:
    """The chat that the prompt belongs to, and the write that makes it if there is none yet."""
    if spec.chat is not None:
        chat = await finding.find_chat(catalog, spec.chat)
        named = None if spec.llm_blueprint is None else ids.decode_any(spec.llm_blueprint)
        if spec.llm_blueprint is not None and named != chat.document.llm_blueprint:
            message = "the chat belongs to another LLM blueprint"
            raise InvalidSpec(message, field_errors={"llm_blueprint": message})
    elif spec.llm_blueprint is None:
        message = "a prompt names a chat, or an LLM blueprint"
        raise InvalidSpec(message, field_errors={"chat": message})
    else:
        blueprint = await finding.find_blueprint(catalog, spec.llm_blueprint)
        oldest = await finding.oldest_chat(catalog, blueprint.id)
        if oldest is None:
            await finding.check_room(catalog, model.CHAT, llm_blueprint=blueprint.id)
            document = ChatDocument(
                playground=blueprint.document.playground,
                llm_blueprint=blueprint.id,
                name=blueprint.document.name,
                created_by=blueprint.document.created_by,
            )
            id = ids.make_id(system_clock(), ids.random_bits())
            return id, document, [model.CHATS.write(id, document, 0)]
        chat = oldest
    await finding.check_room(catalog, model.PROMPT, chat=chat.id)
    return chat.id, chat.document, []


def _where(spec: ChatSpec) -> Where | None:
    if not spec.filters:
        return spec.where
    wanted = where_of(spec.filters)
    return wanted if spec.where is None else Every(of=(wanted, spec.where))


async def run(plan: ChatPlan, context: Context) -> Finish:
    """Answer a chat prompt with a model, and with what a vector database has about it."""
    # Only the child has the client, so that the server stays small.
    from outlast.kinds.chat.answering import SEARCHING, open_answerer, preloaded  # noqa: PLC0415
    from outlast.kinds.chat.messages import tokens_of  # noqa: PLC0415
    from outlast.kinds.locked_children import locked_children  # noqa: PLC0415

    if context.last_checkpoint is not None:
        return _finish(plan, msgspec.convert(context.last_checkpoint, Answer))
    children = locked_children(
        context,
        SEARCHING,
        allow_unsandboxed=plan.allow_unsandboxed,
        preload=preloaded(plan.answering),
    )
    async with children as calls, open_answerer(plan.answering, context, calls) as answerer:
        began = time.perf_counter()
        context.report(stage="searching")
        [citations] = await answerer.find([plan.text])
        context.report(stage="answering")
        reply, _ = await answerer.ask(plan.text, citations, plan.history)
        took = time.perf_counter() - began
    answer = Answer(
        text=reply.text,
        citations=citations,
        history=tuple(said.chat_prompt for said in plan.history),
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        passage_tokens=tokens_of(*(one.text for one in citations)),
        latency_ms=round(took * 1000),
    )
    await context.checkpoint(answer)
    return _finish(plan, answer)


def _finish(plan: ChatPlan, answer: Answer) -> Finish:
    result = ChatResult(
        chat_prompt=plan.chat_prompt,
        chat=plan.chat,
        text=answer.text,
        citations=answer.citations,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        latency_ms=answer.latency_ms,
    )
    return Finish(result=result, writes=[NewAnswer(chat_prompt=plan.chat_prompt, answer=answer)])


kinds: Final = [
    Kind(
        "chat_prompt",
        spec=ChatSpec,
        result=ChatResult,
        plan=ChatPlan,
        prepare=prepare,
        run=run,
        secrets=KEYS,
        # Somebody waits for it: a model that is away is given up after a few minutes.
        retry=RetryPolicy(attempts_max=5, factor=3, delay_seconds_max=60),
        description="Answer a question with a model, and with what a vector database has of it.",
    )
]
