"""outlast watch, outlast wait."""

import click

from outlast.cli.commands import command
from outlast.cli.exits import Exit, exit_of
from outlast.cli.following import follow, show_outcome
from outlast.cli.session import Session, talking
from outlast.cli.values import Duration


@command(
    "watch",
    (
        ("Progress, rate and time left, until it has ended", "outlast watch 06A1B2C3D4E5F6G7H8J9"),
        ("Every change as a line of JSON", "outlast watch nightly-22 --json | jq .progress.done"),
    ),
)
@click.argument("id")
@talking
def watch(session: Session, id: str) -> Exit:
    """Show an operation live until it has ended.

    Goes on by itself when the connection breaks or the server restarts. Leaves with 0 if the
    operation succeeded, 1 if it failed and 3 if it was cancelled. Ctrl-C ends the watching, not
    the operation.
    """
    return follow(session, id)


@command(
    "wait",
    (
        ("Block until it has ended", "outlast wait 06A1B2C3D4E5F6G7H8J9"),
        (
            "At most ten minutes, then decide",
            'outlast wait $ID --timeout 10m || echo "exit code $?"',
        ),
    ),
)
@click.argument("id")
@click.option("--timeout", type=Duration(), help="Leave with 4 after this long (90s, 15m, 2h).")
@talking
def wait(
    session: Session,
    id: str,
    *,
    timeout: float | None,
) -> Exit:
    """Block until an operation has ended, then show how.

    Without --timeout it waits for as long as it takes, through restarts of the server. Leaves with
    0 if the operation succeeded, 1 if it failed, 3 if it was cancelled, 4 if the time was over.
    """
    operation = session.client.wait(id, timeout)
    show_outcome(session.screen, operation)
    return exit_of(operation)
