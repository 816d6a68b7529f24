"""The routes of use cases."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from outlast.dialects.datarobot import encode
from outlast.dialects.datarobot.ids import read_id, read_ref, show_id
from outlast.dialects.datarobot.instants import instant
from outlast.dialects.datarobot.lists import Listed
from outlast.dialects.datarobot.use_cases import (
    CreateUseCaseRequest,
    UseCaseReference,
    UseCaseResponse,
    user,
)
from outlast.dialects.datarobot.words import PLATFORM
from outlast.engine.access import Principal, Verb
from outlast.http.datarobot.listing import (
    SEARCH,
    WINDOW,
    gather,
    list_things,
    parse_window,
)
from outlast.http.datarobot.ordering import ordered, sort_parameter
from outlast.http.parsing import read_empty, read_json
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Route
from outlast.operations.errors import NotFound, NotSupported
from outlast.resources.datasets import Datasets
from outlast.resources.files import Files
from outlast.resources.shelves import Kept
from outlast.resources.use_cases import Link, UseCaseDocument, UseCases

_ALL: Final = PLATFORM + "/useCases/"
_ONE: Final = _ALL + "{useCaseId}/"
_LINK: Final = _ONE + "{entityType}/{entityId}/"
_PARAMS: Final = {
    "useCaseId": "A use case's id.",
    "entityType": "datasets or files.",
    "entityId": "What is linked.",
}
_WRITING: Final = (
    "invalid_spec",
    "request_timeout",
    "revision_mismatch",
    "store_full",
    "too_large",
)
_LINKED: Final = frozenset({"datasets", "files"})
_NAMELESS: Final = "Untitled Use Case"
_KEYS: Final[Mapping[str, Callable[[Kept[UseCaseDocument]], Any]]] = {
    "name": lambda one: one.document.name,
    "createdAt": lambda one: one.created_at,
    "updatedAt": lambda one: one.updated_at,
}


class UseCaseRoutes:
    """The routes of use cases. Datasets are linked to them; a file that is one is as well."""

    def __init__(self, parts: Parts, datasets: Datasets, files: Files) -> None:
        self._use_cases = UseCases(parts.engine.store)
        self._datasets = datasets
        self._files = files
        self._limits = parts.limits
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._of_all(), *self._of_one(), *self._linking()]

    def _of_all(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=_ALL,
                handle=self._list,
                says="List use cases",
                verb=Verb.READ,
                query=(*WINDOW, SEARCH, sort_parameter(_KEYS)),
                answers={200: Listed[UseCaseResponse]},
            ),
            Route(
                method="POST",
                path=_ALL,
                handle=self._create,
                says="Create a use case",
                verb=Verb.SUBMIT,
                body=CreateUseCaseRequest,
                answers={201: UseCaseResponse},
                errors=(*_WRITING, "unsupported_media_type"),
            ),
        ]

    def _of_one(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=_ONE,
                handle=self._get,
                says="Retrieve a use case",
                verb=Verb.READ,
                answers={200: UseCaseResponse},
                params=_PARAMS,
            ),
            Route(
                method="PATCH",
                path=_ONE,
                handle=self._update,
                says="Give a use case another name or description",
                verb=Verb.SUBMIT,
                body=CreateUseCaseRequest,
                answers={200: UseCaseResponse},
                errors=(*_WRITING, "unsupported_media_type"),
                params=_PARAMS,
            ),
            Route(
                method="DELETE",
                path=_ONE,
                handle=self._delete,
                says="Delete a use case; what belongs to it stays",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=("store_full",),
                params=_PARAMS,
            ),
        ]

    def _linking(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path=_LINK,
                handle=self._link,
                says="Link a dataset or a file to a use case",
                verb=Verb.SUBMIT,
                answers={201: UseCaseReference},
                errors=(*_WRITING, "not_supported"),
                params=_PARAMS,
            ),
            Route(
                method="DELETE",
                path=_LINK,
                handle=self._unlink,
                says="Unlink a dataset or a file from a use case",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=(*_WRITING, "not_supported"),
                params=_PARAMS,
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)

        async def find(before_id: str | None) -> list[Kept[UseCaseDocument]]:
            return await self._use_cases.shelf.find(call.principal, before_id=before_id)

        search = (call.one("search") or "").lower()
        all_ = await gather(find)
        found: Sequence[Kept[UseCaseDocument]] = [
            one for one in all_ if search in one.document.name.lower()
        ]
        found = ordered(call, found, _KEYS)
        shown = {one.id: await self._shown(call.principal, one) for one in window.cut(found)}
        return Answer(body=encode(list_things(found, window, lambda one: shown[one.id])))

    async def _create(self, call: Call) -> Answer:
        body = await self._body(call)
        made = await self._use_cases.create(
            call.principal,
            body.name or _NAMELESS,
            body.description or "",
            request_id=call.request_id,
        )
        return Answer(status=201, body=encode(await self._shown(call.principal, made)))

    async def _get(self, call: Call) -> Answer:
        found = await self._use_cases.shelf.get(call.principal, _id(call))
        return Answer(body=encode(await self._shown(call.principal, found)))

    async def _update(self, call: Call) -> Answer:
        body = await self._body(call)
        changed = await self._use_cases.change(
            call.principal,
            _id(call),
            name=body.name,
            description=body.description,
            request_id=call.request_id,
        )
        return Answer(body=encode(await self._shown(call.principal, changed)))

    async def _delete(self, call: Call) -> Answer:
        await read_empty(call, self._limits.body_bytes, self._body_seconds)
        await self._use_cases.shelf.delete(call.principal, _id(call), request_id=call.request_id)
        return Answer(status=204)

    async def _link(self, call: Call) -> Answer:
        await read_empty(call, self._limits.body_bytes, self._body_seconds)
        type, id = await self._entity(call)
        link = await self._use_cases.link(
            call.principal, _id(call), type, id, request_id=call.request_id
        )
        return Answer(status=201, body=encode(_reference(call, link)))

    async def _unlink(self, call: Call) -> Answer:
        await read_empty(call, self._limits.body_bytes, self._body_seconds)
        type, id = _named(call)
        use_case = _id(call)
        if type == "dataset":
            linked = (await self._use_cases.shelf.get(call.principal, use_case)).document.links
            type = next((one.type for one in linked if one.id == id), type)
        await self._use_cases.unlink(call.principal, use_case, type, id, request_id=call.request_id)
        return Answer(status=204)

    async def _entity(self, call: Call) -> tuple[str, str]:
        """What is to be linked: it must be there. A dataset of the wire may be a file of ours."""
        type, id = _named(call)
        if type == "dataset":
            try:
                return type, (await self._datasets.get(call.principal, id)).id
            except NotFound:
                type = "file"
        return type, (await self._files.get(call.principal, id)).id

    async def _body(self, call: Call) -> CreateUseCaseRequest:
        return await read_json(
            call, CreateUseCaseRequest, self._limits.body_bytes, self._body_seconds
        )

    async def _shown(self, principal: Principal, found: Kept[UseCaseDocument]) -> UseCaseResponse:
        counts = await self._use_cases.counts(principal, found)
        document = found.document
        maker = user(document.created_by)
        return UseCaseResponse(
            id=show_id(found.id),
            name=document.name,
            description=document.description,
            created_at=instant(found.created_at),
            created=maker,
            updated_at=instant(found.updated_at),
            updated=user(document.updated_by),
            members=[maker],
            owners=[maker],
            datasets_count=counts.get("dataset", 0),
            files_count=counts.get("file", 0),
            playgrounds_count=counts.get("playground", 0),
            vector_databases_count=counts.get("vector_database", 0),
        )


def _id(call: Call) -> str:
    return read_id(call.params["useCaseId"], "useCaseId")


def _named(call: Call) -> tuple[str, str]:
    """The type and the id that the path names. Raises NotSupported."""
    words = call.params["entityType"]
    if words not in _LINKED:
        raise NotSupported(f"use cases link datasets and files here, not {words[:40]}")
    return words.removesuffix("s"), read_ref(call.params["entityId"])


def _reference(call: Call, link: Link) -> UseCaseReference:
    use_case, entity = show_id(_id(call)), show_id(link.id)
    return UseCaseReference(
        id=f"{use_case}:{entity}",
        entity_type=link.type,
        entity_id=entity,
        experiment_container_id=use_case,
        created_at=instant(link.created_at),
        created=user(link.created_by),
    )
