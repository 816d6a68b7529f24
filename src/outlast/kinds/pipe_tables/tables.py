"""Pipe tables inside of a DuckDB database: the tables, and what each was loaded from."""

import outlast.resources.datasets.frugal  # noqa: F401  # isort: skip  it must come first

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb
import pyarrow.csv as pcsv

from outlast.kinds.databases.duck import quoted
from outlast.kinds.pipe_tables.calls import LocalFile
from outlast.operations.errors import Invalid
from outlast.resources.pipe_tables.column_types import ColumnType
from outlast.resources.pipe_tables.model import TableColumn

_ROWS_AT_ONCE: Final = 16_384
FILES: Final = "_outlast.pipe_files"
_MAKE_FILES: Final = f"""
CREATE SCHEMA IF NOT EXISTS _outlast;
CREATE TABLE IF NOT EXISTS {FILES} (
    table_name VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    identity VARCHAR NOT NULL,
    bytes BIGINT NOT NULL,
    rows BIGINT NOT NULL,
    operation_id VARCHAR NOT NULL
)
"""


def make_table(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    types: Mapping[str, ColumnType],
    *,
    not_null: Sequence[str] = (),
) -> None:
    """Make a table that is not there. Raises Invalid for what can be no table."""
    seen: set[str] = set()
    for column in types:
        if column.lower() in seen:
            raise Invalid(f"column {column[:200]!r} differs from another only in capital letters")
        seen.add(column.lower())
    columns = [
        f"{quoted(column)} {type.duckdb}{' NOT NULL' if column in not_null else ''}"
        for column, type in types.items()
    ]
    connection.execute(f"CREATE TABLE {quoted(name)} ({', '.join(columns)})")


def drop_table(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Remove a table and what is known of its files, if they are there."""
    connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")
    connection.execute(_MAKE_FILES)
    connection.execute(f"DELETE FROM {FILES} WHERE table_name = ?", [name])  # noqa: S608  a constant


def count_rows(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """How many rows a table has."""
    [count] = connection.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone() or (0,)  # noqa: S608  a checked name
    return int(count)


def loaded_files(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, str]:
    """The identity of each file that a table was loaded from, by key."""
    known = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = '_outlast' AND table_name = 'pipe_files'"
    ).fetchone()
    if known is None:
        return {}
    found = connection.execute(
        f"SELECT key, identity FROM {FILES} WHERE table_name = ?",  # noqa: S608  a constant
        [name],
    )
    return dict(found.fetchall())


def remember_files(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    files: Sequence[LocalFile],
    rows: Sequence[int],
    operation_id: str,
) -> None:
    """Note what a table was loaded from, in the transaction that loads it."""
    connection.execute(_MAKE_FILES)
    connection.executemany(
        f"INSERT INTO {FILES} VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608  a constant
        [
            (name, file.key, file.identity, file.bytes, count, operation_id)
            for file, count in zip(files, rows, strict=True)
        ],
    )


def write_csv(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Sequence[TableColumn], path: Path
) -> None:
    """Write a table as PostgreSQL reads it: a null is nothing at all, any value is in quotes."""
    texts = [
        f"'\\x' || hex({quoted(column.name)})"
        if column.type == "VARBINARY"
        else f"CAST({quoted(column.name)} AS VARCHAR)"
        for column in columns
    ]
    numbered = ", ".join(f"{text} AS c{number}" for number, text in enumerate(texts))
    reader = connection.sql(f"SELECT {numbered} FROM {quoted(name)}").to_arrow_reader(_ROWS_AT_ONCE)  # noqa: S608  checked and quoted names
    options = pcsv.WriteOptions(include_header=False, quoting_style="all_valid")
    with pcsv.CSVWriter(path, reader.schema, write_options=options) as writer:
        for batch in reader:
            writer.write_batch(batch)
