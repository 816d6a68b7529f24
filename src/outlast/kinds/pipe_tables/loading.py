"""Loads files into a table of a DuckDB database, and merges rows of one key. In a locked child.

Rows come in the order of the files' keys, and in a file's own order. With a key, a later row meets
an earlier one, in this load or in one before, as the key's type says.
"""

import outlast.resources.datasets.frugal  # noqa: F401  # isort: skip  it must come first

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import duckdb
import pyarrow as pa

from outlast.kinds.databases.duck import quoted
from outlast.kinds.pipe_tables.calls import LoadArguments, Loaded, LocalFile
from outlast.kinds.pipe_tables.reading import Allowance, infer_types, read_rows
from outlast.kinds.pipe_tables.tables import count_rows, loaded_files, make_table, remember_files
from outlast.operations.errors import Invalid
from outlast.operations.progress import Report
from outlast.resources.datasets.tables import check_names
from outlast.resources.pipe_tables.column_types import ColumnType, capped, parse_type
from outlast.resources.pipe_tables.definition import check_against_columns
from outlast.resources.pipe_tables.listing import partition_types
from outlast.resources.pipe_tables.model import Aggregation, Definition, TableColumn

Tell: TypeAlias = Callable[[Report], object]
"""Says how far a load has come."""

_ROWS_AT_ONCE: Final = 65_536
_INCOMING: Final = "_outlast_incoming"
_MERGED: Final = "_outlast_merged"
_ORDER: Final = "_outlast_order"
_FILE_ROWS_BITS: Final = 40
"""The place of a row is the number of its file, then its own in as many bits."""

_MERGES: Final[Mapping[Aggregation, str]] = {
    "SUM": "sum({0})",
    "MIN": "min({0})",
    "MAX": "max({0})",
    "REPLACE": "arg_max_null({0}, {1})",
    "REPLACE_IF_NOT_NULL": "arg_max({0}, {1})",
}


def load_files(
    connection: duckdb.DuckDBPyConnection,
    call: LoadArguments,
    workdir: Path,
    tell: Tell,
    *,
    is_there: bool | None = None,
) -> Loaded:
    """Load files into a table. Raises Invalid, TooLarge.

    It is made unless it `is_there`; None: it is, if its columns are known.
    """
    known = loaded_files(connection, call.table)
    for file in call.files:
        if file.key in known:
            raise Invalid(f"{file.key}: was loaded before")
    allowance = Allowance(call.unpacked_bytes_max)
    types, partition_columns = _columns(call, workdir, allowance)
    connection.execute("BEGIN")
    if not (bool(call.contents.columns) if is_there is None else is_there):
        key = call.definition.key
        is_primary = key is not None and key.type == "primary"
        not_null = key.columns if key is not None and is_primary else ()
        make_table(connection, call.table, types, not_null=not_null)
    loader = _Loader(connection, call.table, types, call.definition, tell)
    rows = [
        loader.load(number, file, partition_columns, workdir, allowance)
        for number, file in enumerate(call.files)
    ]
    loader.merge(call.files)
    remember_files(connection, call.table, call.files, rows, call.operation_id)
    connection.execute("COMMIT")
    return Loaded(
        columns=tuple(TableColumn(name, type.text) for name, type in types.items()),
        partition_columns=tuple(partition_columns),
        rows_loaded=sum(rows),
        rows=count_rows(connection, call.table),
    )


def ignore(report: Report) -> None:
    """Who is told where nobody listens."""
    _ = report


def _columns(
    call: LoadArguments, workdir: Path, allowance: Allowance
) -> tuple[dict[str, ColumnType], Sequence[str]]:
    """The columns of the table, and which of them the folders tell."""
    contents, definition = call.contents, call.definition
    if contents.columns:
        types = {column.name: parse_type(column.type) for column in contents.columns}
        return types, contents.partition_columns
    types = infer_types(call.files, definition.column_overrides, workdir, allowance)
    folders = partition_types([file.partition for file in call.files])
    for name, type in folders.items():
        if name in types:
            raise Invalid(f"column {name[:200]!r} is in files and in their paths")
        override = definition.column_overrides.get(name)
        types[name] = type if override is None else parse_type(override)
    types = {name: capped(type, definition.varchar_chars_max) for name, type in types.items()}
    check_names(list(types))
    check_against_columns(definition, types)
    return types, tuple(folders)


