"""Pipe tables on the wire."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from outlast.dialects.gooddata.errors import renamed
from outlast.dialects.gooddata.lists import Item, Links, Listed, Window, listed

PIPE_TABLE: Final = "pipeTable"
POLLING_SECONDS: Final = 300
"""How often a table looks for new files that is not told how often: none, and 0, ask for it."""

POLLED_NEVER: Final = 0
"""What is shown of a table that was made natively, and is loaded once."""

BUCKETS: Final = 1
"""How many buckets rows are spread over unless it is said."""

_INT32: Final = 2**31 - 1
_PARTITIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"column": "column", "dateTrunc": "date_trunc", "timeSlice": "time_slice"}
)
_TYPES: Final = MappingProxyType({ours: theirs for theirs, ours in _PARTITIONS.items()})

Unit = Literal[
    "year",
    "quarter",
    "month",
    "week",
    "day",
    "hour",
    "minute",
    "second",
    "millisecond",
    "microsecond",
]
Count = Annotated[int, msgspec.Meta(ge=1, le=_INT32)]


class ColumnExpression(msgspec.Struct, frozen=True, kw_only=True):
    """A column that is computed from another one."""

    column: str
    function: Literal["HLL_HASH", "BITMAP_HASH", "BITMAP_HASH64", "TO_BITMAP"]


class KeyConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What rows with the same values in some columns are to each other."""

    type: Literal["primary", "unique", "duplicate", "aggregate"]
    columns: Sequence[str] | None = None


class DistributionConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How rows are spread."""

    type: Literal["hash", "random"]
    columns: Sequence[str] | None = None
    buckets: Count | None = None


class PartitionConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How rows are divided: by `columns`; by `column` and `unit`; by these and `slices`."""

    type: Literal["column", "dateTrunc", "timeSlice"]
    columns: Sequence[str] | None = None
    column: str | None = None
    unit: Unit | None = None
    slices: Count | None = None


class CreatePipeTableRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A table to make of files."""

    path_prefix: str
    source_storage_name: str
    table_name: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_-]{0,62}$")]
    column_overrides: dict[str, str] | None = None
    column_expressions: dict[str, ColumnExpression] | None = None
    aggregation_overrides: dict[str, str] | None = None
    key_config: KeyConfig | None = None
    distribution_config: DistributionConfig | None = None
    partition_config: PartitionConfig | None = None
    max_varchar_length: Annotated[int, msgspec.Meta(ge=0, le=_INT32)] | None = None
    polling_interval_seconds: Annotated[int, msgspec.Meta(ge=0, le=_INT32)] | None = None
    table_properties: dict[str, str] | None = None


class ColumnInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A column: its name, and its SQL type."""

    name: str
    type: str


class PipeTableSummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A pipe table as lists have it."""

    pipe_table_id: str
    table_name: str
    path_prefix: str
    columns: Sequence[ColumnInfo]


class PipeTable(PipeTableSummary, frozen=True, kw_only=True, rename="camel"):
    """A pipe table."""

    database_name: str
    source_storage_name: str
    partition_columns: Sequence[str]
    polling_interval_seconds: int
    table_properties: Mapping[str, str]
    key_config: KeyConfig
    distribution_config: DistributionConfig
    partition_config: PartitionConfig | UnsetType = UNSET


class PipeTableDocument(PipeTable, frozen=True, kw_only=True, rename="camel"):
    """A pipe table in the forms of both generations."""

    data: Item[PipeTable]
    links: Links


class ListPipeTables(Listed[PipeTableSummary], frozen=True, kw_only=True, rename="camel"):
    """The pipe tables of a database."""

    pipe_tables: Sequence[PipeTableSummary]


_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "database": "instanceId",
        "table": "tableName",
        "storage": "sourceStorageName",
        "path_prefix": "pathPrefix",
        "column_overrides": "columnOverrides",
        "column_expressions": "columnExpressions",
        "aggregation_overrides": "aggregationOverrides",
        "key": "keyConfig",
        "distribution": "distributionConfig",
        "partition": "partitionConfig",
        "varchar_chars_max": "maxVarcharLength",
        "polling_seconds": "pollingIntervalSeconds",
        "table_properties": "tableProperties",
    }
)

DEFAULT_PROPERTIES: Final[Mapping[str, str]] = MappingProxyType({"replication_num": "1"})


def wire_path(path: str) -> str:
    """What a field of our specs is called here."""
    return renamed(path, _NAMES)


def creation_spec(database: str, request: CreatePipeTableRequest) -> dict[str, Any]:
    """The spec of what a request asks for."""
    partition = request.partition_config
    values = {
        "column_overrides": request.column_overrides,
        "column_expressions": request.column_expressions,
        "aggregation_overrides": request.aggregation_overrides,
        "key": request.key_config,
        "distribution": request.distribution_config,
        "partition": partition and _config(partition) | {"type": _PARTITIONS[partition.type]},
        "varchar_chars_max": request.max_varchar_length,
        "polling_seconds": request.polling_interval_seconds or POLLING_SECONDS,
    }
    properties = request.table_properties
    spec = {
        "database": database,
        "table": request.table_name,
        "storage": request.source_storage_name,
        "path_prefix": request.path_prefix,
        "table_properties": dict(DEFAULT_PROPERTIES) if properties is None else properties,
    }
    # What is empty, or nought, is what is not asked for.
    return spec | {name: _config(value) for name, value in values.items() if value}


def partition_type(ours: str) -> Any:
    """What the wire calls a way to divide rows."""
    return _TYPES[ours]


def table_document(table: PipeTable, url: str) -> PipeTableDocument:
    """A pipe table in the forms of both generations."""
    return PipeTableDocument(
        **msgspec.structs.asdict(table),
        data=Item(id=table.pipe_table_id, type=PIPE_TABLE, attributes=table),
        links=Links(url=url),
    )


def table_list(tables: Sequence[PipeTableSummary], window: Window) -> ListPipeTables:
    """The pipe tables that a window shows."""
    shown, beside = listed(PIPE_TABLE, tables, lambda one: one.pipe_table_id, window)
    return ListPipeTables(pipe_tables=shown, **beside)


def _config(value: object) -> Any:
    """A value of a request as plain JSON, without what was left out."""
    plain = msgspec.to_builtins(value)
    if isinstance(plain, dict):
        return {name: one for name, one in plain.items() if one is not None}
    return plain
