"""The routes of credentials: what a validation of an endpoint names."""

from typing import Final

from outlast.dialects.datarobot import encode
from outlast.dialects.datarobot.credentials import CreateCredentialRequest, CredentialResponse
from outlast.dialects.datarobot.ids import read_id, show_id
from outlast.dialects.datarobot.instants import instant
from outlast.dialects.datarobot.lists import Listed
from outlast.dialects.datarobot.words import PLATFORM
from outlast.engine.access import Verb
from outlast.http.datarobot.listing import WINDOW, gather, list_things, parse_window
from outlast.http.parsing import read_empty, read_json
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Route
from outlast.resources.credentials import CredentialDocument, Credentials
from outlast.resources.shelves import Kept

_ALL: Final = PLATFORM + "/credentials/"
_ONE: Final = _ALL + "{credentialId}/"
_PARAMS: Final = {"credentialId": "A credential's id."}


class CredentialRoutes:
    """The routes of credentials. What is in one is never shown."""

    def __init__(self, parts: Parts, credentials: Credentials) -> None:
        self._credentials = credentials
        self._bytes_max = parts.limits.body_bytes
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [
            Route(
                method="GET",
                path=_ALL,
                handle=self._list,
                says="List credentials",
                verb=Verb.READ,
                query=WINDOW,
                answers={200: Listed[CredentialResponse]},
            ),
            Route(
                method="POST",
                path=_ALL,
                handle=self._create,
                says="Keep a credential",
                verb=Verb.SUBMIT,
                body=CreateCredentialRequest,
                answers={201: CredentialResponse},
                errors=(
                    *("invalid_spec", "not_supported", "request_timeout", "store_full"),
                    "unsupported_media_type",
                ),
            ),
            Route(
                method="GET",
                path=_ONE,
                handle=self._get,
                says="Retrieve a credential",
                verb=Verb.READ,
                answers={200: CredentialResponse},
                params=_PARAMS,
            ),
            Route(
                method="DELETE",
                path=_ONE,
                handle=self._delete,
                says="Delete a credential; what was given its key keeps that",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=("request_timeout", "store_full"),
                params=_PARAMS,
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        found = await gather(
            lambda before_id: self._credentials.shelf.find(call.principal, before_id=before_id)
        )
        return Answer(body=encode(list_things(found, window, _shown)))

    async def _create(self, call: Call) -> Answer:
        request = await read_json(
            call, CreateCredentialRequest, self._bytes_max, self._body_seconds
        )
        made = await self._credentials.create(
            call.principal,
            request.name,
            request.credential_type,
            request.values,
            description=request.description,
            request_id=call.request_id,
        )
        return Answer(status=201, body=encode(_shown(made)))

    async def _get(self, call: Call) -> Answer:
        found = await self._credentials.shelf.get(call.principal, _id(call))
        return Answer(body=encode(_shown(found)))

    async def _delete(self, call: Call) -> Answer:
        await read_empty(call, self._bytes_max, self._body_seconds)
        await self._credentials.shelf.delete(call.principal, _id(call), request_id=call.request_id)
        return Answer(status=204)


def _id(call: Call) -> str:
    return read_id(call.params["credentialId"], "credentialId")


def _shown(found: Kept[CredentialDocument]) -> CredentialResponse:
    return CredentialResponse(
        credential_id=show_id(found.id),
        name=found.document.name,
        credential_type=found.document.kind,
        description=found.document.description,
        creation_date=instant(found.created_at),
    )
