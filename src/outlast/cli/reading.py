"""outlast get, list, logs, events."""

import time
from datetime import datetime

import click

from outlast.cli.commands import command
from outlast.cli.following import show_operation
from outlast.cli.screen import labels as join_labels
from outlast.cli.session import Session, talking
from outlast.cli.values import Instant, Pair, Resource, resource_fields
from outlast.cli.wording import age, moment, number, phase, took
from outlast.client.answers import Operation, Progress
from outlast.client.requests import Filter

STATES = ("pending", "running", "succeeded", "failed", "cancelled")
_POLL_SECONDS = 1.0


@command(
    "get",
    (
        ("All there is to know", "outlast get 06A1B2C3D4E5F6G7H8J9"),
        ("Only the result, for a script", "outlast get nightly-22 --json | jq .result"),
    ),
)
@click.argument("id")
@talking
def get(session: Session, id: str) -> None:
    """Show an operation: state, progress, spec, result, failure.

    ID is the operation's own id or the name that was given with --operation-id.
    """
    show_operation(session.screen, session.client.get(id))


@command(
    "list",
    (
        ("The newest operations", "outlast list"),
        ("What failed today", "outlast list --state failed --after 2026-11-22T00:00:00Z"),
        (
            "Everything of a team, as JSON",
            "outlast list --label team=data --all --json | jq '.operations[].id'",
        ),
    ),
)
@click.option(
    "--state", "states", type=click.Choice(STATES), multiple=True, help="Repeatable: any of them."
)
@click.option("--kind", "kinds", multiple=True, help="Repeatable: any of them.")
@click.option("--label", "labels", type=Pair(), multiple=True, help="Repeatable: all of them.")
@click.option("--resource", type=Resource(), help="What it works on.")
@click.option("--project", help="The project it belongs to.")
@click.option("--parent", help="Retries of this operation.")
@click.option("--schedule", help="What this schedule has made.")
@click.option("--after", type=Instant(), help="Created at this instant or later.")
@click.option("--before", type=Instant(), help="Created before this instant.")
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many."
)
@click.option("--all", "is_all", is_flag=True, help="All that match, however many.")
@talking
def list_operations(
    session: Session,
    *,
    states: tuple[str, ...],
    kinds: tuple[str, ...],
    labels: tuple[tuple[str, str], ...],
    resource: tuple[str, str] | None,
    project: str | None,
    parent: str | None,
    schedule: str | None,
    after: datetime | None,
    before: datetime | None,
    limit: int,
    is_all: bool,
) -> None:
    """List operations, newest first."""
    made_by = {} if schedule is None else {"schedule": session.client.schedules.get(schedule).id}
    matching = Filter(
        states=states,
        kinds=kinds,
        labels=dict(labels) | made_by,
        project=project,
        parent_id=parent,
        created_after=after,
        created_before=before,
        **resource_fields(resource),
    )
    page_size = 500 if is_all else min(limit, 500)
    found = list(
        session.client.list(matching, limit=None if is_all else limit, page_size=page_size)
    )
    screen = session.screen
    if screen.is_json:
        screen.json({"operations": found})
        return
    columns = ["id", "kind", "state", "created", "ran for", "progress"]
    has_labels = any(one.labels for one in found)
    screen.table(
        [*columns, "labels"] if has_labels else columns,
        [_row(one, has_labels=has_labels) for one in found],
    )
    if not found:
        screen.note("There are none.")
    elif not is_all and len(found) == limit:
        screen.note(f"The newest {limit}; --all shows every one.")


@command(
    "logs",
    (
        ("What the handler logged", "outlast logs 06A1B2C3D4E5F6G7H8J9"),
        ("And go on until it has ended", "outlast logs nightly-22 --follow"),
    ),
)
@click.argument("id")
@click.option("--follow", is_flag=True, help="Show new lines until the operation has ended.")
@talking
def logs(
    session: Session,
    id: str,
    *,
    follow: bool,
) -> None:
    """Show what the handler of an operation logged.

    With --json, each line is one JSON document.
    """
    shown = 0
    while True:
        # Asked before the lines are: what was logged before the end is then among them.
        is_last = not follow or session.client.get(id).is_terminal
        for line in session.client.logs(id, after=shown):
            shown = line.number
            if session.screen.is_json:
                session.screen.json(line)
            else:
                session.screen.line(f"{moment(line.at)}  {line.text}")
        if is_last:
            return
        time.sleep(_POLL_SECONDS)


@command(
    "events",
    (
        ("What happened, and who did it", "outlast events 06A1B2C3D4E5F6G7H8J9"),
        ("As JSON", "outlast events nightly-22 --json | jq '.events[].type'"),
    ),
)
@click.argument("id")
@talking
def events(session: Session, id: str) -> None:
    """Show what happened to an operation, and who did it.

    These are its transitions, the steps of a cancel, and the events of its handler.
    """
    found = list(session.client.events(id))
    screen = session.screen
    if screen.is_json:
        screen.json({"events": found})
        return
    screen.table(
        ["number", "at", "type", "attempt", "actor", "data"],
        [
            (one.number, moment(one.at), one.type, one.attempt, one.actor, one.data or "")
            for one in found
        ],
        right=frozenset({"number", "attempt"}),
    )


def _row(operation: Operation, *, has_labels: bool) -> list[str]:
    row = [
        operation.id,
        operation.kind,
        phase(operation),
        age(operation.created_at),
        took(operation),
        operation.failure.code if operation.failure is not None else _how_far(operation.progress),
    ]
    return [*row, join_labels(operation.labels)] if has_labels else row


def _how_far(progress: Progress | None) -> str:
    if progress is None or progress.done is None:
        return ""
    if progress.total:
        return f"{min(1.0, progress.done / progress.total):.0%}"
    return f"{number(progress.done)} {progress.unit}".strip()
