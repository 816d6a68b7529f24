"""The routes of playgrounds, and of the language models that there are."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from outlast.dialects.datarobot import encode
from outlast.dialects.datarobot.ids import read_id, show_id
from outlast.dialects.datarobot.instants import instant
from outlast.dialects.datarobot.lists import Listed, listed
from outlast.dialects.datarobot.llms import LanguageModelDefinition, llm_on_wire
from outlast.dialects.datarobot.playgrounds import (
    NOBODY,
    CreatePlaygroundRequest,
    EditPlaygroundRequest,
    PlaygroundResponse,
)
from outlast.dialects.datarobot.vector_databases import NO_USE_CASE
from outlast.dialects.datarobot.words import GENAI
from outlast.engine.access import Verb
from outlast.http.datarobot.listing import SEARCH, WINDOW, gather, parse_window
from outlast.http.datarobot.ordering import ordered, sort_parameter, switch_parameter
from outlast.http.parsing import read_empty, read_json
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.inference.relaying import Relay
from outlast.operations.errors import NotSupported
from outlast.resources.playgrounds import Playgrounds
from outlast.resources.playgrounds.model import BLUEPRINT, PLAYGROUND, PlaygroundDocument
from outlast.resources.shelves import Kept
from outlast.resources.use_cases import UseCases

CHANGE_ERRORS: Final = (
    "conflict",
    "invalid_spec",
    "not_found",
    "not_supported",
    "request_timeout",
    "revision_mismatch",
    "store_full",
    "unsupported_media_type",
)
_PATH: Final = GENAI + "/playgrounds/"
_ONE: Final = _PATH + "{playgroundId}/"
_SORTS: Final[Mapping[str, Callable[[Kept[PlaygroundDocument]], Any]]] = {
    "name": lambda one: one.document.name,
    "description": lambda one: one.document.description,
    "creationDate": lambda one: one.id,
    "lastUpdateDate": lambda one: one.updated_at,
}


class PlaygroundRoutes:
    """The routes of playgrounds."""

    def __init__(self, parts: Parts, playgrounds: Playgrounds) -> None:
        self._playgrounds = playgrounds
        self._use_cases = UseCases(parts.engine.store).shelf
        self._bytes_max = parts.limits.body_bytes
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._reading(), *self._changing()]

    def _reading(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=_PATH,
                handle=self._list,
                says="List playgrounds",
                verb=Verb.READ,
                query=(
                    Parameter(
                        name="useCaseId",
                        schema={"type": "string"},
                        says="Only those of these use cases.",
                        is_repeatable=True,
                    ),
                    SEARCH,
                    sort_parameter(_SORTS),
                    *WINDOW,
                ),
                answers={200: Listed[PlaygroundResponse]},
            ),
            Route(
                method="GET",
                path=_ONE,
                handle=self._get,
                says="Retrieve a playground",
                verb=Verb.READ,
                answers={200: PlaygroundResponse},
                errors=("not_found",),
            ),
        ]

    def _changing(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path=_PATH,
                handle=self._create,
                says="Create a playground",
                verb=Verb.SUBMIT,
                body=CreatePlaygroundRequest,
                answers={201: PlaygroundResponse},
                errors=CHANGE_ERRORS,
            ),
            Route(
                method="PATCH",
                path=_ONE,
                handle=self._edit,
                says="Edit a playground",
                verb=Verb.SUBMIT,
                body=EditPlaygroundRequest,
                answers={200: PlaygroundResponse},
                errors=CHANGE_ERRORS,
            ),
            Route(
                method="DELETE",
                path=_ONE,
                handle=self._delete,
                says="Delete a playground, with all that is in it",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=CHANGE_ERRORS,
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        use_cases = {read_id(one, "useCaseId") for one in call.query.get("useCaseId", ())}
        search = (call.one("search") or "").lower()

        async def find(before_id: str | None) -> Sequence[Kept[PlaygroundDocument]]:
            return await self._playgrounds.playgrounds.find(call.principal, before_id=before_id)

        found = [
            one
            for one in await gather(find)
            if search in one.document.name.lower()
            and (not use_cases or one.document.use_case in use_cases)
        ]
        shown = window.cut(ordered(call, found, _SORTS))
        views = [await self._shown(call, one) for one in shown]
        return Answer(body=encode(listed(views, len(found), window)))

    async def _get(self, call: Call) -> Answer:
        ref = read_id(call.params["playgroundId"], "playgroundId")
        return await self._answer(
            call, await self._playgrounds.playgrounds.get(call.principal, ref)
        )

    async def _create(self, call: Call) -> Answer:
        request = await self._read(call, CreatePlaygroundRequest)
        if request.playground_type != "rag":
            raise NotSupported("there are no agentic playgrounds here")
        if request.copy_insights is not None:
            raise NotSupported("insights are not copied: every playground has the same ones")
        use_case = read_id(request.use_case_id, "useCaseId")
        document = PlaygroundDocument(
            name=request.name,
            description=request.description,
            use_case=(await self._use_cases.get(call.principal, use_case)).id,
        )
        kept = await self._playgrounds.playgrounds.create(
            call.principal, document, request_id=call.request_id
        )
        return replace(await self._answer(call, kept), status=201)

    async def _edit(self, call: Call) -> Answer:
        request = await self._read(call, EditPlaygroundRequest)
        given = {"name": request.name, "description": request.description}
        changes = {name: value for name, value in given.items() if value is not None}
        kept = await self._playgrounds.playgrounds.change(
            call.principal,
            read_id(call.params["playgroundId"], "playgroundId"),
            lambda document: replace(document, **changes),
            request_id=call.request_id,
        )
        return await self._answer(call, kept)

    async def _delete(self, call: Call) -> Answer:
        await read_empty(call, self._bytes_max, self._body_seconds)
        ref = read_id(call.params["playgroundId"], "playgroundId")
        await self._playgrounds.delete(call.principal, PLAYGROUND, ref, request_id=call.request_id)
        return Answer(status=204)

    async def _answer(self, call: Call, kept: Kept[PlaygroundDocument]) -> Answer:
        return Answer(body=encode(await self._shown(call, kept)))

    async def _shown(self, call: Call, kept: Kept[PlaygroundDocument]) -> PlaygroundResponse:
        count = partial(self._playgrounds.count, call.principal, BLUEPRINT, playground=kept.id)
        document = kept.document
        return PlaygroundResponse(
            id=show_id(kept.id),
            name=document.name,
            description=document.description,
            use_case_id=NO_USE_CASE if document.use_case is None else show_id(document.use_case),
            playground_type="rag",
            llm_blueprints_count=await count(),
            saved_llm_blueprints_count=await count(is_saved="true"),
            creation_date=instant(kept.created_at),
            creation_user_id=document.created_by or NOBODY,
            user_name=document.created_by,
            last_update_date=instant(kept.updated_at),
            last_update_user_id=document.updated_by or NOBODY,
        )

    async def _read(self, call: Call, type: type[Any]) -> Any:
        return await read_json(call, type, self._bytes_max, self._body_seconds)


class LanguageModelRoutes:
    """The route of the language models: those of this installation's backends, and tuned ones."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def routes(self) -> list[Route]:
        """The route, documented."""
        return [
            Route(
                method="GET",
                path=GENAI + "/llms/",
                handle=self._list,
                says="List the language models that can be asked",
                verb=Verb.READ,
                query=(
                    Parameter(name="useCaseId", schema={"type": "string"}, says="Says nothing."),
                    switch_parameter("moderationSupportedOnly", "Only those that moderate: none."),
                    *WINDOW,
                ),
                answers={200: Listed[LanguageModelDefinition]},
            )
        ]

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        is_moderating = (call.one("moderationSupportedOnly") or "").lower() == "true"
        models = [] if is_moderating else await self._relay.models(call.principal)
        shown = [llm_on_wire(one.name, one.backend) for one in window.cut(models)]
        return Answer(body=encode(listed(shown, len(models), window)))
