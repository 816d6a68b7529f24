"""outlast service: list, status, run."""

from typing import Any

import click
import msgspec

from outlast.cli.commands import command, group
from outlast.cli.exits import Exit
from outlast.cli.following import follow
from outlast.cli.session import Session, talking


@group("service", (("What there is", "outlast service list"),))
def service() -> None:
    """See services and run their commands.

    A service is called by its name or id.
    """


@command(
    "list",
    (
        ("All of them", "outlast service list"),
        ("What a command is given", "outlast service list --json | jq '.services[].commands'"),
    ),
)
@talking
def list_services(session: Session) -> None:
    """List the services and their commands."""
    found = session.client.services.list()
    if session.screen.is_json:
        session.screen.json({"services": found})
        return
    session.screen.table(
        ["name", "id", "commands"],
        [(one.name, one.id, " ".join(each.name for each in one.commands)) for one in found],
    )


@command(
    "status",
    (
        ("How it is", "outlast service status databases"),
        ("For a script", "outlast service status databases --json"),
    ),
)
@click.argument("service")
@talking
def status(session: Session, service: str) -> None:
    """Show what SERVICE says of itself."""
    told = session.client.services.status(service)
    if session.screen.is_json:
        session.screen.json({"status": told})
    else:
        session.screen.details(list((told or {}).items()))


@command(
    "run",
    (
        (
            "A command, and see it through",
            """outlast service run databases describe '{"database": "sales"}' --watch""",
        ),
        ("One that needs nothing", "outlast service run datasets collect"),
    ),
)
@click.argument("service")
@click.argument("name")
@click.argument("payload", default="{}")
@click.option("--watch", is_flag=True, help="Show progress until it has ended.")
@talking
def run(session: Session, service: str, name: str, payload: str, *, watch: bool) -> Exit:
    """Run the command NAME of SERVICE.

    PAYLOAD is the spec of the command's kind, a JSON object.
    """
    try:
        decoded = msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError) as error:
        raise click.UsageError(f"PAYLOAD is a JSON object: {error}") from error
    spec = {"service": service, "command": name, "payload": decoded}
    handle = session.client.submit("service_command", spec)
    if watch:
        return follow(session, handle.id)
    if session.screen.is_json:
        session.screen.json(handle.operation)
    else:
        session.screen.line(handle.id)
    return Exit.DONE


for _command in (list_services, status, run):
    service.add_command(_command)
