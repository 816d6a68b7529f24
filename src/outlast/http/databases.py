"""Databases: what there is, and how to reach it. Operations make, change and remove them."""

from collections.abc import Sequence

import msgspec

from outlast.engine.access import Verb
from outlast.http.files import OCTETS
from outlast.http.listing import PAGE, PAGE_SIZE
from outlast.http.paging import page_position, page_token
from outlast.http.parsing import parse_integer, read_json
from outlast.http.rendering import Instant, encode, instant
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.http.streaming import begin
from outlast.resources.databases.library import Credentials, Databases
from outlast.resources.databases.model import Database, DataSource, EngineName, Status
from outlast.settings import Limits

_BODY_ERRORS = ("request_timeout", "too_large", "unsupported_media_type")


class DatabaseView(msgspec.Struct, frozen=True, kw_only=True):
    """A database. `operation_id` made it, makes it or removes it."""

    id: str
    name: str
    engine: EngineName
    status: Status
    storages: Sequence[str]
    data_sources: Sequence[DataSource]
    bytes: int
    created_at: Instant
    created_by: str
    operation_id: str


class DatabasesView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of databases, newest first."""

    databases: Sequence[DatabaseView]
    next_page_token: str | None


class DataSourceBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A data source, which is called as its id where it has no name."""

    data_source_id: str
    name: str | None = None


class DatabaseRoutes:
    """The routes of /v1/databases."""

    def __init__(self, databases: Databases, limits: Limits, body_seconds: float) -> None:
        self._databases = databases
        self._limits = limits
        self._body_seconds = body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._reading(), *self._of_data_sources()]

    def _reading(self) -> list[Route]:
        path, one = "/v1/databases", "/v1/databases/{database}"
        name = Parameter(name="name", schema={"type": "string"}, says="Only the one called so.")
        return [
            Route(
                method="GET",
                path=path,
                handle=self._list,
                says="Databases, newest first",
                verb=Verb.READ,
                query=(name, *PAGE),
                answers={200: DatabasesView},
                errors=("invalid_page_token",),
            ),
            Route(
                method="GET",
                path=one,
                handle=self._get,
                says="A database, by its id or name",
                verb=Verb.READ,
                answers={200: DatabaseView},
                errors=("not_found",),
            ),
            Route(
                method="GET",
                path=one + "/file",
                handle=self._file,
                says="The file of a DuckDB database",
                verb=Verb.READ,
                answers={200: bytes},
                answer_media=(OCTETS,),
                errors=("not_found", "conflict"),
            ),
            Route(
                method="GET",
                path=one + "/credentials",
                handle=self._credentials,
                says="How to connect to a PostgreSQL database; it stands in the audit log",
                verb=Verb.READ_SECRETS,
                answers={200: Credentials},
                errors=("not_found", "conflict", "secret_missing"),
            ),
        ]

    def _of_data_sources(self) -> list[Route]:
        path = "/v1/databases/{database}/data-sources"
        errors = ("not_found", "conflict", "revision_mismatch", "store_full")
        return [
            Route(
                method="POST",
                path=path,
                handle=self._attach,
                says="Give a database another data source",
                verb=Verb.SUBMIT,
                body=DataSourceBody,
                answers={201: DataSource},
                errors=(*errors, "resource_exists", "invalid_spec", *_BODY_ERRORS),
            ),
            Route(
                method="PUT",
                path=path + "/{data_source}",
                handle=self._replace,
                says="Put a data source in the place of another",
                verb=Verb.SUBMIT,
                body=DataSourceBody,
                answers={200: DataSource},
                errors=(*errors, "resource_exists", "invalid_spec", *_BODY_ERRORS),
            ),
            Route(
                method="DELETE",
                path=path + "/{data_source}",
                handle=self._detach,
                says="Take a data source from a database; the last one stays",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=errors,
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        limit = parse_integer(call, "page_size", PAGE_SIZE, 1, self._limits.page_size)
        name, token = call.one("name"), call.one("page_token")
        bound_to = ["databases", call.principal.tenant, name]
        found = await self._databases.find(
            call.principal,
            name=name,
            before_id=None if token is None else page_position(token, bound_to),
            limit=limit + 1,
        )
        page = found[:limit]
        next_token = page_token(page[-1].id, bound_to) if len(found) > limit else None
        listed = [_view(database) for database in page]
        return Answer(body=encode(DatabasesView(databases=listed, next_page_token=next_token)))

    async def _get(self, call: Call) -> Answer:
        found = await self._databases.get(call.principal, call.params["database"])
        return Answer(body=encode(_view(found)))

    async def _file(self, call: Call) -> Answer:
        found, chunks = await self._databases.read_file(call.principal, call.params["database"])
        return Answer(
            media=OCTETS.encode(),
            headers=[
                (b"content-length", b"%d" % found.bytes),
                (b"content-disposition", f'attachment; filename="{found.name}.duckdb"'.encode()),
            ],
            # Begun here: what cannot be read is an error, not a broken file.
            stream=await begin(chunks),
        )

    async def _credentials(self, call: Call) -> Answer:
        shown = await self._databases.credentials(
            call.principal, call.params["database"], request_id=call.request_id
        )
        return Answer(body=encode(shown))

    async def _attach(self, call: Call) -> Answer:
        body = await self._body(call)
        made = await self._databases.attach(
            call.principal,
            call.params["database"],
            body.data_source_id,
            body.name,
            request_id=call.request_id,
        )
        return Answer(status=201, body=encode(made))

    async def _replace(self, call: Call) -> Answer:
        body = await self._body(call)
        made = await self._databases.replace_data_source(
            call.principal,
            call.params["database"],
            call.params["data_source"],
            body.data_source_id,
            body.name,
            request_id=call.request_id,
        )
        return Answer(body=encode(made))

    async def _detach(self, call: Call) -> Answer:
        await self._databases.detach(
            call.principal,
            call.params["database"],
            call.params["data_source"],
            request_id=call.request_id,
        )
        return Answer(status=204)

    async def _body(self, call: Call) -> DataSourceBody:
        return await read_json(call, DataSourceBody, self._limits.body_bytes, self._body_seconds)


def _view(database: Database) -> DatabaseView:
    return DatabaseView(
        id=database.id,
        name=database.name,
        engine=database.engine,
        status=database.status,
        storages=database.storages,
        data_sources=database.data_sources,
        bytes=database.bytes,
        created_at=instant(database.created_at),
        created_by=database.created_by,
        operation_id=database.operation_id,
    )
