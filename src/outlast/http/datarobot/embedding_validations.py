"""The routes of validations: endpoints that embed, which vector databases may then be built with.

Behind each is a connection. An operation looks whether it works, when it is made and changed.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from outlast.dialects.datarobot import encode
from outlast.dialects.datarobot.credentials import key_of
from outlast.dialects.datarobot.embedding_validations import (
    PROVIDER,
    STATUSES,
    CreateValidationRequest,
    EditValidationRequest,
    ValidationResponse,
)
from outlast.dialects.datarobot.ids import read_id, show_id
from outlast.dialects.datarobot.instants import instant
from outlast.dialects.datarobot.lists import Listed
from outlast.dialects.datarobot.words import GENAI
from outlast.engine.access import Principal, Verb
from outlast.http.datarobot.accepting import ACCEPT_ERRORS, accepted
from outlast.http.datarobot.listing import SEARCH, WINDOW, gather, list_things, parse_window
from outlast.http.datarobot.ordering import (
    ordered,
    parse_switch,
    sort_parameter,
    switch_parameter,
)
from outlast.http.parsing import read_empty, read_json
from outlast.http.parts import Parts
from outlast.http.renaming import renaming
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.operations.errors import NotFound, NotSupported
from outlast.resources.connections import Connection, ConnectionChange, Connections
from outlast.resources.credentials import Credentials
from outlast.resources.use_cases import UseCases

_ALL: Final = GENAI + "/openaiEmbeddingValidations/"
_ONE: Final = _ALL + "{validationId}/"
_PARAMS: Final = {"validationId": "A validation's id."}
_SORTS: Final[Mapping[str, Callable[[Connection], Any]]] = {
    "name": lambda one: one.settings.get("title", one.name),
    "creationDate": lambda one: one.created_at,
    "model": lambda one: one.settings["model"],
    "userId": lambda one: one.created_by,
}
_NAMES: Final = {
    "settings.base_url": "baseUrl",
    "settings.model": "model",
    "settings.title": "name",
    "secrets.api_key": "credentialId",
}
_ERRORS: Final = (*ACCEPT_ERRORS, "not_supported", "outbound_refused", "secret_missing")


class ValidationRoutes:
    """The routes of validations."""

    def __init__(self, parts: Parts, connections: Connections, credentials: Credentials) -> None:
        self._engine = parts.engine
        self._connections = connections
        self._credentials = credentials
        self._use_cases = UseCases(parts.engine.store).shelf
        self._bytes_max = parts.limits.body_bytes
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._of_all(), *self._of_one()]

    def _of_all(self) -> list[Route]:
        use_case = Parameter(
            name="useCaseId",
            schema={"type": "string"},
            says="Only those of these use cases.",
            is_repeatable=True,
        )
        model = Parameter(name="model", schema={"type": "string"}, says="Only those of this model.")
        done = switch_parameter("completedOnly", "Only those that are not being looked at.")
        return [
            Route(
                method="GET",
                path=_ALL,
                handle=self._list,
                says="List validations of endpoints that embed",
                verb=Verb.READ,
                query=(*WINDOW, use_case, model, SEARCH, sort_parameter(_SORTS), done),
                answers={200: Listed[ValidationResponse]},
            ),
            Route(
                method="POST",
                path=_ALL,
                handle=self._create,
                says="Validate an endpoint that embeds",
                verb=Verb.SUBMIT,
                body=CreateValidationRequest,
                answers={202: ValidationResponse},
                errors=_ERRORS,
            ),
        ]

    def _of_one(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=_ONE,
                handle=self._get,
                says="Retrieve a validation",
                verb=Verb.READ,
                answers={200: ValidationResponse},
                params=_PARAMS,
            ),
            Route(
                method="PATCH",
                path=_ONE,
                handle=self._edit,
                says="Change what is validated, and validate it again",
                verb=Verb.SUBMIT,
                body=EditValidationRequest,
                answers={202: ValidationResponse},
                errors=_ERRORS,
                params=_PARAMS,
            ),
            Route(
                method="POST",
                path=_ONE + "revalidate/",
                handle=self._again,
                says="Validate an endpoint again",
                verb=Verb.SUBMIT,
                answers={202: ValidationResponse},
                errors=_ERRORS,
                params=_PARAMS,
            ),
            Route(
                method="DELETE",
                path=_ONE,
                handle=self._delete,
                says="Delete a validation",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=("conflict", "request_timeout", "resource_in_use", "store_full"),
                params=_PARAMS,
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        found = [one for one in await self._all(call.principal) if _is_wanted(one, call)]
        sorted_ = ordered(call, found, _SORTS)
        shown = {one.id: await self._shown(call.principal, one) for one in window.cut(sorted_)}
        return Answer(body=encode(list_things(sorted_, window, lambda one: shown[one.id])))

    async def _all(self, principal: Principal) -> Sequence[Connection]:
        found = await gather(
            lambda before_id: self._connections.find(principal, before_id=before_id, limit=1000)
        )
        return [one for one in found if one.provider == PROVIDER]

    async def _create(self, call: Call) -> Answer:
        request = await read_json(
            call, CreateValidationRequest, self._bytes_max, self._body_seconds
        )
        _check_extra(request.extra_body_params)
        use_case = await self._use_cases.get(
            call.principal, read_id(request.use_case_id, "useCaseId")
        )
        settings = {
            "base_url": request.base_url,
            "model": request.model,
            "title": request.name,
            "use_case": use_case.id,
        }
        keys = await self._keys(call, request.credential_id, settings)
        with renaming(_wire_path):
            made = await self._connections.create(
                call.principal,
                f"embeddings-{secrets.token_hex(8)}",
                PROVIDER,
                settings=settings,
                secrets=keys,
                request_id=call.request_id,
            )
        return await self._accepted(call, made)

    async def _get(self, call: Call) -> Answer:
        return Answer(body=encode(await self._shown(call.principal, await self._found(call))))

    async def _edit(self, call: Call) -> Answer:
        request = await read_json(call, EditValidationRequest, self._bytes_max, self._body_seconds)
        _check_extra(request.extra_body_params)
        found = await self._found(call)
        given = {"base_url": request.base_url, "model": request.model, "title": request.name}
        settings = dict(found.settings)
        settings |= {name: value for name, value in given.items() if value is not None}
        credential = request.credential_id or settings.get("credential")
        keys = await self._keys(call, credential, settings)
        change = ConnectionChange(settings=settings, secrets=keys)
        with renaming(_wire_path):
            changed = await self._connections.update(
                call.principal, found.id, change, request_id=call.request_id
            )
        return await self._accepted(call, changed)

    async def _again(self, call: Call) -> Answer:
        await read_empty(call, self._bytes_max, self._body_seconds)
        found = await self._found(call)
        again = await self._connections.validate(
            call.principal, found.id, request_id=call.request_id
        )
        return await self._accepted(call, again)

    async def _delete(self, call: Call) -> Answer:
        await read_empty(call, self._bytes_max, self._body_seconds)
        found = await self._found(call)
        await self._connections.delete(call.principal, found.id, request_id=call.request_id)
        return Answer(status=204)

    async def _keys(
        self, call: Call, credential: str | None, settings: dict[str, str]
    ) -> dict[str, str]:
        """The key that a credential holds, which the settings then name."""
        if credential is None:
            return {}
        id = read_id(credential, "credentialId")
        values = await self._credentials.open(call.principal, id, request_id=call.request_id)
        settings["credential"] = id
        return {"api_key": key_of(values)}

    async def _found(self, call: Call) -> Connection:
        id = read_id(call.params["validationId"], "validationId")
        try:
            found = await self._connections.get(call.principal, id)
        except NotFound:
            found = None
        if found is None or found.provider != PROVIDER:
            raise NotFound(f"there is no validation {id!r}")
        return found

    async def _accepted(self, call: Call, made: Connection) -> Answer:
        operation = await self._engine.get(call.principal, made.operation_id)
        return accepted(call, operation, await self._shown(call.principal, made))

    async def _shown(self, principal: Principal, found: Connection) -> ValidationResponse:
        settings, told = found.settings, found.identity
        credential, use_case = settings.get("credential"), settings.get("use_case")
        return ValidationResponse(
            id=show_id(found.id),
            name=settings.get("title", found.name),
            validation_status=STATUSES[found.status],
            model=settings["model"],
            base_url=settings["base_url"],
            credential_id=None if credential is None else show_id(credential),
            tenant_id=show_id(principal.tenant),
            user_id=found.created_by,
            user_name=found.created_by,
            creation_date=instant(found.created_at),
            use_case_id=None if use_case is None else show_id(use_case),
            error_message=await self._error(principal, found),
            dimensions=int(told["dimensions"]) if "dimensions" in told else None,
            latency_ms=int(told["latency_ms"]) if "latency_ms" in told else None,
        )

    async def _error(self, principal: Principal, found: Connection) -> str | None:
        if found.status != "failed":
            return None
        try:
            failure = (await self._engine.get(principal, found.operation_id)).failure
        except NotFound:
            return "The operation that looked at it is no longer kept."
        return "The operation was cancelled." if failure is None else failure.message


def _is_wanted(found: Connection, call: Call) -> bool:
    use_cases = {read_id(one, "useCaseId") for one in call.query.get("useCaseId", ())}
    model, settings = call.one("model"), found.settings
    return (
        (call.one("search") or "").lower() in settings.get("title", "").lower()
        and (model is None or settings["model"] == model)
        and (not use_cases or settings.get("use_case") in use_cases)
        and not (parse_switch(call, "completedOnly") and found.status == "validating")
    )


def _check_extra(params: Sequence[Any] | None) -> None:
    if params:
        raise NotSupported("an endpoint is asked without parameters of its own here")


def _wire_path(path: str) -> str:
    return _NAMES.get(path, path)
