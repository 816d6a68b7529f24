"""outlast cancel, retry, delete."""

from collections.abc import Sequence
from typing import Any

import click

from outlast.cli.commands import command
from outlast.cli.exits import Exit
from outlast.cli.following import follow
from outlast.cli.session import Session, talking
from outlast.cli.values import Pair, Resource, resource_fields
from outlast.cli.wording import phase
from outlast.client.requests import Filter


@command(
    "cancel",
    (
        ("Ask for one to be stopped", "outlast cancel 06A1B2C3D4E5F6G7H8J9"),
        (
            "How many would it be?",
            "outlast cancel --filter state=pending --filter label.team=data --dry-run",
        ),
        ("Stop everything of a kind", "outlast cancel --filter kind=sql_query"),
    ),
)
@click.argument("id", required=False)
@click.option(
    "--filter",
    "filters",
    type=Pair(),
    multiple=True,
    help="Cancel all that match: state=, kind=, label.KEY=, resource=TYPE/ID or project=. "
    "Repeatable.",
)
@click.option("--dry-run", is_flag=True, help="With --filter: count, and change nothing.")
@talking
def cancel(
    session: Session,
    id: str | None,
    *,
    filters: tuple[tuple[str, str], ...],
    dry_run: bool,
) -> None:
    """Ask for an operation, or all that match, to be stopped.

    A running operation is `cancelled` only once its code has really stopped; `outlast wait` shows
    when. Cancelling one that has ended is refused.
    """
    if (id is None) == (not filters):
        raise click.UsageError("give an ID, or at least one --filter")
    if dry_run and not filters:
        raise click.UsageError("--dry-run is for --filter")
    screen = session.screen
    if id is not None:
        operation = session.client.cancel(id)
        if screen.is_json:
            screen.json(operation)
        else:
            screen.line(f"{operation.id} is {phase(operation)}.")
        return
    counts = session.client.cancel_many(_filter(filters), dry_run=dry_run)
    if screen.is_json:
        screen.json(counts)
        return
    words = "would be asked to stop" if dry_run else "were asked to stop"
    asked = counts.matched - counts.already_ended if dry_run else counts.requested
    screen.line(f"{counts.matched} matched, {asked} {words}, {counts.already_ended} had ended.")
    if counts.more:
        screen.line("Others match: run the command again.")


@command(
    "retry",
    (
        ("Once more, from the last checkpoint", "outlast retry 06A1B2C3D4E5F6G7H8J9"),
        ("And follow it", "outlast retry nightly-22 --watch"),
    ),
)
@click.argument("id")
@click.option("--watch", is_flag=True, help="Show progress until the new one has ended.")
@talking
def retry(
    session: Session,
    id: str,
    *,
    watch: bool,
) -> Exit:
    """Make a new operation like one that failed or was cancelled.

    Prints the new id. The new one starts from the old one's last checkpoint; the old one stays
    as it is.
    """
    handle = session.client.retry(id)
    if watch:
        return follow(session, handle.id)
    if session.screen.is_json:
        session.screen.json(handle.operation)
    else:
        session.screen.line(handle.id)
        session.screen.note(f"Follow it: outlast watch {handle.id}")
    return Exit.DONE


@command(
    "delete",
    (
        ("Forget one that has ended", "outlast delete 06A1B2C3D4E5F6G7H8J9"),
        ("Several", "outlast delete $FIRST $SECOND"),
    ),
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@talking
def delete(session: Session, ids: Sequence[str]) -> None:
    """Delete operations that have ended, with history and logs.

    The server deletes them by itself after the retention, 30 days if not set otherwise.
    """
    for one in ids:
        session.client.delete(one)
        if not session.screen.is_json:
            session.screen.line(f"{one} is deleted.")
    if session.screen.is_json:
        session.screen.json({"deleted": ids})


def _filter(filters: Sequence[tuple[str, str]]) -> Filter:
    states: list[str] = []
    kinds: list[str] = []
    labels: dict[str, str] = {}
    rest: dict[str, Any] = {}
    for name, value in filters:
        if name == "state":
            states.append(value)
        elif name == "kind":
            kinds.append(value)
        elif name.startswith("label."):
            labels[name.removeprefix("label.")] = value
        elif name == "resource":
            rest |= resource_fields(Resource().convert(value, None, None))
        elif name == "project":
            rest["project"] = value
        else:
            raise click.UsageError(
                f"--filter {name}: known are state, kind, label.KEY, resource and project"
            )
    return Filter(states=states, kinds=kinds, labels=labels, **rest)
