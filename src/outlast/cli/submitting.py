"""outlast submit."""

from datetime import datetime

import click
import msgspec

from outlast.cli.commands import command
from outlast.cli.exits import Exit, exit_of
from outlast.cli.following import follow, show_outcome
from outlast.cli.session import Session, talking
from outlast.cli.values import Duration, Instant, Pair, Resource, Spec
from outlast.cli.wording import phase

_EXAMPLES = (
    (
        "Run a query over a dataset and follow it to its end",
        """outlast submit sql_query --watch '{"dialect": "yql",
    "query": "SELECT carrier, COUNT(*) AS flights FROM {src_0} GROUP BY carrier",
    "src": [{"dataset": "flights"}], "dst": {"dataset": "per_carrier"}}'""",
    ),
    (
        "Spec from a file, in the background; keep the id for later",
        "ID=$(outlast submit sql_query @query.json --label team=data --priority 10)",
    ),
    (
        "Tonight, once, however often this script is started",
        "outlast submit sql_query @query.json --at 2026-11-22T23:00Z --idempotency-key nightly-22",
    ),
)


@command("submit", _EXAMPLES)
@click.argument("kind")
@click.argument("spec", type=Spec())
@click.option("--label", "labels", type=Pair(), multiple=True, help="A label; repeatable.")
@click.option(
    "--priority", type=click.IntRange(-100, 100), help="Higher goes first; 0 if not given."
)
@click.option("--wait", is_flag=True, help="Return once it has ended, with how it ended.")
@click.option("--watch", is_flag=True, help="Show progress until it has ended.")
@click.option("--timeout", type=Duration(), help="With --wait: give up waiting after this long.")
@click.option("--idempotency-key", help="Submitting again with the same key gives the first one.")
@click.option("--operation-id", help="A name of your own for the operation.")
@click.option("--at", type=Instant(), help="Not before this instant, or +15m from now.")
@click.option("--deadline", type=Instant(), help="It fails if it has not ended by then.")
@click.option("--resource", type=Resource(), help="What it works on, to find it by.")
@click.option("--project", help="The project it belongs to, to find it by.")
@talking
def submit(
    session: Session,
    kind: str,
    spec: msgspec.Raw,
    *,
    labels: tuple[tuple[str, str], ...],
    priority: int | None,
    wait: bool,
    watch: bool,
    timeout: float | None,
    idempotency_key: str | None,
    operation_id: str | None,
    at: datetime | None,
    deadline: datetime | None,
    resource: tuple[str, str] | None,
    project: str | None,
) -> Exit:
    """Create an operation of KIND from SPEC and print its id.

    SPEC is JSON text, @FILE, or - to read it from standard input. Once the id is printed the
    operation is durable: it survives this terminal, the network and the server's restarts.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout is for --wait")
    if wait and watch:
        raise click.UsageError("choose one of --wait and --watch")
    handle = session.client.submit(
        kind,
        spec,
        labels=dict(labels),
        priority=priority,
        available_at=at,
        deadline_at=deadline,
        project=project,
        operation_id=operation_id,
        idempotency_key=idempotency_key,
        resource_type=None if resource is None else resource[0],
        resource_id=None if resource is None else resource[1],
    )
    screen = session.screen
    if watch:
        return follow(session, handle.id)
    if wait:
        screen.note(f"Submitted {handle.id}; waiting for its end.")
        operation = handle.wait(timeout)
        show_outcome(screen, operation)
        return exit_of(operation)
    if screen.is_json:
        screen.json(handle.operation)
    else:
        screen.line(handle.id)
        screen.note(f"It is {phase(handle.operation)}. Follow it: outlast watch {handle.id}")
    return Exit.DONE
