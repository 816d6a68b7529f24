"""What a pipe table is, and how it is named. Pure.

In the catalog stands `pipe_table`, under an id that follows from its database's id and its own
name. Whose work is under way is told as for databases: the indexed field `operation_id` is the
operation that makes or removes it, and until the document has an `operation_id` it is not made.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from outlast.operations import documents, ids
from outlast.operations.errors import Conflict, NotFound
from outlast.operations.kind import CatalogWrite, Resource
from outlast.operations.schedules import ScheduleDocument, schedule_write

PIPE_TABLE: Final = "pipe_table"
OWNER: Final = "operation_id"
REFRESH: Final = "refresh_pipe_table"
"""The kind that keeps a table up with its files."""

TABLE_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_RANDOM_BITS: Final = 52
_SECOND: Final = 1_000_000

Status = Literal["creating", "ready", "deleting", "abandoned"]
"""`abandoned`: what made it has ended without success. It counts as not there; its name is free."""

KeyType = Literal["primary", "unique", "duplicate", "aggregate"]
Aggregation = Literal["SUM", "MIN", "MAX", "REPLACE", "REPLACE_IF_NOT_NULL"]
TimeUnit = Literal[
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


class Key(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What rows with the same values in some columns are to each other.

    `primary` and `unique`: a later row takes the place of an earlier one; in a primary key no value
    is null. `aggregate`: the other columns are merged. `duplicate`: they all stay.
    """

    type: KeyType
    columns: tuple[str, ...] = ()


class Distribution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an engine of several machines would spread the rows. Recorded."""

    type: Literal["hash", "random"]
    columns: tuple[str, ...] = ()
    buckets: int | None = None


class Partition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an engine would divide the rows. Recorded.

    `column` has `columns`; `date_trunc` a `column` and a `unit`; `time_slice` also `slices`.
    """

    type: Literal["column", "date_trunc", "time_slice"]
    columns: tuple[str, ...] = ()
    column: str | None = None
    unit: TimeUnit | None = None
    slices: int | None = None


class ColumnExpression(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A column that is computed from another one."""

    column: str
    function: Literal["HLL_HASH", "BITMAP_HASH", "BITMAP_HASH64", "TO_BITMAP"]


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """What a pipe table shall be: see `definition.check_definition`."""

    storage: str
    path_prefix: str
    column_overrides: Mapping[str, str] = {}
    column_expressions: Mapping[str, ColumnExpression] = {}
    aggregation_overrides: Mapping[str, Aggregation] = {}
    key: Key | None = None
    distribution: Distribution | None = None
    partition: Partition | None = None
    varchar_chars_max: int | None = None
    polling_seconds: int | None = None
    table_properties: Mapping[str, str] = {}


class TableColumn(msgspec.Struct, frozen=True):
    """A column of the table: its name, and its type as `column_types` writes it."""

    name: str
    type: str


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a table: the rows there now, and the files and bytes that it was loaded from.

    `columns` end with those of the partitions. `fingerprint` is that of the last listing whose
    files are all loaded.
    """

    columns: tuple[TableColumn, ...] = ()
    partition_columns: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0
    rows: int = 0
    fingerprint: str | None = None


class PipeTableDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of a pipe table.

    `operation_id` is the operation that made it, once it has; `loaded_by` the last one that changed
    its contents. `database` is an id.
    """

    database: str
    table: str
    definition: Definition
    created_by: str = ""
    operation_id: str | None = None
    loaded_by: str | None = None
    contents: Contents = Contents()


class PipeTable(msgspec.Struct, frozen=True, kw_only=True):
    """A pipe table as callers see it."""

    id: str
    name: str
    database: str
    database_name: str
    status: Status
    definition: Definition
    contents: Contents
    created_at: int
    created_by: str
    operation_id: str
    loaded_by: str | None


class NewContents(msgspec.Struct, frozen=True, kw_only=True, tag="pipe_table"):
    """What a handler returns in `Finish.writes` to tell what a pipe table has become.

    `pipe_table` is its id. `is_loaded`: rows were loaded; else only the listing has changed.
    """

    pipe_table: str
    contents: Contents
    is_loaded: bool = True


class RemovedPipeTable(msgspec.Struct, frozen=True, kw_only=True, tag="pipe_table_removal"):
    """What a handler returns in `Finish.writes` once the table is no more."""

    pipe_table: str


def pipe_table_id(database: str, table: str) -> str:
    """The id of a pipe table."""
    digest = hashlib.sha256(f"{database}/{table}".encode()).digest()
    bits = int.from_bytes(digest[:8]) >> (64 - _RANDOM_BITS)
    return ids.make_id(ids.created_at(database), bits)


def full_name(database: str, table: str) -> str:
    """What a pipe table is called in the catalog: names are unique in a database only."""
    return f"{database}/{table}"


def new_pipe_table(
    database: str, table: str, definition: Definition, taken_over: Resource | None
) -> CatalogWrite:
    """The write that keeps a table's name for the operation that makes it.

    `taken_over` is one of this name that was never made.
    """
    document = PipeTableDocument(database=database, table=table, definition=definition)
    return CatalogWrite(
        type=PIPE_TABLE,
        id=pipe_table_id(database, table),
        name=full_name(database, table),
        document=documents.encode(document),
        fields={"database": database},
        expected_revision=0 if taken_over is None else taken_over.revision,
        is_owned=True,
    )


def change_pipe_table(found: Resource, document: PipeTableDocument) -> CatalogWrite:
    """The write of a table's document, if it is still as it was found."""
    return CatalogWrite(
        type=PIPE_TABLE,
        id=found.id,
        name=found.name,
        document=documents.encode(document),
        fields=found.fields,
        expected_revision=found.revision,
    )


def refresh_schedule(id: str, document: PipeTableDocument, now: int) -> CatalogWrite | None:
    """The write of the schedule that keeps a table up with its files, if it wants one.

    The schedule bears the table's id, and goes with it.
    """
    every = document.definition.polling_seconds
    if every is None:
        return None
    schedule = ScheduleDocument(
        kind=REFRESH,
        spec={"database": document.database, "table": document.table},
        every_seconds=every,
        anchor_at=now,
        resource_type=PIPE_TABLE,
        resource_id=id,
        created_by=document.created_by,
        belongs_to=f"{PIPE_TABLE}/{id}",
    )
    return schedule_write(id, schedule, now + every * _SECOND)


def pipe_table_document(resource: Resource) -> PipeTableDocument:
    """What a pipe table's resource says."""
    return msgspec.json.decode(resource.document, type=PipeTableDocument)


def no_pipe_table(database: str, table: str) -> NotFound:
    """There is no such pipe table."""
    return NotFound(f"the database {database!r} has no pipe table {table[:80]!r}")


def not_ready(table: str, status: Status) -> Conflict:
    """The table is being made or removed."""
    return Conflict(f"the pipe table {table!r} is {status}", details={"status": status})
