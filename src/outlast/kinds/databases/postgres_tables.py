"""What there is in a PostgreSQL database, asked as the role that owns it."""

from collections.abc import Sequence

import asyncpg

from outlast.kinds.databases.statistics import Column, Table, choose_tables
from outlast.operations.kind import Context

_TABLES = """
    SELECT n.nspname AS schema, c.relname AS table, greatest(c.reltuples, 0)::bigint AS rows,
           (SELECT count(*) FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND n.nspname NOT LIKE 'pg\\_%'
    ORDER BY 1, 2
"""
_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS type, s.n_distinct, s.null_frac
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stats s
      ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
    WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""


async def tell_tables(
    connection: "asyncpg.Connection[asyncpg.Record]",
    wanted: Sequence[str] | None,
    context: Context,
    *,
    renew: bool,
) -> tuple[Table, ...]:
    """The tables and what is known of their columns, after `renew`ing it and counting the rows."""
    tables = {f"{row['schema']}.{row['table']}": row for row in await connection.fetch(_TABLES)}
    chosen = choose_tables({name: row["columns"] for name, row in tables.items()}, "public", wanted)
    told: list[Table] = []
    for name in chosen:
        context.report(len(told), len(chosen), unit="tables", message=name)
        schema, table, rows, _ = tables[name]
        if renew:
            full = f"{_quoted(schema)}.{_quoted(table)}"
            await connection.execute(f"ANALYZE {full}")
            rows = await connection.fetchval(f"SELECT count(*) FROM {full}")  # noqa: S608  quoted
        columns = tuple(
            _column(row, rows) for row in await connection.fetch(_COLUMNS, schema, table)
        )
        told.append(Table(schema=schema, table=table, rows=rows, columns=columns))
    context.report(len(told), len(chosen), unit="tables")
    return tuple(told)


def _column(row: asyncpg.Record, rows: int) -> Column:
    distinct = row["n_distinct"]
    if distinct is not None:
        # Below zero it is a part of the rows.
        distinct = round(distinct if distinct >= 0 else -distinct * rows)
    nulls = row["null_frac"]
    return Column(
        name=row["attname"],
        type=row["type"],
        distinct=distinct,
        null_fraction=None if nulls is None else round(nulls, 6),
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
