"""outlast database: provision, list, get, download, credentials, attach, detach, deprovision."""

from pathlib import Path
from typing import Any

import click

from outlast.cli.commands import command, group
from outlast.cli.exits import Exit
from outlast.cli.following import follow
from outlast.cli.session import Session, talking
from outlast.cli.transfers import deliver
from outlast.cli.wording import instant, size
from outlast.client.database_answers import Database

_WATCH = click.option("--watch", is_flag=True, help="Show progress until it has ended.")


@group("database", (("What there is", "outlast database list"),))
def database() -> None:
    """Make databases, reach them, and remove them.

    To provision and deprovision are operations: each prints the id of one. A database is called by
    its name or id.
    """


@command(
    "provision",
    (
        ("A new database", "outlast database provision sales --watch"),
        (
            "Which may be filled from an object store",
            "outlast database provision sales --storage lake",
        ),
    ),
)
@click.argument("name")
@click.option("--storage", "storages", multiple=True, help="An object store; repeatable.")
@click.option("--data-source", "data_source_id", help="Its first data source; else its name.")
@_WATCH
@talking
def provision(
    session: Session,
    name: str,
    *,
    storages: tuple[str, ...],
    data_source_id: str | None,
    watch: bool,
) -> Exit:
    """Make a database that is called NAME."""
    spec: dict[str, Any] = {"name": name, "storages": storages}
    if data_source_id is not None:
        spec["data_source_id"] = data_source_id
    return _submitted(session, "provision_database", spec, watch=watch)


@command(
    "list",
    (
        ("All of them", "outlast database list"),
        ("Their names", "outlast database list --json | jq -r '.databases[].name'"),
    ),
)
@talking
def list_databases(session: Session) -> None:
    """List the databases."""
    found = list(session.client.databases.list())
    if session.screen.is_json:
        session.screen.json({"databases": found})
        return
    session.screen.table(
        ["name", "id", "engine", "status", "size", "created"],
        [
            (one.name, one.id, one.engine, one.status, size(one.bytes), instant(one.created_at))
            for one in found
        ],
        right=frozenset({"size"}),
    )


@command(
    "get",
    (
        ("What is known of it", "outlast database get sales"),
        ("Its data sources", "outlast database get sales --json | jq .data_sources"),
    ),
)
@click.argument("database")
@talking
def get(session: Session, database: str) -> None:
    """Show DATABASE."""
    found = session.client.databases.get(database)
    if session.screen.is_json:
        session.screen.json(found)
    else:
        session.screen.details(_facts(found))


@command(
    "download",
    (
        ("To ask it yourself", "outlast database download sales && duckdb sales.duckdb"),
        ("Under another name", "outlast database download sales --output copy.duckdb"),
    ),
)
@click.argument("database")
@click.option("--output", type=click.Path(path_type=Path), help="The file; `-` is the output.")
@talking
def download(session: Session, database: str, output: Path | None) -> None:
    """Save the file of DATABASE, which DuckDB made."""
    pieces = session.client.databases.download(database)
    if output == Path("-"):
        deliver(session.screen, pieces, None)
        return
    # Never a path, whatever a server says, and never over what is there.
    target = output or Path(f"{Path(session.client.databases.get(database).name).name}.duckdb")
    if output is None and target.exists():
        raise click.UsageError(f"{target} exists: name another file with --output")
    deliver(session.screen, pieces, target)


@command(
    "credentials",
    (
        ("To connect to it", "psql $(outlast database credentials sales)"),
        ("All of it", "outlast database credentials sales --json"),
    ),
)
@click.argument("database")
@talking
def credentials(session: Session, database: str) -> None:
    """Print the URL of DATABASE, a PostgreSQL one, with its password."""
    shown = session.client.databases.credentials(database)
    if session.screen.is_json:
        session.screen.json(shown)
    else:
        session.screen.line(shown.url)


@command(
    "attach",
    (
        ("Under another name", "outlast database attach sales sales-eu"),
        ("In a script", "outlast database attach sales sales-eu --name 'Sales, Europe' --json"),
    ),
)
@click.argument("database")
@click.argument("data_source_id")
@click.option("--name", help="What it is called; else as its id.")
@talking
def attach(session: Session, database: str, data_source_id: str, name: str | None) -> None:
    """Give DATABASE the data source DATA_SOURCE_ID."""
    made = session.client.databases.attach(database, data_source_id, name)
    if session.screen.is_json:
        session.screen.json(made)
    else:
        session.screen.line(f"{made.data_source_id} is attached.")


@command(
    "detach",
    (
        ("All but the last can go", "outlast database detach sales sales-eu"),
        ("In a script", "outlast database detach sales sales-eu --json"),
    ),
)
@click.argument("database")
@click.argument("data_source_id")
@talking
def detach(session: Session, database: str, data_source_id: str) -> None:
    """Take the data source DATA_SOURCE_ID from DATABASE."""
    session.client.databases.detach(database, data_source_id)
    if session.screen.is_json:
        session.screen.json({"detached": [data_source_id]})
    else:
        session.screen.line(f"{data_source_id} is detached.")


@command(
    "deprovision",
    (
        ("With all that is in it", "outlast database deprovision sales"),
        ("And see it through", "outlast database deprovision sales --watch"),
    ),
)
@click.argument("database")
@_WATCH
@talking
def deprovision(session: Session, database: str, *, watch: bool) -> Exit:
    """Remove DATABASE, with all that is in it."""
    return _submitted(session, "deprovision_database", {"database": database}, watch=watch)


def _submitted(session: Session, kind: str, spec: dict[str, Any], *, watch: bool) -> Exit:
    handle = session.client.submit(kind, spec)
    if watch:
        return follow(session, handle.id)
    if session.screen.is_json:
        session.screen.json(handle.operation)
    else:
        session.screen.line(handle.id)
    return Exit.DONE


def _facts(database: Database) -> list[tuple[str, object]]:
    return [
        ("name", database.name),
        ("id", database.id),
        ("engine", database.engine),
        ("status", database.status),
        ("size", size(database.bytes) if database.bytes else None),
        ("storages", ", ".join(database.storages)),
        ("data sources", ", ".join(one.data_source_id for one in database.data_sources)),
        ("created", f"{instant(database.created_at)} by {database.created_by or '?'}"),
        ("operation", database.operation_id),
    ]


for _command in (
    *(provision, list_databases, get, download),
    *(credentials, attach, detach, deprovision),
):
    database.add_command(_command)
