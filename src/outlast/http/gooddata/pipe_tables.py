"""The routes of pipe tables."""

from collections.abc import Sequence
from typing import Any, Final

from outlast.dialects.gooddata import encode
from outlast.dialects.gooddata.ids import show_id
from outlast.dialects.gooddata.pipe_tables import (
    BUCKETS,
    POLLED_NEVER,
    ColumnInfo,
    CreatePipeTableRequest,
    DistributionConfig,
    KeyConfig,
    ListPipeTables,
    PartitionConfig,
    PipeTableDocument,
    PipeTableSummary,
    creation_spec,
    partition_type,
    table_document,
    table_list,
    wire_path,
)
from outlast.dialects.gooddata.pipe_tables import PipeTable as ShownTable
from outlast.dialects.gooddata.words import OperationKind
from outlast.engine.access import Verb
from outlast.http.gooddata.databases import INSTANCE, INSTANCE_PARAMS
from outlast.http.gooddata.listing import (
    FIND_MAX,
    THERE,
    WINDOW,
    gather,
    parse_window,
    place_of,
)
from outlast.http.gooddata.operations import ACCEPT_ERRORS, ACCEPTED, OPERATION_ID, accept
from outlast.http.parsing import read_empty, read_json
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Route
from outlast.operations.errors import NotFound
from outlast.resources.pipe_tables.library import PipeTables
from outlast.resources.pipe_tables.model import Definition, PipeTable

_TABLES: Final = INSTANCE + "/pipeTables"
_TABLE: Final = _TABLES + "/{tableName}"
_PARAMS: Final = {**INSTANCE_PARAMS, "tableName": "A pipe table's name."}


class PipeTableRoutes:
    """The routes of pipe tables. One that is being made is not there yet."""

    def __init__(self, parts: Parts, tables: PipeTables) -> None:
        self._engine = parts.engine
        self._tables = tables
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._reading(), *self._starting()]

    def _reading(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=_TABLES,
                handle=self._list,
                says="List the pipe tables of a database instance",
                verb=Verb.READ,
                query=WINDOW,
                answers={200: ListPipeTables},
                errors=("not_found",),
                params=_PARAMS,
            ),
            Route(
                method="GET",
                path=_TABLE,
                handle=self._get,
                says="Get a pipe table",
                verb=Verb.READ,
                answers={200: PipeTableDocument},
                errors=("not_found",),
                params=_PARAMS,
            ),
        ]

    def _starting(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path=_TABLES,
                handle=self._create,
                says="Create a pipe table over files of an object storage",
                verb=Verb.SUBMIT,
                headers=(OPERATION_ID,),
                body=CreatePipeTableRequest,
                answers=ACCEPTED,
                errors=ACCEPT_ERRORS,
                params=_PARAMS,
            ),
            Route(
                method="DELETE",
                path=_TABLE,
                handle=self._delete,
                says="Delete a pipe table",
                verb=Verb.SUBMIT,
                headers=(OPERATION_ID,),
                answers=ACCEPTED,
                errors=ACCEPT_ERRORS,
                params=_PARAMS,
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        database = call.params["instanceId"]

        async def find(before_id: str | None) -> Sequence[PipeTable]:
            return await self._tables.find(
                call.principal, database, before_id=before_id, limit=FIND_MAX
            )

        shown = [_summary(one) for one in await gather(find, window)]
        return Answer(body=encode(table_list(shown, window)))

    async def _get(self, call: Call) -> Answer:
        name = call.params["tableName"]
        table = await self._tables.get(call.principal, call.params["instanceId"], name)
        if table.status not in THERE:
            raise NotFound(f"the pipe table {name!r} is not there yet")
        return Answer(body=encode(table_document(_shown(table), place_of(call))))

    async def _create(self, call: Call) -> Answer:
        limits = self._engine.limits
        request = await read_json(
            call, CreatePipeTableRequest, limits.body_bytes, self._body_seconds
        )
        spec = creation_spec(call.params["instanceId"], request)
        kind = OperationKind.CREATE_PIPE_TABLE
        return await accept(self._engine, call, kind, spec, wire_path=wire_path)

    async def _delete(self, call: Call) -> Answer:
        await read_empty(call, self._engine.limits.body_bytes, self._body_seconds)
        spec = {"database": call.params["instanceId"], "table": call.params["tableName"]}
        kind = OperationKind.DELETE_PIPE_TABLE
        return await accept(self._engine, call, kind, spec, wire_path=wire_path)


def _summary(table: PipeTable) -> PipeTableSummary:
    return PipeTableSummary(**_summary_fields(table))


def _summary_fields(table: PipeTable) -> dict[str, Any]:
    return {
        "pipe_table_id": show_id(table.id),
        "table_name": table.name,
        "path_prefix": table.definition.path_prefix,
        "columns": [ColumnInfo(name=one.name, type=one.type) for one in table.contents.columns],
    }


def _shown(table: PipeTable) -> ShownTable:
    wanted = table.definition
    return ShownTable(
        **_summary_fields(table),
        database_name=table.database_name,
        source_storage_name=wanted.storage,
        partition_columns=table.contents.partition_columns,
        polling_interval_seconds=wanted.polling_seconds or POLLED_NEVER,
        table_properties=wanted.table_properties,
        **_configs(wanted),
    )


def _configs(wanted: Definition) -> dict[str, Any]:
    key, distribution, partition = wanted.key, wanted.distribution, wanted.partition
    configs: dict[str, Any] = {
        # What holds where nothing was asked for: rows all stay, and nothing spreads them.
        "key_config": KeyConfig(type="duplicate"),
        "distribution_config": DistributionConfig(type="random", buckets=BUCKETS),
    }
    if key is not None:
        configs["key_config"] = KeyConfig(type=key.type, columns=_columns(key.columns))
    if distribution is not None:
        configs["distribution_config"] = DistributionConfig(
            type=distribution.type,
            columns=_columns(distribution.columns),
            buckets=distribution.buckets or BUCKETS,
        )
    if partition is not None:
        configs["partition_config"] = PartitionConfig(
            type=partition_type(partition.type),
            columns=_columns(partition.columns),
            column=partition.column,
            unit=partition.unit,
            slices=partition.slices,
        )
    return configs


def _columns(names: Sequence[str]) -> Sequence[str] | None:
    return names or None
