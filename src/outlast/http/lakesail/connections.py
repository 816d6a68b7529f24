"""The routes of connections: whether one works is told by an operation."""

from operator import attrgetter
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET

from outlast.dialects.lakesail.connections import (
    REGION,
    STATUSES,
    ConnectionList,
    CreateConnectionRequest,
    UpdateConnectionRequest,
    read_config,
    show_config,
    wire_path,
)
from outlast.dialects.lakesail.connections import Connection as ShownConnection
from outlast.dialects.lakesail.ids import show_id, show_name
from outlast.dialects.lakesail.names import to_camel, to_snake
from outlast.engine.access import Verb
from outlast.http.lakesail.answering import ANSWER_MEDIA, BASE, WINDOW, Window, answered
from outlast.http.lakesail.including import NamedOperations
from outlast.http.parsing import read_empty, read_json
from outlast.http.parts import Parts
from outlast.http.renaming import renaming
from outlast.http.routing import Answer, Call, Route
from outlast.operations.instants import show_instant
from outlast.resources.connections import Connection, ConnectionChange, Connections

ALL: Final = BASE + "/infra/connections"
_ONE: Final = ALL + "/{connection}"
_PARAMS: Final = {"connection": "A connection's id, or its name."}
_LOOK_ERRORS: Final = (
    "conflict",
    "request_timeout",
    "revision_mismatch",
    "store_full",
    "too_many_pending",
)
_BODY_ERRORS: Final = ("invalid_spec", "outbound_refused", "unsupported_media_type", *_LOOK_ERRORS)

_Body = TypeVar("_Body", bound=msgspec.Struct)


class ConnectionRoutes:
    """The routes of connections."""

    def __init__(self, parts: Parts, connections: Connections) -> None:
        self._engine = parts.engine
        self._connections = connections
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._reading(), *self._changing()]

    def _reading(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=ALL,
                handle=self._list,
                says="List cloud accounts",
                verb=Verb.READ,
                query=WINDOW,
                answers={200: ConnectionList},
                answer_media=ANSWER_MEDIA,
                errors=("invalid_page_token",),
            ),
            Route(
                method="GET",
                path=_ONE,
                handle=self._get,
                says="Get a connection",
                verb=Verb.READ,
                answers={200: ShownConnection},
                answer_media=ANSWER_MEDIA,
                errors=("not_found",),
                params=_PARAMS,
            ),
        ]

    def _changing(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path=ALL,
                handle=self._create,
                says="Create a connection; an operation looks whether it works",
                verb=Verb.SUBMIT,
                body=CreateConnectionRequest,
                answers={201: ShownConnection},
                answer_media=ANSWER_MEDIA,
                errors=("resource_exists", *_BODY_ERRORS),
            ),
            Route(
                method="PATCH",
                path=_ONE,
                handle=self._update,
                says="Update a connection; an operation looks whether it still works",
                verb=Verb.SUBMIT,
                body=UpdateConnectionRequest,
                answers={200: ShownConnection},
                answer_media=ANSWER_MEDIA,
                errors=("not_found", "secret_missing", *_BODY_ERRORS),
                params=_PARAMS,
            ),
            Route(
                method="POST",
                path=_ONE + "/validate",
                handle=self._validate,
                says="Look again whether a connection works",
                verb=Verb.SUBMIT,
                answers={202: ShownConnection},
                answer_media=ANSWER_MEDIA,
                errors=("not_found", "outbound_refused", *_LOOK_ERRORS),
                params=_PARAMS,
            ),
            Route(
                method="DELETE",
                path=_ONE,
                handle=self._delete,
                says="Delete a connection that nothing uses",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=("not_found", "conflict", "resource_in_use", "store_full"),
                params=_PARAMS,
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        window = Window(call, "connections")
        found = await self._connections.find(
            call.principal, before_id=window.before_id, limit=window.limit + 1
        )
        shown, marker = window.cut(
            found[: window.limit], attrgetter("id"), has_more=len(found) > window.limit
        )
        named = await self._named(call, *shown)
        listed = ConnectionList(
            items=[show_connection(one, named) for one in shown],
            included=named.included,
            marker=UNSET if marker is None else marker,
        )
        return answered(listed)

    async def _get(self, call: Call) -> Answer:
        found = await self._connections.get(call.principal, call.params["connection"])
        return await self._shown(call, found)

    async def _create(self, call: Call) -> Answer:
        body = await self._body(call, CreateConnectionRequest)
        with renaming(wire_path):
            made = await self._connections.create(
                call.principal,
                body.name,
                body.provider,
                region=body.provider_config.get(REGION),
                settings=read_config(body.provider_config),
                secrets={to_snake(name): text for name, text in body.credentials.items()},
                request_id=call.request_id,
            )
        return await self._shown(call, made, 201)

    async def _update(self, call: Call) -> Answer:
        body = await self._body(call, UpdateConnectionRequest)
        config = body.provider_config
        change = ConnectionChange(
            region=None if config is None else config.get(REGION),
            settings=None if config is None else read_config(config),
            secrets={to_snake(name): text for name, text in body.credentials.items()},
        )
        with renaming(wire_path):
            changed = await self._connections.update(
                call.principal, call.params["connection"], change, request_id=call.request_id
            )
        return await self._shown(call, changed)

    async def _validate(self, call: Call) -> Answer:
        await read_empty(call, self._engine.limits.body_bytes, self._body_seconds)
        found = await self._connections.validate(
            call.principal, call.params["connection"], request_id=call.request_id
        )
        return await self._shown(call, found, 202)

    async def _delete(self, call: Call) -> Answer:
        await self._connections.delete(
            call.principal, call.params["connection"], request_id=call.request_id
        )
        return Answer(status=204)

    async def _body(self, call: Call, type: type[_Body]) -> _Body:
        return await read_json(call, type, self._engine.limits.body_bytes, self._body_seconds)

    async def _named(self, call: Call, *connections: Connection) -> NamedOperations:
        ids = (one.operation_id for one in connections)
        return await NamedOperations.find(self._engine, call.principal, ids)

    async def _shown(self, call: Call, connection: Connection, status: int = 200) -> Answer:
        named = await self._named(call, connection)
        return answered(show_connection(connection, named), status)


def show_connection(connection: Connection, named: NamedOperations) -> ShownConnection:
    """A connection as the wire has it."""
    is_failed = connection.status == "failed"
    return ShownConnection(
        id=show_id(connection.id),
        name=connection.name,
        provider=connection.provider,
        provider_config=show_config(connection.region, connection.settings, connection.identity),
        credential_names=[to_camel(name) for name in connection.secret_names],
        status=STATUSES[connection.status],
        status_message=named.why_failed(connection.operation_id) if is_failed else UNSET,
        operation_id=show_id(connection.operation_id),
        created_at=show_instant(connection.created_at),
        created_by=show_name(connection.created_by),
        updated_at=show_instant(connection.updated_at),
    )
