"""Connections, for both clients. Each change is looked at by the operation `operation_id`."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from outlast.client.wire import Call, Request, decoding, json_request, nothing, path, query

if TYPE_CHECKING:
    from outlast.client.asynchronous import AsyncClient
    from outlast.client.sync import Client


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A connection. `status` is validating, ready or failed.

    `operation_id` was asked last whether it works; `identity` is what the provider answered.
    """

    id: str
    name: str
    provider: str
    status: str
    created_at: datetime
    updated_at: datetime
    region: str | None = None
    settings: Mapping[str, str] = {}
    secret_names: Sequence[str] = ()
    identity: Mapping[str, str] = {}
    validated_at: datetime | None = None
    created_by: str = ""
    operation_id: str = ""


class ConnectionPage(msgspec.Struct, frozen=True, kw_only=True):
    """A slice of a list of connections."""

    connections: Sequence[Connection]
    next_page_token: str | None = None


class Connections:
    """The connections of a client's tenant. A `ref` is an id or a name."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def create(
        self,
        name: str,
        provider: str,
        *,
        region: str | None = None,
        settings: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> Connection:
        """A new connection, which an operation looks at."""
        return self._client.call(_create(name, provider, region, settings, secrets))

    def list(self, *, limit: int | None = None) -> Iterator[Connection]:
        """Connections, newest first."""
        return self._client.pages(_list_page, "connections", limit)

    def get(self, ref: str) -> Connection:
        """One connection."""
        return self._client.call(_get(ref))

    def update(
        self,
        ref: str,
        *,
        region: str | None = None,
        settings: Mapping[str, str] | None = None,
        secrets: Mapping[str, str | None] | None = None,
    ) -> Connection:
        """The connection with what is given in place of what it had; None takes a secret away."""
        return self._client.call(_update(ref, region, settings, secrets))

    def validate(self, ref: str) -> Connection:
        """The connection, which an operation looks at again."""
        return self._client.call(_validate(ref))

    def delete(self, ref: str) -> None:
        """Delete a connection that no stack uses."""
        self._client.call(_delete(ref))


class AsyncConnections:
    """The connections of a client's tenant. A `ref` is an id or a name."""

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client

    async def create(
        self,
        name: str,
        provider: str,
        *,
        region: str | None = None,
        settings: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> Connection:
        """A new connection, which an operation looks at."""
        return await self._client.call(_create(name, provider, region, settings, secrets))

    def list(self, *, limit: int | None = None) -> AsyncIterator[Connection]:
        """Connections, newest first."""
        return self._client.pages(_list_page, "connections", limit)

    async def get(self, ref: str) -> Connection:
        """One connection."""
        return await self._client.call(_get(ref))

    async def update(
        self,
        ref: str,
        *,
        region: str | None = None,
        settings: Mapping[str, str] | None = None,
        secrets: Mapping[str, str | None] | None = None,
    ) -> Connection:
        """The connection with what is given in place of what it had; None takes a secret away."""
        return await self._client.call(_update(ref, region, settings, secrets))

    async def validate(self, ref: str) -> Connection:
        """The connection, which an operation looks at again."""
        return await self._client.call(_validate(ref))

    async def delete(self, ref: str) -> None:
        """Delete a connection that no stack uses."""
        await self._client.call(_delete(ref))


def _create(
    name: str,
    provider: str,
    region: str | None,
    settings: Mapping[str, str] | None,
    secrets: Mapping[str, str] | None,
) -> Call[Connection]:
    body: dict[str, object] = {"name": name, "provider": provider, "region": region}
    body |= {"settings": settings, "secrets": secrets}
    return Call(json_request("POST", path("connections"), body), decoding(Connection))


def _list_page(page_token: str | None) -> Call[ConnectionPage]:
    request = Request(method="GET", path=path("connections"), query=query(page_token=page_token))
    return Call(request, decoding(ConnectionPage))


def _get(ref: str) -> Call[Connection]:
    return Call(Request(method="GET", path=path("connections", ref)), decoding(Connection))


def _update(
    ref: str,
    region: str | None,
    settings: Mapping[str, str] | None,
    secrets: Mapping[str, str | None] | None,
) -> Call[Connection]:
    changes = {"region": region, "settings": settings, "secrets": secrets}
    return Call(json_request("PATCH", path("connections", ref), changes), decoding(Connection))


def _validate(ref: str) -> Call[Connection]:
    where = path("connections", ref, "validate")
    return Call(Request(method="POST", path=where), decoding(Connection))


def _delete(ref: str) -> Call[None]:
    return Call(Request(method="DELETE", path=path("connections", ref)), nothing)