class _Loader:
    """Brings rows into a table: right away, or, if it has a key, once all are there."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: str,
        types: Mapping[str, ColumnType],
        definition: Definition,
        tell: Tell,
    ) -> None:
        self._connection = connection
        self._tell = tell
        self._rows = 0
        self._table = quoted(table)
        self._types = types
        self._aggregations = definition.aggregation_overrides
        key = definition.key
        self._key = () if key is None or key.type == "duplicate" else key.columns
        self._is_primary = key is not None and key.type == "primary"
        self._target = self._table
        if self._key:
            self._target = _INCOMING
            connection.execute(
                f"CREATE TEMP TABLE {_INCOMING} AS SELECT *, 0::BIGINT AS {_ORDER}"  # noqa: S608  checked and quoted names
                f" FROM {self._table} LIMIT 0"
            )

    def load(
        self,
        number: int,
        file: LocalFile,
        partition_columns: Sequence[str],
        workdir: Path,
        allowance: Allowance,
    ) -> int:
        """The rows of one file; how many."""
        waiting: list[pa.RecordBatch] = []
        rows = waiting_rows = 0
        for batch in read_rows(file, self._types, partition_columns, workdir, allowance):
            waiting.append(batch)
            waiting_rows += len(batch)
            if waiting_rows >= _ROWS_AT_ONCE:
                self._insert(waiting, (number << _FILE_ROWS_BITS) + rows)
                rows, waiting, waiting_rows = rows + waiting_rows, [], 0
        if waiting:
            self._insert(waiting, (number << _FILE_ROWS_BITS) + rows)
        return rows + waiting_rows

    def merge(self, files: Sequence[LocalFile]) -> None:
        """Let rows of one key meet. Raises Invalid for a null in a primary key."""
        if not self._key:
            return
        if self._is_primary:
            self._refuse_nulls(files)
        keys = [quoted(name) for name in self._key]
        values = [
            f"{self._merge_of(name)} AS {quoted(name)}" if name not in self._key else quoted(name)
            for name in self._types
        ]
        same = " AND ".join(f"old.{key} IS NOT DISTINCT FROM new.{key}" for key in keys)
        met = f"SELECT old.*, -1 AS {_ORDER} FROM {self._table} old SEMI JOIN {_INCOMING} new ON {same}"  # noqa: S608, E501
        rows = f"SELECT * FROM {_INCOMING} UNION ALL BY NAME {met}"  # noqa: S608
        merged = f"SELECT {', '.join(values)} FROM ({rows}) GROUP BY {', '.join(keys)}"  # noqa: S608
        # All of them checked and quoted names.
        self._run(
            f"CREATE TEMP TABLE {_MERGED} AS {merged} ORDER BY max({_ORDER})",
            f"DELETE FROM {self._table} old USING {_MERGED} new WHERE {same}",  # noqa: S608
            f"INSERT INTO {self._table} BY NAME SELECT * FROM {_MERGED}",  # noqa: S608
            f"DROP TABLE {_MERGED}",
            f"DROP TABLE {_INCOMING}",
        )

    def _insert(self, batches: Sequence[pa.RecordBatch], first: int) -> None:
        rows = pa.Table.from_batches(batches)
        if self._key:
            places = pa.array(range(first, first + len(rows)), pa.int64())
            rows = rows.append_column(_ORDER, places)
        self._connection.register("_outlast_rows", rows)
        self._rows += len(rows)
        self._run(f"INSERT INTO {self._target} BY NAME SELECT * FROM _outlast_rows")  # noqa: S608  names of ours
        self._connection.unregister("_outlast_rows")
        self._tell(Report(message=f"{self._rows} rows read"))

    def _merge_of(self, name: str) -> str:
        merge = _MERGES[self._aggregations.get(name, "REPLACE")]
        return f"CAST({merge.format(quoted(name), _ORDER)} AS {self._types[name].duckdb})"

    def _refuse_nulls(self, files: Sequence[LocalFile]) -> None:
        for name in self._key:
            found = self._connection.execute(
                f"SELECT min({_ORDER}) FROM {_INCOMING} WHERE {quoted(name)} IS NULL"  # noqa: S608  checked and quoted names
            ).fetchone()
            if found is not None and found[0] is not None:
                number, row = divmod(found[0], 1 << _FILE_ROWS_BITS)
                raise Invalid(
                    f"{files[number].key}: row {row + 1}, column {name!r}: is null, and in the"
                    " primary key"
                )

    def _run(self, *statements: str) -> None:
        try:
            for statement in statements:
                self._connection.execute(statement)
        except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
            raise Invalid(f"the rows cannot be merged: {str(error).splitlines()[0]}") from error
