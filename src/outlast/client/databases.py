"""Databases, for both clients. To make and remove one, submit `provision_database` and so on."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from outlast.client.database_answers import Credentials, Database, DatabasePage, DataSource
from outlast.client.wire import Call, Request, decoding, json_request, nothing, path, query

if TYPE_CHECKING:
    from outlast.client.asynchronous import AsyncClient
    from outlast.client.sync import Client


class Databases:
    """The databases of a client's tenant. A `ref` is an id or a name."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def list(self, *, limit: int | None = None) -> Iterator[Database]:
        """Databases, newest first."""
        return self._client.pages(_list_page, "databases", limit)

    def get(self, ref: str) -> Database:
        """One database."""
        return self._client.call(_get(ref))

    def download(self, ref: str) -> Iterator[bytes]:
        """The file of a DuckDB database. Raises Unreachable if it is cut off."""
        return self._client.download(_download(ref))

    def credentials(self, ref: str) -> Credentials:
        """How to connect to a PostgreSQL database."""
        return self._client.call(_credentials(ref))

    def attach(self, ref: str, data_source_id: str, name: str | None = None) -> DataSource:
        """Give a database another data source."""
        return self._client.call(_attach(ref, data_source_id, name))

    def replace(
        self, ref: str, old_data_source_id: str, data_source_id: str, name: str | None = None
    ) -> DataSource:
        """Put a data source in the place of another."""
        return self._client.call(_replace(ref, old_data_source_id, data_source_id, name))

    def detach(self, ref: str, data_source_id: str) -> None:
        """Take a data source from a database; the last one stays."""
        self._client.call(_detach(ref, data_source_id))


class AsyncDatabases:
    """The databases of a client's tenant. A `ref` is an id or a name."""

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client

    def list(self, *, limit: int | None = None) -> AsyncIterator[Database]:
        """Databases, newest first."""
        return self._client.pages(_list_page, "databases", limit)

    async def get(self, ref: str) -> Database:
        """One database."""
        return await self._client.call(_get(ref))

    def download(self, ref: str) -> AsyncIterator[bytes]:
        """The file of a DuckDB database. Raises Unreachable if it is cut off."""
        return self._client.download(_download(ref))

    async def credentials(self, ref: str) -> Credentials:
        """How to connect to a PostgreSQL database."""
        return await self._client.call(_credentials(ref))

    async def attach(self, ref: str, data_source_id: str, name: str | None = None) -> DataSource:
        """Give a database another data source."""
        return await self._client.call(_attach(ref, data_source_id, name))

    async def replace(
        self, ref: str, old_data_source_id: str, data_source_id: str, name: str | None = None
    ) -> DataSource:
        """Put a data source in the place of another."""
        return await self._client.call(_replace(ref, old_data_source_id, data_source_id, name))

    async def detach(self, ref: str, data_source_id: str) -> None:
        """Take a data source from a database; the last one stays."""
        await self._client.call(_detach(ref, data_source_id))


def _list_page(page_token: str | None) -> Call[DatabasePage]:
    request = Request(method="GET", path=path("databases"), query=query(page_token=page_token))
    return Call(request, decoding(DatabasePage))


def _get(ref: str) -> Call[Database]:
    return Call(Request(method="GET", path=path("databases", ref)), decoding(Database))


def _download(ref: str) -> Request:
    return Request(method="GET", path=path("databases", ref, "file"), read_seconds=600)


def _credentials(ref: str) -> Call[Credentials]:
    where = path("databases", ref, "credentials")
    return Call(Request(method="GET", path=where), decoding(Credentials))


def _attach(ref: str, data_source_id: str, name: str | None) -> Call[DataSource]:
    body = {"data_source_id": data_source_id, "name": name}
    where = path("databases", ref, "data-sources")
    return Call(json_request("POST", where, body, repeatable=False), decoding(DataSource))


def _replace(
    ref: str, old_data_source_id: str, data_source_id: str, name: str | None
) -> Call[DataSource]:
    body = {"data_source_id": data_source_id, "name": name}
    where = path("databases", ref, "data-sources", old_data_source_id)
    return Call(json_request("PUT", where, body, repeatable=False), decoding(DataSource))


def _detach(ref: str, data_source_id: str) -> Call[None]:
    where = path("databases", ref, "data-sources", data_source_id)
    return Call(Request(method="DELETE", path=where), nothing)
