"""The routes of chat prompts: to create one starts the operation that answers it."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from outlast.dialects.datarobot import encode
from outlast.dialects.datarobot.chats import (
    STATUSES,
    ChatPromptResponse,
    CitationResponse,
    CreateChatPromptRequest,
    EditChatPromptRequest,
    FeedbackResult,
    ResultMetadata,
    prompt_spec,
)
from outlast.dialects.datarobot.ids import read_id, show_id
from outlast.dialects.datarobot.instants import instant
from outlast.dialects.datarobot.lists import Listed, listed
from outlast.dialects.datarobot.metadata_filters import filter_of
from outlast.dialects.datarobot.playgrounds import (
    NOBODY,
    show_generation,
    show_retrieval,
    wire_path,
)
from outlast.dialects.datarobot.words import GENAI
from outlast.engine.access import Verb
from outlast.http.datarobot.accepting import ACCEPT_ERRORS, accepted, submit
from outlast.http.datarobot.chats import filters, given_id
from outlast.http.datarobot.listing import WINDOW, gather, parse_window
from outlast.http.datarobot.playgrounds import CHANGE_ERRORS
from outlast.http.parsing import read_empty, read_json
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Route
from outlast.operations.errors import NotSupported
from outlast.resources.playgrounds import Playgrounds, model
from outlast.resources.playgrounds.model import ChatPrompt, Citation, PromptDocument
from outlast.resources.shelves import Kept

_PROMPTS: Final = GENAI + "/chatPrompts/"
_PROMPT: Final = _PROMPTS + "{chatPromptId}/"


class ChatPromptRoutes:
    """The routes of chat prompts. To create one starts the operation that answers it."""

    def __init__(self, parts: Parts, playgrounds: Playgrounds) -> None:
        self._engine = parts.engine
        self._playgrounds = playgrounds
        self._bytes_max = parts.limits.body_bytes
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [
            Route(
                method="GET",
                path=_PROMPTS,
                handle=self._list,
                says="List chat prompts",
                verb=Verb.READ,
                query=(
                    *filters(
                        playgroundId="Only those in this playground.",
                        llmBlueprintId="Only those for this LLM blueprint.",
                        chatId="Only those in this chat.",
                    ),
                    *WINDOW,
                ),
                answers={200: Listed[ChatPromptResponse]},
            ),
            Route(
                method="GET",
                path=_PROMPT,
                handle=self._get,
                says="Retrieve a chat prompt, and its answer once it is there",
                verb=Verb.READ,
                answers={200: ChatPromptResponse},
                errors=("not_found",),
            ),
            Route(
                method="POST",
                path=_PROMPTS,
                handle=self._create,
                says="Submit a prompt: its status is where Location says",
                verb=Verb.SUBMIT,
                body=CreateChatPromptRequest,
                answers={202: ChatPromptResponse},
                errors=(*ACCEPT_ERRORS, "not_supported"),
            ),
            Route(
                method="PATCH",
                path=_PROMPT,
                handle=self._edit,
                says="Give feedback on an answer",
                verb=Verb.SUBMIT,
                body=EditChatPromptRequest,
                answers={200: ChatPromptResponse},
                errors=CHANGE_ERRORS,
            ),
            Route(
                method="DELETE",
                path=_PROMPT,
                handle=self._delete,
                says="Delete a chat prompt",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=CHANGE_ERRORS,
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        playground = given_id(call, "playgroundId")
        blueprint, chat = given_id(call, "llmBlueprintId"), given_id(call, "chatId")

        async def find(before_id: str | None) -> Sequence[Kept[PromptDocument]]:
            return await self._playgrounds.find_prompts(
                call.principal,
                before_id=before_id,
                playground=playground,
                llm_blueprint=blueprint,
                chat=chat,
            )

        # In a chat the oldest is the first.
        found = list(reversed(await gather(find)))
        shown = await self._playgrounds.get_prompts(
            call.principal, [one.id for one in window.cut(found)]
        )
        views = [_shown(one) for one in shown]
        return Answer(body=encode(listed(views, len(found), window)))

    async def _get(self, call: Call) -> Answer:
        ref = read_id(call.params["chatPromptId"], "chatPromptId")
        prompt = await self._playgrounds.get_prompt(call.principal, ref)
        return Answer(body=encode(_shown(prompt)))

    async def _create(self, call: Call) -> Answer:
        request = await self._read(call, CreateChatPromptRequest)
        spec = prompt_spec(request)
        operation = await submit(self._engine, call, "chat_prompt", spec, wire_path=wire_path)
        prompt = await self._playgrounds.get_prompt(call.principal, operation.resource_id or "")
        return accepted(call, operation, _shown(prompt))

    async def _edit(self, call: Call) -> Answer:
        request: EditChatPromptRequest = await self._read(call, EditChatPromptRequest)
        if request.custom_metrics:
            raise NotSupported("metrics of your own cannot be added to a chat prompt here")
        ref = read_id(call.params["chatPromptId"], "chatPromptId")
        if request.feedback_metadata is None:
            return Answer(
                body=encode(_shown(await self._playgrounds.get_prompt(call.principal, ref)))
            )
        prompt = await self._playgrounds.give_feedback(
            call.principal,
            ref,
            is_good=request.feedback_metadata.feedback == "1",
            request_id=call.request_id,
        )
        return Answer(body=encode(_shown(prompt)))

    async def _delete(self, call: Call) -> Answer:
        await read_empty(call, self._bytes_max, self._body_seconds)
        ref = read_id(call.params["chatPromptId"], "chatPromptId")
        await self._playgrounds.delete_prompt(call.principal, ref, request_id=call.request_id)
        return Answer(status=204)

    async def _read(self, call: Call, type: type[Any]) -> Any:
        return await read_json(call, type, self._bytes_max, self._body_seconds)


def _shown(prompt: ChatPrompt) -> ChatPromptResponse:
    document, answer = prompt.document, prompt.answer
    database = document.vector_database
    retrieval = show_retrieval(msgspec.to_builtins(document.retrieval))
    return ChatPromptResponse(
        id=show_id(prompt.id),
        text=document.text,
        chat_id=show_id(document.chat),
        chat_context_id=show_id(document.chat),
        llm_blueprint_id=show_id(document.llm_blueprint),
        llm_id=document.llm,
        llm_settings=show_generation(msgspec.to_builtins(document.generation)),
        vector_database_id=None if database is None else show_id(database),
        vector_database_settings=None if database is None else retrieval,
        metadata_filter=filter_of(msgspec.to_builtins(document.where)),
        execution_status=STATUSES[prompt.status],
        result_text=None if answer is None else answer.text,
        result_metadata=_metadata(prompt),
        citations=[] if answer is None else [_citation(one) for one in answer.citations],
        chat_prompt_ids_included_in_history=[]
        if answer is None
        else [show_id(id) for id in answer.history],
        creation_date=instant(prompt.created_at),
        creation_user_id=prompt.created_by or NOBODY,
        user_name=prompt.created_by,
        error_message=prompt.error,
    )


def _metadata(prompt: ChatPrompt) -> ResultMetadata | None:
    if prompt.status in {"new", "running"}:
        return None
    answer = prompt.answer or model.Answer(text="")
    feedback = prompt.document.feedback
    return ResultMetadata(
        output_token_count=answer.completion_tokens,
        input_token_count=answer.prompt_tokens,
        total_token_count=answer.prompt_tokens + answer.completion_tokens,
        estimated_docs_token_count=answer.passage_tokens,
        latency_milliseconds=answer.latency_ms,
        feedback_result=FeedbackResult(
            positive_user_ids=[member for member, is_good in feedback.items() if is_good],
            negative_user_ids=[member for member, is_good in feedback.items() if not is_good],
        ),
        error_message=prompt.error,
    )


def _citation(citation: Citation) -> CitationResponse:
    return CitationResponse(
        text=citation.text,
        source=citation.document,
        similarity_score=citation.score,
        metadata=citation.metadata,
        page=citation.page,
        chunk_id=citation.chunk,
    )
