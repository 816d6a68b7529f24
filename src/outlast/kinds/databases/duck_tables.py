"""What there is in a DuckDB database. Runs in a locked child: the file may be hostile."""

from collections.abc import Callable, Sequence
from typing import Any

import duckdb

from outlast.kinds.databases.duck import quoted
from outlast.kinds.databases.statistics import Column, Table, choose_tables, shown

_TABLES = """
    SELECT schema_name, table_name, estimated_size, column_count
    FROM duckdb_tables()
    WHERE NOT internal AND database_name = current_database()
    ORDER BY ALL
"""
_COLUMNS = """
    SELECT column_name, data_type FROM duckdb_columns()
    WHERE database_name = current_database() AND schema_name = ? AND table_name = ?
    ORDER BY column_index
"""


def analyze_tables(
    connection: duckdb.DuckDBPyConnection,
    wanted: Sequence[str] | None,
    report: Callable[[int, int, str], None],
) -> tuple[Table, ...]:
    """Renew the statistics of tables, and tell them. `report`: how many of how many, and which."""
    tables = _tables(connection)
    chosen = choose_tables({name: row[3] for name, row in tables.items()}, "main", wanted)
    analyzed: list[Table] = []
    for name in chosen:
        report(len(analyzed), len(chosen), name)
        schema, table, *_ = tables[name]
        full = f"{quoted(schema)}.{quoted(table)}"
        connection.execute(f"ANALYZE {full}")
        [(rows,)] = connection.execute(f"SELECT count(*) FROM {full}").fetchall()  # noqa: S608  quoted
        columns = tuple(_summary(row) for row in connection.execute(f"SUMMARIZE {full}").fetchall())
        analyzed.append(Table(schema=schema, table=table, rows=rows, columns=columns))
    report(len(analyzed), len(chosen), "")
    return tuple(analyzed)


def describe_tables(connection: duckdb.DuckDBPyConnection) -> tuple[Table, ...]:
    """The tables and their columns; how many rows there are is an estimate."""
    tables = _tables(connection)
    described: list[Table] = []
    for name in choose_tables({name: row[3] for name, row in tables.items()}, "main", None):
        schema, table, rows, _ = tables[name]
        found = connection.execute(_COLUMNS, [schema, table]).fetchall()
        columns = tuple(Column(name=column, type=type) for column, type in found)
        described.append(Table(schema=schema, table=table, rows=rows, columns=columns))
    return tuple(described)


def free_bytes(connection: duckdb.DuckDBPyConnection) -> int:
    """How many bytes of the file hold nothing."""
    [(block_bytes, free)] = connection.execute(
        "SELECT block_size, free_blocks FROM pragma_database_size()"
        " WHERE database_name = current_database()"
    ).fetchall()
    return int(block_bytes) * int(free)


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[Any, ...]]:
    return {f"{row[0]}.{row[1]}": row for row in connection.execute(_TABLES).fetchall()}


def _summary(row: tuple[Any, ...]) -> Column:
    name, type, low, high, distinct = row[:5]
    nulls = row[-1]
    return Column(
        name=name,
        type=type,
        distinct=distinct,
        null_fraction=None if nulls is None else round(float(nulls) / 100, 6),
        min=shown(low),
        max=shown(high),
    )
