"""outlast connection: create, list, get, update, validate, delete."""

import click

from outlast.cli.asking import SECRET_NAMES, ask_secrets
from outlast.cli.commands import command, group
from outlast.cli.exits import Exit
from outlast.cli.following import follow
from outlast.cli.session import Session, talking
from outlast.cli.values import Pair
from outlast.cli.wording import instant
from outlast.client.connections import Connection

_SETTINGS = click.option(
    "--set", "settings", type=Pair(), multiple=True, help="NAME=VALUE; repeatable."
)
_WATCH = click.option("--watch", is_flag=True, help="Show whether it works.")


@group("connection", (("What there is", "outlast connection list"),))
def connection() -> None:
    """Keep what providers are reached by, and see whether it works.

    To create, update and validate start an operation, which looks at the real thing. A connection
    is called by its name or id.
    """


@command(
    "create",
    (
        (
            "An account of AWS; the secrets are asked for",
            """outlast connection create production aws --region eu-north-1 \\
    --secret-name access_key --secret-name secret_key --watch""",
        ),
        (
            "A database, its password from a file",
            """outlast connection create sales postgresql --set host=db.example.com \\
    --set database=sales --set user=ada --secret-name password < password.txt""",
        ),
    ),
)
@click.argument("name")
@click.argument("provider")
@click.option("--region", help="Where it is.")
@_SETTINGS
@SECRET_NAMES
@_WATCH
@talking
def create(
    session: Session,
    name: str,
    provider: str,
    *,
    region: str | None,
    settings: tuple[tuple[str, str], ...],
    secret_names: tuple[str, ...],
    watch: bool,
) -> Exit:
    """Make a connection to PROVIDER: aws, local, postgresql or s3."""
    made = session.client.connections.create(
        name, provider, region=region, settings=dict(settings), secrets=ask_secrets(secret_names)
    )
    return _looked_at(session, made, watch=watch)


@command("list", (("All of them", "outlast connection list"),))
@talking
def list_connections(session: Session) -> None:
    """List the connections."""
    found = list(session.client.connections.list())
    if session.screen.is_json:
        session.screen.json({"connections": found})
        return
    session.screen.table(
        ["name", "id", "provider", "region", "status", "validated"],
        [
            (one.name, one.id, one.provider, one.region, one.status, instant(one.validated_at))
            for one in found
        ],
    )


@command("get", (("What is known of it", "outlast connection get production"),))
@click.argument("connection")
@talking
def get(session: Session, connection: str) -> None:
    """Show CONNECTION."""
    found = session.client.connections.get(connection)
    if session.screen.is_json:
        session.screen.json(found)
        return
    session.screen.details(
        [
            ("id", found.id),
            ("name", found.name),
            ("provider", found.provider),
            ("region", found.region),
            ("status", found.status),
            *found.settings.items(),
            ("secrets", " ".join(found.secret_names)),
            *((f"identity: {name}", value) for name, value in found.identity.items()),
            ("validated", instant(found.validated_at)),
            ("created", f"{instant(found.created_at)} by {found.created_by}"),
            ("operation", found.operation_id),
        ]
    )


@command(
    "update",
    (
        (
            "Another password, which is asked for",
            "outlast connection update sales --secret-name password",
        ),
    ),
)
@click.argument("connection")
@click.option("--region", help="Where it is now.")
@_SETTINGS
@SECRET_NAMES
@_WATCH
@talking
def update(
    session: Session,
    connection: str,
    *,
    region: str | None,
    settings: tuple[tuple[str, str], ...],
    secret_names: tuple[str, ...],
    watch: bool,
) -> Exit:
    """Change CONNECTION.

    With other settings, all of its secrets are given again.
    """
    merged = None
    if settings:
        merged = dict(session.client.connections.get(connection).settings) | dict(settings)
    changed = session.client.connections.update(
        connection, region=region, settings=merged, secrets=ask_secrets(secret_names)
    )
    return _looked_at(session, changed, watch=watch)


@command("validate", (("Whether it still works", "outlast connection validate sales --watch"),))
@click.argument("connection")
@_WATCH
@talking
def validate(session: Session, connection: str, *, watch: bool) -> Exit:
    """Look whether CONNECTION works."""
    return _looked_at(session, session.client.connections.validate(connection), watch=watch)


@command("delete", (("One that no stack uses", "outlast connection delete production"),))
@click.argument("connection")
@talking
def delete(session: Session, connection: str) -> None:
    """Delete CONNECTION with its secrets."""
    session.client.connections.delete(connection)
    if session.screen.is_json:
        session.screen.json({"deleted": [connection]})
    else:
        session.screen.line(f"{connection} is deleted.")


def _looked_at(session: Session, connection: Connection, *, watch: bool) -> Exit:
    if watch:
        return follow(session, connection.operation_id)
    if session.screen.is_json:
        session.screen.json(connection)
    else:
        session.screen.line(connection.id)
        session.screen.note(f"Whether it works: outlast watch {connection.operation_id}")
    return Exit.DONE


for _command in (create, list_connections, get, update, validate, delete):
    connection.add_command(_command)
