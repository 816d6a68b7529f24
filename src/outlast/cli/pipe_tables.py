"""outlast pipe-table: create, list, get, refresh, delete."""

from typing import Any

import click

from outlast.cli.commands import command, group
from outlast.cli.exits import Exit
from outlast.cli.following import follow
from outlast.cli.session import Session, talking
from outlast.cli.values import Duration, Pair
from outlast.cli.wording import instant, size
from outlast.client.answers import PipeTable

_KEYS = ("primary", "unique", "duplicate", "aggregate")
_WATCH = click.option("--watch", is_flag=True, help="Show progress until it has ended.")


@group("pipe-table", (("What there is", "outlast pipe-table list sales"),))
def pipe_table() -> None:
    """Load files below a prefix into tables, and keep up with them.

    To create, refresh and delete are operations: each prints the id of one. A database is called by
    its name or id.
    """


@command(
    "create",
    (
        (
            "From Parquet and CSV files, and every five minutes what is new",
            "outlast pipe-table create sales orders --storage lake --prefix orders --polling 5m",
        ),
        (
            "With types, and one row for each id: the last one",
            """outlast pipe-table create sales customers --storage lake --prefix raw/customers \\
    --column 'zip=VARCHAR(10)' --key primary --key-column id --watch""",
        ),
    ),
)
@click.argument("database")
@click.argument("table")
@click.option("--storage", required=True, help="An object store that the database may read.")
@click.option("--prefix", default="", help="Where in it the files are; everything if not given.")
@click.option(
    "--column",
    "columns",
    type=Pair(),
    multiple=True,
    help="A column's type, NAME=TYPE; repeatable.",
)
@click.option("--key", type=click.Choice(_KEYS), help="What rows of one key are to each other.")
@click.option("--key-column", "key_columns", multiple=True, help="A column of it; repeatable.")
@click.option(
    "--aggregate", "aggregations", type=Pair(), multiple=True, help="NAME=SUM ...; repeatable."
)
@click.option("--polling", type=Duration(), help="How often to load what is new (90s, 15m, 2h).")
@_WATCH
@talking
def create(
    session: Session,
    database: str,
    table: str,
    *,
    storage: str,
    prefix: str,
    columns: tuple[tuple[str, str], ...],
    key: str | None,
    key_columns: tuple[str, ...],
    aggregations: tuple[tuple[str, str], ...],
    polling: float | None,
    watch: bool,
) -> Exit:
    """Make TABLE in DATABASE of the files below a prefix."""
    if key is None and key_columns:
        raise click.UsageError("--key-column is for --key")
    spec: dict[str, Any] = {
        "database": database,
        "table": table,
        "storage": storage,
        "path_prefix": prefix,
        "column_overrides": dict(columns),
        "aggregation_overrides": dict(aggregations),
    }
    if key is not None:
        spec["key"] = {"type": key, "columns": key_columns}
    if polling is not None:
        spec["polling_seconds"] = int(polling)
    return _submitted(session, "create_pipe_table", spec, watch=watch)


@command(
    "list",
    (
        ("Of a database", "outlast pipe-table list sales"),
        ("Their names", "outlast pipe-table list sales --json | jq -r '.pipe_tables[].table'"),
    ),
)
@click.argument("database")
@talking
def list_tables(session: Session, database: str) -> None:
    """List the pipe tables of DATABASE."""
    found = list(session.client.pipe_tables.list(database))
    screen = session.screen
    if screen.is_json:
        screen.json({"pipe_tables": found})
        return
    screen.table(
        ["table", "status", "rows", "files", "size", "from"],
        [
            (one.table, one.status, one.rows, one.files, size(one.bytes), _place(one))
            for one in found
        ],
        right=frozenset({"rows", "files", "size"}),
    )


@command(
    "get",
    (
        ("What is known of it", "outlast pipe-table get sales orders"),
        ("Its columns", "outlast pipe-table get sales orders --json | jq .columns"),
    ),
)
@click.argument("database")
@click.argument("table")
@talking
def get(session: Session, database: str, table: str) -> None:
    """Show TABLE of DATABASE."""
    found = session.client.pipe_tables.get(database, table)
    if session.screen.is_json:
        session.screen.json(found)
    else:
        session.screen.table(["", ""], _facts(found))


@command(
    "refresh",
    (
        ("What is new, now", "outlast pipe-table refresh sales orders --watch"),
        ("In a script", "ID=$(outlast pipe-table refresh sales orders)"),
    ),
)
@click.argument("database")
@click.argument("table")
@_WATCH
@talking
def refresh(session: Session, database: str, table: str, *, watch: bool) -> Exit:
    """Load what is new below the prefix of TABLE."""
    spec = {"database": database, "table": table}
    return _submitted(session, "refresh_pipe_table", spec, watch=watch)


@command(
    "delete",
    (
        ("With its rows; the files stay", "outlast pipe-table delete sales orders"),
        ("And see it through", "outlast pipe-table delete sales orders --watch"),
    ),
)
@click.argument("database")
@click.argument("table")
@_WATCH
@talking
def delete(session: Session, database: str, table: str, *, watch: bool) -> Exit:
    """Remove TABLE of DATABASE, with its rows and its schedule."""
    spec = {"database": database, "table": table}
    return _submitted(session, "delete_pipe_table", spec, watch=watch)


def _submitted(session: Session, kind: str, spec: dict[str, Any], *, watch: bool) -> Exit:
    handle = session.client.submit(kind, spec)
    if watch:
        return follow(session, handle.id)
    if session.screen.is_json:
        session.screen.json(handle.operation)
    else:
        session.screen.line(handle.id)
    return Exit.DONE


def _place(table: PipeTable) -> str:
    return f"{table.storage}:{table.path_prefix}"


def _facts(table: PipeTable) -> list[tuple[str, object]]:
    columns = ", ".join(f"{column.name} {column.type}" for column in table.columns)
    facts = [
        ("table", table.table),
        ("database", table.database_name),
        ("status", table.status),
        ("from", _place(table)),
        ("columns", columns),
        ("partitions", ", ".join(table.partition_columns) or None),
        ("rows", table.rows),
        ("files", f"{table.files} ({size(table.bytes)})"),
        ("polling", f"every {table.polling_seconds} s" if table.polling_seconds else None),
        ("created", f"{instant(table.created_at)} by {table.created_by}"),
        ("loaded by", table.loaded_by),
    ]
    return [(name, value) for name, value in facts if value is not None]


for _command in (create, list_tables, get, refresh, delete):
    pipe_table.add_command(_command)
