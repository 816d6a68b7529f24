"""The routes of chats."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from outlast.dialects.datarobot import encode
from outlast.dialects.datarobot.chats import ChatResponse, CreateChatRequest, EditChatRequest
from outlast.dialects.datarobot.ids import read_id, show_id
from outlast.dialects.datarobot.instants import instant
from outlast.dialects.datarobot.lists import Listed, listed
from outlast.dialects.datarobot.playgrounds import NOBODY
from outlast.dialects.datarobot.words import GENAI
from outlast.engine.access import Verb
from outlast.http.datarobot.listing import WINDOW, gather, parse_window
from outlast.http.datarobot.ordering import ordered, sort_parameter
from outlast.http.datarobot.playgrounds import CHANGE_ERRORS
from outlast.http.parsing import read_empty, read_json
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.resources.playgrounds import Playgrounds, model
from outlast.resources.playgrounds.model import ChatDocument
from outlast.resources.shelves import Kept

_CHATS: Final = GENAI + "/chats/"
_CHAT: Final = _CHATS + "{chatId}/"
_SORTS: Final[Mapping[str, Callable[[Kept[ChatDocument]], Any]]] = {
    "name": lambda one: one.document.name,
    "creationDate": lambda one: one.id,
}


def filters(**says: str) -> tuple[Parameter, ...]:
    """The parameters that filter a list by ids."""
    return tuple(
        Parameter(name=name, schema={"type": "string"}, says=text) for name, text in says.items()
    )


def given_id(call: Call, name: str) -> str | None:
    """The id in a query parameter, or None."""
    text = call.one(name)
    return None if text is None else read_id(text, name)


class ChatRoutes:
    """The routes of chats."""

    def __init__(self, parts: Parts, playgrounds: Playgrounds) -> None:
        self._playgrounds = playgrounds
        self._bytes_max = parts.limits.body_bytes
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [
            Route(
                method="GET",
                path=_CHATS,
                handle=self._list,
                says="List chats",
                verb=Verb.READ,
                query=(
                    *filters(llmBlueprintId="Only those with this LLM blueprint."),
                    sort_parameter(_SORTS),
                    *WINDOW,
                ),
                answers={200: Listed[ChatResponse]},
            ),
            Route(
                method="GET",
                path=_CHAT,
                handle=self._get,
                says="Retrieve a chat",
                verb=Verb.READ,
                answers={200: ChatResponse},
                errors=("not_found",),
            ),
            Route(
                method="POST",
                path=_CHATS,
                handle=self._create,
                says="Create a chat",
                body=CreateChatRequest,
                answers={201: ChatResponse},
                verb=Verb.SUBMIT,
                errors=CHANGE_ERRORS,
            ),
            Route(
                method="PATCH",
                path=_CHAT,
                handle=self._edit,
                says="Edit a chat",
                body=EditChatRequest,
                answers={200: ChatResponse},
                verb=Verb.SUBMIT,
                errors=CHANGE_ERRORS,
            ),
            Route(
                method="DELETE",
                path=_CHAT,
                handle=self._delete,
                says="Delete a chat, with its prompts",
                answers={204: None},
                verb=Verb.SUBMIT,
                errors=CHANGE_ERRORS,
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        blueprint = given_id(call, "llmBlueprintId")

        async def find(before_id: str | None) -> Sequence[Kept[ChatDocument]]:
            return await self._playgrounds.chats.find(
                call.principal, before_id=before_id, llm_blueprint=blueprint
            )

        found = await gather(find)
        shown = window.cut(ordered(call, found, _SORTS))
        views = [await self._shown(call, one) for one in shown]
        return Answer(body=encode(listed(views, len(found), window)))

    async def _get(self, call: Call) -> Answer:
        ref = read_id(call.params["chatId"], "chatId")
        return await self._answer(call, await self._playgrounds.chats.get(call.principal, ref))

    async def _create(self, call: Call) -> Answer:
        request = await self._read(call, CreateChatRequest)
        kept = await self._playgrounds.create_chat(
            call.principal,
            read_id(request.llm_blueprint_id, "llmBlueprintId"),
            request.name,
            request_id=call.request_id,
        )
        return replace(await self._answer(call, kept), status=201)

    async def _edit(self, call: Call) -> Answer:
        request = await self._read(call, EditChatRequest)
        kept = await self._playgrounds.chats.change(
            call.principal,
            read_id(call.params["chatId"], "chatId"),
            lambda document: replace(document, name=request.name),
            request_id=call.request_id,
        )
        return await self._answer(call, kept)

    async def _delete(self, call: Call) -> Answer:
        await read_empty(call, self._bytes_max, self._body_seconds)
        ref = read_id(call.params["chatId"], "chatId")
        await self._playgrounds.delete(call.principal, model.CHAT, ref, request_id=call.request_id)
        return Answer(status=204)

    async def _answer(self, call: Call, kept: Kept[ChatDocument]) -> Answer:
        return Answer(body=encode(await self._shown(call, kept)))

    async def _shown(self, call: Call, kept: Kept[ChatDocument]) -> ChatResponse:
        prompts = await self._playgrounds.count(call.principal, model.PROMPT, chat=kept.id)
        return ChatResponse(
            id=show_id(kept.id),
            name=kept.document.name,
            llm_blueprint_id=show_id(kept.document.llm_blueprint),
            is_frozen=kept.document.evaluation is not None,
            prompts_count=prompts,
            creation_date=instant(kept.created_at),
            creation_user_id=kept.document.created_by or NOBODY,
        )

    async def _read(self, call: Call, type: type[Any]) -> Any:
        return await read_json(call, type, self._bytes_max, self._body_seconds)
