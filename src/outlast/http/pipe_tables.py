"""Pipe tables of databases: what there is. Operations make, refresh and remove them."""

from collections.abc import Mapping, Sequence

import msgspec

from outlast.engine.access import Verb
from outlast.http.listing import PAGE, PAGE_SIZE
from outlast.http.paging import page_position, page_token
from outlast.http.parsing import parse_integer
from outlast.http.rendering import Instant, encode, instant
from outlast.http.routing import Answer, Call, Route
from outlast.resources.pipe_tables.library import PipeTables
from outlast.resources.pipe_tables.model import (
    Aggregation,
    Distribution,
    Key,
    Partition,
    PipeTable,
    Status,
    TableColumn,
)
from outlast.settings import Limits


class PipeTableView(msgspec.Struct, frozen=True, kw_only=True):
    """A pipe table. `files` and `bytes` are what it was loaded from, `rows` what it has now.

    `operation_id` made it, makes it or removes it; `loaded_by` loaded rows last.
    """

    id: str
    table: str
    database: str
    database_name: str
    status: Status
    storage: str
    path_prefix: str
    columns: Sequence[TableColumn]
    partition_columns: Sequence[str]
    key: Key | None
    distribution: Distribution | None
    partition: Partition | None
    column_overrides: Mapping[str, str]
    aggregation_overrides: Mapping[str, Aggregation]
    varchar_chars_max: int | None
    polling_seconds: int | None
    table_properties: Mapping[str, str]
    files: int
    bytes: int
    rows: int
    created_at: Instant
    created_by: str
    operation_id: str
    loaded_by: str | None


class PipeTablesView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of pipe tables."""

    pipe_tables: Sequence[PipeTableView]
    next_page_token: str | None


class PipeTableRoutes:
    """The routes of /v1/databases/{database}/pipe-tables."""

    def __init__(self, pipe_tables: PipeTables, limits: Limits) -> None:
        self._pipe_tables = pipe_tables
        self._limits = limits

    def routes(self) -> list[Route]:
        """The routes, documented."""
        path = "/v1/databases/{database}/pipe-tables"
        return [
            Route(
                method="GET",
                path=path,
                handle=self._list,
                says="The pipe tables of a database",
                verb=Verb.READ,
                query=PAGE,
                answers={200: PipeTablesView},
                errors=("invalid_page_token", "not_found"),
            ),
            Route(
                method="GET",
                path=path + "/{table}",
                handle=self._get,
                says="A pipe table",
                verb=Verb.READ,
                answers={200: PipeTableView},
                errors=("not_found",),
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        limit = parse_integer(call, "page_size", PAGE_SIZE, 1, self._limits.page_size)
        database, token = call.params["database"], call.one("page_token")
        bound_to = ["pipe_tables", call.principal.tenant, database]
        found = await self._pipe_tables.find(
            call.principal,
            database,
            before_id=None if token is None else page_position(token, bound_to),
            limit=limit + 1,
        )
        page = found[:limit]
        next_token = page_token(page[-1].id, bound_to) if len(found) > limit else None
        listed = [_view(table) for table in page]
        return Answer(body=encode(PipeTablesView(pipe_tables=listed, next_page_token=next_token)))

    async def _get(self, call: Call) -> Answer:
        params = call.params
        found = await self._pipe_tables.get(call.principal, params["database"], params["table"])
        return Answer(body=encode(_view(found)))


def _view(table: PipeTable) -> PipeTableView:
    wanted, contents = table.definition, table.contents
    return PipeTableView(
        id=table.id,
        table=table.name,
        database=table.database,
        database_name=table.database_name,
        status=table.status,
        storage=wanted.storage,
        path_prefix=wanted.path_prefix,
        columns=contents.columns,
        partition_columns=contents.partition_columns,
        key=wanted.key,
        distribution=wanted.distribution,
        partition=wanted.partition,
        column_overrides=wanted.column_overrides,
        aggregation_overrides=wanted.aggregation_overrides,
        varchar_chars_max=wanted.varchar_chars_max,
        polling_seconds=wanted.polling_seconds,
        table_properties=wanted.table_properties,
        files=contents.files,
        bytes=contents.bytes,
        rows=contents.rows,
        created_at=instant(table.created_at),
        created_by=table.created_by,
        operation_id=table.operation_id,
        loaded_by=table.loaded_by,
    )
