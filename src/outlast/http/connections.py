"""Connections: made, changed and looked at; whether one works is told by an operation."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from outlast.engine.access import Verb
from outlast.http.listing import PAGE, PAGE_SIZE
from outlast.http.paging import page_position, page_token
from outlast.http.parsing import parse_integer, read_empty, read_json
from outlast.http.rendering import Instant, encode, instant, instant_or_none
from outlast.http.routing import Answer, Call, Route
from outlast.resources.connections import Connection, ConnectionChange, Connections
from outlast.resources.connections.model import Status
from outlast.settings import Limits

_BODY_ERRORS: Final = ("invalid_spec", "request_timeout", "too_large", "unsupported_media_type")
_MADE_ERRORS: Final = (
    "outbound_refused",
    "store_full",
    "too_many_pending",
    "revision_mismatch",
    *_BODY_ERRORS,
)


_Body = TypeVar("_Body", bound=msgspec.Struct)


class ConnectionBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new connection. `secrets` are sealed, and never told again."""

    name: str
    provider: str
    region: str | None = None
    settings: dict[str, str] = {}
    secrets: dict[str, str] = {}


class ConnectionChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shall be different; what is left out stays. A secret that is null is taken away.

    `settings` are replaced as a whole, and then all secrets are given again.
    """

    region: str | None = None
    settings: dict[str, str] | None = None
    secrets: dict[str, str | None] = {}


class ConnectionView(msgspec.Struct, frozen=True, kw_only=True):
    """A connection. `operation_id` was asked last whether it works; `identity` is the answer."""

    id: str
    name: str
    provider: str
    region: str | None
    settings: Mapping[str, str]
    secret_names: Sequence[str]
    status: Status
    identity: Mapping[str, str]
    validated_at: Instant | None
    created_at: Instant
    created_by: str
    updated_at: Instant
    operation_id: str


class ConnectionsView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of connections, newest first."""

    connections: Sequence[ConnectionView]
    next_page_token: str | None


class ConnectionRoutes:
    """The routes of /v1/connections."""

    def __init__(self, connections: Connections, limits: Limits, body_seconds: float) -> None:
        self._connections = connections
        self._limits = limits
        self._body_seconds = body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._reading(), *self._changing()]

    def _reading(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/v1/connections",
                handle=self._list,
                says="Connections, newest first",
                verb=Verb.READ,
                query=PAGE,
                answers={200: ConnectionsView},
                errors=("invalid_page_token",),
            ),
            Route(
                method="GET",
                path="/v1/connections/{connection}",
                handle=self._get,
                says="A connection, by its id or name",
                verb=Verb.READ,
                answers={200: ConnectionView},
                errors=("not_found",),
            ),
        ]

    def _changing(self) -> list[Route]:
        path, one = "/v1/connections", "/v1/connections/{connection}"
        return [
            Route(
                method="POST",
                path=path,
                handle=self._create,
                says="Make a connection; an operation looks whether it works",
                verb=Verb.SUBMIT,
                body=ConnectionBody,
                answers={201: ConnectionView},
                errors=("resource_exists", *_MADE_ERRORS),
            ),
            Route(
                method="PATCH",
                path=one,
                handle=self._update,
                says="Change a connection; an operation looks whether it still works",
                verb=Verb.SUBMIT,
                body=ConnectionChanges,
                answers={200: ConnectionView},
                errors=("not_found", "secret_missing", *_MADE_ERRORS),
            ),
            Route(
                method="POST",
                path=one + "/validate",
                handle=self._validate,
                says="Look again whether a connection works",
                verb=Verb.SUBMIT,
                answers={202: ConnectionView},
                errors=("not_found", "store_full", "too_many_pending", "revision_mismatch"),
            ),
            Route(
                method="DELETE",
                path=one,
                handle=self._delete,
                says="Delete a connection that no stack uses",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=("not_found", "conflict", "resource_in_use", "store_full"),
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        limit = parse_integer(call, "page_size", PAGE_SIZE, 1, self._limits.page_size)
        token, bound_to = call.one("page_token"), ["connections", call.principal.tenant]
        found = await self._connections.find(
            call.principal,
            before_id=None if token is None else page_position(token, bound_to),
            limit=limit + 1,
        )
        page = found[:limit]
        next_token = page_token(page[-1].id, bound_to) if len(found) > limit else None
        listed = [_view(one) for one in page]
        return Answer(body=encode(ConnectionsView(connections=listed, next_page_token=next_token)))

    async def _get(self, call: Call) -> Answer:
        found = await self._connections.get(call.principal, call.params["connection"])
        return Answer(body=encode(_view(found)))

    async def _create(self, call: Call) -> Answer:
        body = await self._body(call, ConnectionBody)
        made = await self._connections.create(
            call.principal,
            body.name,
            body.provider,
            region=body.region,
            settings=body.settings,
            secrets=body.secrets,
            request_id=call.request_id,
        )
        location = f"/v1/connections/{made.id}".encode()
        return Answer(status=201, headers=[(b"location", location)], body=encode(_view(made)))

    async def _update(self, call: Call) -> Answer:
        body = await self._body(call, ConnectionChanges)
        change = ConnectionChange(region=body.region, settings=body.settings, secrets=body.secrets)
        changed = await self._connections.update(
            call.principal, call.params["connection"], change, request_id=call.request_id
        )
        return Answer(body=encode(_view(changed)))

    async def _validate(self, call: Call) -> Answer:
        await read_empty(call, self._limits.body_bytes, self._body_seconds)
        found = await self._connections.validate(
            call.principal, call.params["connection"], request_id=call.request_id
        )
        return Answer(status=202, body=encode(_view(found)))

    async def _delete(self, call: Call) -> Answer:
        await self._connections.delete(
            call.principal, call.params["connection"], request_id=call.request_id
        )
        return Answer(status=204)

    async def _body(self, call: Call, type: type[_Body]) -> _Body:
        return await read_json(call, type, self._limits.body_bytes, self._body_seconds)


def _view(connection: Connection) -> ConnectionView:
    return ConnectionView(
        id=connection.id,
        name=connection.name,
        provider=connection.provider,
        region=connection.region,
        settings=connection.settings,
        secret_names=connection.secret_names,
        status=connection.status,
        identity=connection.identity,
        validated_at=instant_or_none(connection.validated_at),
        created_at=instant(connection.created_at),
        created_by=connection.created_by,
        updated_at=instant(connection.updated_at),
        operation_id=connection.operation_id,
    )
