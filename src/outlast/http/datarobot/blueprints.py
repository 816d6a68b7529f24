"""The routes of LLM blueprints."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from outlast.dialects.datarobot import encode
from outlast.dialects.datarobot.ids import read_id, show_id
from outlast.dialects.datarobot.instants import instant
from outlast.dialects.datarobot.lists import Listed, listed
from outlast.dialects.datarobot.playgrounds import (
    NOBODY,
    CopyChatPromptRequest,
    CopyLLMBlueprintRequest,
    CreateLLMBlueprintRequest,
    EditLLMBlueprintRequest,
    ExecutionStatus,
    LLMBlueprintResponse,
    LLMSettings,
    VectorDatabaseSettings,
    generation_spec,
    retrieval_spec,
    show_generation,
    show_retrieval,
    wire_path,
)
from outlast.dialects.datarobot.words import GENAI
from outlast.engine.access import Verb
from outlast.http.datarobot.listing import WINDOW, gather, parse_window
from outlast.http.datarobot.ordering import (
    ordered,
    parse_switch,
    sort_parameter,
    switch_parameter,
)
from outlast.http.datarobot.playgrounds import CHANGE_ERRORS
from outlast.http.parsing import decode_json, read_empty, read_json
from outlast.http.parts import Parts
from outlast.http.renaming import renaming
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.operations.errors import Conflict, NotFound
from outlast.resources.playgrounds import Playgrounds
from outlast.resources.playgrounds.model import (
    BLUEPRINT,
    BlueprintDocument,
    Generation,
    Retrieval,
)
from outlast.resources.shelves import Kept

_PATH: Final = GENAI + "/llmBlueprints/"
_ONE: Final = _PATH + "{llmBlueprintId}/"
_AWARE: Final = "CHAT_HISTORY_AWARE"
_SORTS: Final[Mapping[str, Callable[[Kept[BlueprintDocument]], Any]]] = {
    "name": lambda one: one.document.name,
    "description": lambda one: one.document.description,
    "creationDate": lambda one: one.id,
    "lastUpdateDate": lambda one: one.updated_at,
    "llmId": lambda one: one.document.llm or "",
    "vectorDatabaseId": lambda one: one.document.vector_database or "",
}
_STATUSES: Final[Mapping[str, ExecutionStatus]] = {
    "building": "RUNNING",
    "ready": "COMPLETED",
    "failed": "ERROR",
}


class _Settings(msgspec.Struct, frozen=True, kw_only=True):
    generation: Generation = Generation()
    retrieval: Retrieval = Retrieval()


class BlueprintRoutes:
    """The routes of LLM blueprints."""

    def __init__(self, parts: Parts, playgrounds: Playgrounds) -> None:
        self._playgrounds = playgrounds
        self._vector_databases = parts.vector_databases
        self._relay = parts.relay
        self._bytes_max = parts.limits.body_bytes
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._reading(), *self._making(), *self._changing()]

    def _reading(self) -> list[Route]:
        ids = {
            "playgroundId": "Only those of this playground.",
            "llmIds": "Only those of these language models.",
            "vectorDatabases": "Only those with one of these vector databases.",
        }
        return [
            Route(
                method="GET",
                path=_PATH,
                handle=self._list,
                says="List LLM blueprints",
                verb=Verb.READ,
                query=(
                    *(
                        Parameter(
                            name=name, schema={"type": "string"}, says=says, is_repeatable=True
                        )
                        for name, says in ids.items()
                    ),
                    switch_parameter("isSaved", "Only those that are saved, or are not."),
                    switch_parameter("isStarred", "Only those that are starred, or are not."),
                    sort_parameter(_SORTS),
                    *WINDOW,
                ),
                answers={200: Listed[LLMBlueprintResponse]},
            ),
            Route(
                method="GET",
                path=_ONE,
                handle=self._get,
                says="Retrieve an LLM blueprint",
                verb=Verb.READ,
                answers={200: LLMBlueprintResponse},
                errors=("not_found",),
            ),
        ]

    def _making(self) -> list[Route]:
        ways = (
            ("", self._create, CreateLLMBlueprintRequest, "Create an LLM blueprint"),
            (
                "fromLLMBlueprint/",
                self._copy,
                CopyLLMBlueprintRequest,
                "Create an LLM blueprint from another",
            ),
            (
                "fromChatPrompt/",
                self._copy_prompt,
                CopyChatPromptRequest,
                "Create an LLM blueprint from how a chat prompt was answered",
            ),
        )
        return [
            Route(
                method="POST",
                path=_PATH + way,
                handle=handle,
                says=says,
                verb=Verb.SUBMIT,
                body=body,
                answers={201: LLMBlueprintResponse},
                errors=CHANGE_ERRORS,
            )
            for way, handle, body, says in ways
        ]

    def _changing(self) -> list[Route]:
        return [
            Route(
                method="PATCH",
                path=_ONE,
                handle=self._edit,
                says="Edit an LLM blueprint; the settings of a saved one stay as they are",
                verb=Verb.SUBMIT,
                body=EditLLMBlueprintRequest,
                answers={200: LLMBlueprintResponse},
                errors=CHANGE_ERRORS,
            ),
            Route(
                method="DELETE",
                path=_ONE,
                handle=self._delete,
                says="Delete an LLM blueprint, with its chats",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=CHANGE_ERRORS,
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        places, databases = (
            {read_id(one, name) for one in call.query.get(name, ())}
            for name in ("playgroundId", "vectorDatabases")
        )
        llms = set(call.query.get("llmIds", ()))
        is_saved, is_starred = parse_switch(call, "isSaved"), parse_switch(call, "isStarred")
        only = next(iter(places)) if len(places) == 1 else None

        async def find(before_id: str | None) -> Sequence[Kept[BlueprintDocument]]:
            return await self._playgrounds.blueprints.find(
                call.principal, before_id=before_id, playground=only
            )

        def is_wanted(one: BlueprintDocument) -> bool:
            return (
                (not places or one.playground in places)
                and (not llms or one.llm in llms)
                and (not databases or one.vector_database in databases)
                and is_saved in {None, one.is_saved}
                and is_starred in {None, one.is_starred}
            )

        found = [one for one in await gather(find) if is_wanted(one.document)]
        shown = window.cut(ordered(call, found, _SORTS))
        views = [await self._shown(call, one) for one in shown]
        return Answer(body=encode(listed(views, len(found), window)))

    async def _get(self, call: Call) -> Answer:
        ref = read_id(call.params["llmBlueprintId"], "llmBlueprintId")
        return await self._answer(call, await self._playgrounds.blueprints.get(call.principal, ref))

    async def _create(self, call: Call) -> Answer:
        request = await self._read(call, CreateLLMBlueprintRequest)
        settings = _settings(request.llm_settings, request.vector_database_settings)
        document = BlueprintDocument(
            playground=read_id(request.playground_id, "playgroundId"),
            name=request.name,
            description=request.description,
            llm=await self._llm(call, request.llm_id),
            generation=settings.generation,
            vector_database=await self._database(call, request.vector_database_id),
            retrieval=settings.retrieval,
            is_history_aware=request.prompt_type == _AWARE,
        )
        return await self._made(call, document)

    async def _copy(self, call: Call) -> Answer:
        request = await self._read(call, CopyLLMBlueprintRequest)
        ref = read_id(request.llm_blueprint_id, "llmBlueprintId")
        found = await self._playgrounds.blueprints.get(call.principal, ref)
        document = replace(
            found.document,
            name=request.name,
            description=request.description,
            is_saved=False,
            is_starred=False,
        )
        return await self._made(call, document)

    async def _copy_prompt(self, call: Call) -> Answer:
        request = await self._read(call, CopyChatPromptRequest)
        ref = read_id(request.chat_prompt_id, "chatPromptId")
        prompt = (await self._playgrounds.get_prompt(call.principal, ref)).document
        document = BlueprintDocument(
            playground=prompt.playground,
            name=request.name,
            description=request.description,
            llm=prompt.llm,
            generation=prompt.generation,
            vector_database=prompt.vector_database,
            retrieval=prompt.retrieval,
            is_history_aware=prompt.is_history_aware,
        )
        return await self._made(call, document)

    async def _edit(self, call: Call) -> Answer:
        request: EditLLMBlueprintRequest = await self._read(call, EditLLMBlueprintRequest)
        changes: dict[str, Any] = {
            "name": request.name,
            "description": request.description,
            "llm": await self._llm(call, request.llm_id),
            "is_saved": request.is_saved,
            "is_starred": request.is_starred,
        }
        if request.prompt_type is not None:
            changes["is_history_aware"] = request.prompt_type == _AWARE
        if request.llm_settings is not None:
            changes["generation"] = _settings(request.llm_settings, None).generation
        changes = {name: value for name, value in changes.items() if value is not None}
        if request.vector_database_id is not UNSET:
            changes["vector_database"] = await self._database(call, request.vector_database_id)
        if request.vector_database_settings is not UNSET:
            changes["retrieval"] = _settings(None, request.vector_database_settings).retrieval
        kept = await self._playgrounds.blueprints.change(
            call.principal,
            read_id(call.params["llmBlueprintId"], "llmBlueprintId"),
            lambda document: _changed(document, changes),
            request_id=call.request_id,
        )
        return await self._answer(call, kept)

    async def _delete(self, call: Call) -> Answer:
        await read_empty(call, self._bytes_max, self._body_seconds)
        ref = read_id(call.params["llmBlueprintId"], "llmBlueprintId")
        await self._playgrounds.delete(call.principal, BLUEPRINT, ref, request_id=call.request_id)
        return Answer(status=204)

    async def _llm(self, call: Call, name: str | None) -> str | None:
        """The name of a model that there is. Raises NotFound."""
        if name is None or self._relay is None:
            return name
        with renaming(wire_path):
            return (await self._relay.model(call.principal, name)).name

    async def _database(self, call: Call, ref: str | None) -> str | None:
        """The id of a vector database that there is. Raises NotFound."""
        if ref is None:
            return None
        id = read_id(ref, "vectorDatabaseId")
        if self._vector_databases is None:
            return id
        return (await self._vector_databases.get(call.principal, id)).id

    async def _made(self, call: Call, document: BlueprintDocument) -> Answer:
        kept = await self._playgrounds.create_blueprint(
            call.principal, document, request_id=call.request_id
        )
        return replace(await self._answer(call, kept), status=201)

    async def _answer(self, call: Call, kept: Kept[BlueprintDocument]) -> Answer:
        return Answer(body=encode(await self._shown(call, kept)))

    async def _shown(self, call: Call, kept: Kept[BlueprintDocument]) -> LLMBlueprintResponse:
        document, database = kept.document, kept.document.vector_database
        name: str | None = None
        status: ExecutionStatus | None = None
        if database is not None and self._vector_databases is not None:
            try:
                found = await self._vector_databases.get(call.principal, database)
                name, status = found.name, _STATUSES[found.status]
            except NotFound:
                status = "ERROR"
        generation = msgspec.to_builtins(document.generation)
        retrieval = msgspec.to_builtins(document.retrieval)
        return LLMBlueprintResponse(
            id=show_id(kept.id),
            name=document.name,
            description=document.description,
            playground_id=show_id(document.playground),
            is_saved=document.is_saved,
            is_starred=document.is_starred,
            prompt_type="CHAT_HISTORY_AWARE" if document.is_history_aware else "ONE_TIME_PROMPT",
            llm_id=document.llm,
            llm_name=document.llm,
            llm_settings=None if document.llm is None else show_generation(generation),
            vector_database_id=None if database is None else show_id(database),
            vector_database_name=name,
            vector_database_status=status,
            vector_database_settings=None if database is None else show_retrieval(retrieval),
            creation_date=instant(kept.created_at),
            creation_user_id=document.created_by or NOBODY,
            creation_user_name=document.created_by,
            last_update_date=instant(kept.updated_at),
            last_update_user_id=document.updated_by or NOBODY,
        )

    async def _read(self, call: Call, type: type[Any]) -> Any:
        return await read_json(call, type, self._bytes_max, self._body_seconds)


def _settings(llm: LLMSettings | None, database: VectorDatabaseSettings | None) -> _Settings:
    """The settings of a request. Raises Invalid, naming the field as the request does."""
    spec = {"generation": generation_spec(llm), "retrieval": retrieval_spec(database)}
    given = {name: value for name, value in spec.items() if value is not None}
    with renaming(wire_path):
        return decode_json(msgspec.json.encode(given), _Settings)


def _changed(document: BlueprintDocument, changes: Mapping[str, Any]) -> BlueprintDocument:
    if document.is_saved and changes.keys() - {"name", "description", "is_saved", "is_starred"}:
        raise Conflict("a saved LLM blueprint keeps its settings: make another one from it")
    return replace(document, **changes)
