"""Pipe tables, for both clients: what there is. To make one, submit `create_pipe_table`."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from outlast.client.answers import PipeTable, PipeTablePage
from outlast.client.wire import Call, Request, decoding, path, query

if TYPE_CHECKING:
    from outlast.client.asynchronous import AsyncClient
    from outlast.client.sync import Client


class PipeTables:
    """The pipe tables of databases, which are named by id or name."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def list(self, database: str, *, limit: int | None = None) -> Iterator[PipeTable]:
        """The pipe tables of a database."""
        return self._client.pages(lambda token: _list_page(database, token), "pipe_tables", limit)

    def get(self, database: str, table: str) -> PipeTable:
        """One pipe table."""
        return self._client.call(_get(database, table))


class AsyncPipeTables:
    """The pipe tables of databases, which are named by id or name."""

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client

    def list(self, database: str, *, limit: int | None = None) -> AsyncIterator[PipeTable]:
        """The pipe tables of a database."""
        return self._client.pages(lambda token: _list_page(database, token), "pipe_tables", limit)

    async def get(self, database: str, table: str) -> PipeTable:
        """One pipe table."""
        return await self._client.call(_get(database, table))


def _list_page(database: str, page_token: str | None) -> Call[PipeTablePage]:
    where = path("databases", database, "pipe-tables")
    request = Request(method="GET", path=where, query=query(page_token=page_token))
    return Call(request, decoding(PipeTablePage))


def _get(database: str, table: str) -> Call[PipeTable]:
    where = path("databases", database, "pipe-tables", table)
    return Call(Request(method="GET", path=where), decoding(PipeTable))
