"""Vector databases, for both clients. To make one, submit `build_vector_database`."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from outlast.client.wire import Call, Request, decoding, json_request, nothing, path, query

if TYPE_CHECKING:
    from outlast.client.asynchronous import AsyncClient
    from outlast.client.sync import Client

Filters = Mapping[str, str | float | bool | Sequence[str | float | bool]]


class VectorDatabase(msgspec.Struct, frozen=True, kw_only=True):
    """A vector database. `status` is building, ready or failed.

    `operation_id` made it, makes it, or failed to. What is built with a `parent` is the next
    version of its `family`.
    """

    id: str
    name: str
    family: str
    version: int
    status: str
    embedding_model: str
    created_at: datetime
    created_by: str = ""
    operation_id: str = ""
    chunking: dict[str, Any] = {}
    dataset: str | None = None
    dataset_version: str | None = None
    file: str | None = None
    source_name: str = ""
    parent: str | None = None
    use_case: str | None = None
    bytes: int = 0
    documents: int = 0
    chunks: int = 0
    dimensions: int = 0


class VectorDatabasePage(msgspec.Struct, frozen=True, kw_only=True):
    """A slice of a list of vector databases."""

    vector_databases: Sequence[VectorDatabase]
    next_page_token: str | None = None


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that was found. `score` is 1 for the same direction, and less the farther it is."""

    chunk: int
    document: str
    text: str
    score: float
    page: int | None = None
    metadata: dict[str, Any] = {}


class Hits(msgspec.Struct, frozen=True, kw_only=True):
    """The chunks that were found, nearest first."""

    hits: Sequence[Hit]


class VectorDatabases:
    """The vector databases of a client's tenant. A `ref` is an id, or a name: the newest of it."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def list(
        self, *, name: str | None = None, family: str | None = None, limit: int | None = None
    ) -> Iterator[VectorDatabase]:
        """Vector databases, newest first."""
        return self._client.pages(
            lambda token: _list_page(name, family, token), "vector_databases", limit
        )

    def get(self, ref: str) -> VectorDatabase:
        """One vector database."""
        return self._client.call(_get(ref))

    def delete(self, ref: str) -> None:
        """Delete a vector database."""
        self._client.call(_delete(ref))

    def search(
        self,
        ref: str,
        text: str,
        *,
        limit: int = 5,
        filters: Filters | None = None,
        score_min: float | None = None,
    ) -> Sequence[Hit]:
        """The chunks nearest to a text, nearest first."""
        return self._client.call(_search(ref, text, limit, filters, score_min)).hits


class AsyncVectorDatabases:
    """The vector databases of a client's tenant. A `ref` is an id, or a name: the newest of it."""

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client

    def list(
        self, *, name: str | None = None, family: str | None = None, limit: int | None = None
    ) -> AsyncIterator[VectorDatabase]:
        """Vector databases, newest first."""
        return self._client.pages(
            lambda token: _list_page(name, family, token), "vector_databases", limit
        )

    async def get(self, ref: str) -> VectorDatabase:
        """One vector database."""
        return await self._client.call(_get(ref))

    async def delete(self, ref: str) -> None:
        """Delete a vector database."""
        await self._client.call(_delete(ref))

    async def search(
        self,
        ref: str,
        text: str,
        *,
        limit: int = 5,
        filters: Filters | None = None,
        score_min: float | None = None,
    ) -> Sequence[Hit]:
        """The chunks nearest to a text, nearest first."""
        return (await self._client.call(_search(ref, text, limit, filters, score_min))).hits


def _list_page(
    name: str | None, family: str | None, page_token: str | None
) -> Call[VectorDatabasePage]:
    wanted = query(name=name, family=family, page_token=page_token)
    request = Request(method="GET", path=path("vector-databases"), query=wanted)
    return Call(request, decoding(VectorDatabasePage))


def _get(ref: str) -> Call[VectorDatabase]:
    where = path("vector-databases", ref)
    return Call(Request(method="GET", path=where), decoding(VectorDatabase))


def _delete(ref: str) -> Call[None]:
    return Call(Request(method="DELETE", path=path("vector-databases", ref)), nothing)


def _search(
    ref: str, text: str, limit: int, filters: Filters | None, score_min: float | None
) -> Call[Hits]:
    body: dict[str, Any] = {"text": text, "limit": limit, "filters": filters or {}}
    if score_min is not None:
        body["score_min"] = score_min
    where = path("vector-databases", ref, "search")
    return Call(json_request("POST", where, body, repeatable=True), decoding(Hits))
