"""Vector databases: what there is, and what is near to a text. Operations build and export them."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from outlast.engine.access import Verb
from outlast.http.listing import PAGE, PAGE_SIZE
from outlast.http.paging import page_position, page_token
from outlast.http.parsing import parse_integer, read_json
from outlast.http.rendering import Instant, encode, instant
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.resources.vector_databases.filtering import Scalar
from outlast.resources.vector_databases.library import HITS_MAX, TEXT_CHARS_MAX, VectorDatabases
from outlast.resources.vector_databases.model import (
    Chunking,
    Hit,
    Status,
    VectorDatabase,
)
from outlast.settings import Limits

_FILTERS = ("name", "family", "use_case")
_ASKING = ("backend_refused", "backend_failed", "backend_timed_out", "rate_limited")


class VectorDatabaseView(msgspec.Struct, frozen=True, kw_only=True):
    """A vector database. `operation_id` made it, makes it, or failed to."""

    id: str
    name: str
    family: str
    version: int
    status: Status
    embedding_model: str
    chunking: Chunking
    dataset: str | None
    dataset_version: str | None
    file: str | None
    source_name: str
    parent: str | None
    use_case: str | None
    bytes: int
    documents: int
    chunks: int
    dimensions: int
    created_at: Instant
    created_by: str
    operation_id: str


class VectorDatabasesView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of vector databases, newest first."""

    vector_databases: Sequence[VectorDatabaseView]
    next_page_token: str | None


class SearchBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for. Of each filter, the field of a chunk's metadata is this, or one of these.

    `document` and `page` can be filtered by too. `score_min` leaves out what is less near.
    """

    text: Annotated[str, Meta(min_length=1, max_length=TEXT_CHARS_MAX)]
    limit: Annotated[int, Meta(ge=1, le=HITS_MAX)] = 5
    filters: dict[str, Scalar | list[Scalar]] = {}
    score_min: Annotated[float, Meta(ge=-1, le=1)] | None = None


class HitsView(msgspec.Struct, frozen=True, kw_only=True):
    """The chunks that were found, nearest first."""

    hits: Sequence[Hit]


class VectorDatabaseRoutes:
    """The routes of /v1/vector-databases."""

    def __init__(
        self, vector_databases: VectorDatabases, limits: Limits, body_seconds: float
    ) -> None:
        self._vector_databases = vector_databases
        self._limits = limits
        self._body_seconds = body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        path, one = "/v1/vector-databases", "/v1/vector-databases/{vector_database}"
        filters = tuple(
            Parameter(name=name, schema={"type": "string"}, says=f"Only those of the {name}.")
            for name in _FILTERS
        )
        return [
            Route(
                method="GET",
                path=path,
                handle=self._list,
                says="Vector databases, newest first",
                verb=Verb.READ,
                query=(*filters, *PAGE),
                answers={200: VectorDatabasesView},
                errors=("invalid_page_token",),
            ),
            Route(
                method="GET",
                path=one,
                handle=self._get,
                says="A vector database, by its id or name",
                verb=Verb.READ,
                answers={200: VectorDatabaseView},
                errors=("not_found",),
            ),
            Route(
                method="DELETE",
                path=one,
                handle=self._delete,
                says="Delete a vector database",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=("not_found", "conflict", "store_full"),
            ),
            Route(
                method="POST",
                path=one + "/search",
                handle=self._search,
                says="The chunks of a vector database that are nearest to a text",
                verb=Verb.SUBMIT,
                body=SearchBody,
                answers={200: HitsView},
                errors=(
                    *("not_found", "conflict", "invalid_spec", "request_timeout", "too_large"),
                    *("unsupported_media_type", "store_full", *_ASKING),
                ),
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        limit = parse_integer(call, "page_size", PAGE_SIZE, 1, self._limits.page_size)
        token = call.one("page_token")
        name, family, use_case = (call.one(field) for field in _FILTERS)
        bound_to = ["vector_databases", call.principal.tenant, name, family, use_case]
        found = await self._vector_databases.find(
            call.principal,
            name=name,
            family=family,
            use_case=use_case,
            before_id=None if token is None else page_position(token, bound_to),
            limit=limit + 1,
        )
        page = found[:limit]
        view = VectorDatabasesView(
            vector_databases=[_view(one) for one in page],
            next_page_token=page_token(page[-1].id, bound_to) if len(found) > limit else None,
        )
        return Answer(body=encode(view))

    async def _get(self, call: Call) -> Answer:
        found = await self._vector_databases.get(call.principal, call.params["vector_database"])
        return Answer(body=encode(_view(found)))

    async def _delete(self, call: Call) -> Answer:
        await self._vector_databases.delete(
            call.principal, call.params["vector_database"], request_id=call.request_id
        )
        return Answer(status=204)

    async def _search(self, call: Call) -> Answer:
        body = await read_json(call, SearchBody, self._limits.body_bytes, self._body_seconds)
        hits = await self._vector_databases.search(
            call.principal,
            call.params["vector_database"],
            body.text,
            limit=body.limit,
            filters=body.filters,
            score_min=body.score_min,
        )
        return Answer(body=encode(HitsView(hits=hits)))


def _view(found: VectorDatabase) -> VectorDatabaseView:
    fields = msgspec.structs.asdict(found)
    del fields["updated_at"]
    return VectorDatabaseView(**fields | {"created_at": instant(found.created_at)})
