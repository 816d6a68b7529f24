"""outlast schedule: create, list, get, update, pause, resume, trigger, delete."""

from typing import Any

import click
import msgspec

from outlast.cli.commands import command, group
from outlast.cli.screen import labels as join_labels
from outlast.cli.session import Session, talking
from outlast.cli.values import Duration, Pair, Resource, Spec, resource_fields
from outlast.cli.wording import duration, instant
from outlast.client.answers import Schedule, TickFailure
from outlast.client.schedule_requests import NewSchedule

_MINUTE = 60
_EVERY = click.option("--every", type=Duration(), help="The interval (90s, 15m, 2h, 7d).")
_CRON = click.option("--cron", help="Minute, hour, day of month, month, day of week.")
_ZONE = click.option("--time-zone", help="By whose clocks --cron is read; UTC if not given.")
_PRIORITY = click.option(
    "--priority", type=click.IntRange(-100, 100), help="Higher goes first; 0 if not given."
)
_DEADLINE = click.option(
    "--deadline", type=Duration(), help="Each operation fails if it has not ended after this long."
)
_LABELS = click.option(
    "--label", "labels", type=Pair(), multiple=True, help="A label of each; repeatable."
)


@group("schedule", (("What is due when", "outlast schedule list"),))
def schedule() -> None:
    """Have operations made again and again.

    A schedule makes an operation at every interval, or as a cron expression says. It makes none
    while the one before is still alive, and makes up for what it missed once. A schedule is called
    by its name or id.
    """


@command(
    "create",
    (
        (
            "Every night at three, by the clocks of Berlin",
            """outlast schedule create nightly sql_query @query.json \\
    --cron '0 3 * * *' --time-zone Europe/Berlin""",
        ),
        ("Every quarter of an hour", "outlast schedule create often count '{}' --every 15m"),
    ),
)
@click.argument("name")
@click.argument("kind")
@click.argument("spec", type=Spec())
@_EVERY
@_CRON
@_ZONE
@_LABELS
@_PRIORITY
@_DEADLINE
@click.option("--resource", type=Resource(), help="What each works on, to find it by.")
@click.option("--project", help="The project each belongs to, to find it by.")
@talking
def create(
    session: Session,
    name: str,
    kind: str,
    spec: msgspec.Raw,
    *,
    every: float | None,
    cron: str | None,
    time_zone: str | None,
    labels: tuple[tuple[str, str], ...],
    priority: int | None,
    deadline: float | None,
    resource: tuple[str, str] | None,
    project: str | None,
) -> None:
    """Create the schedule NAME of operations of KIND from SPEC.

    SPEC is JSON text, @FILE, or - to read it from standard input. Either --every or --cron says
    when. The operations are made in your name, as long as you have a token.
    """
    if (every is None) == (cron is None):
        raise click.UsageError("give one of --every and --cron")
    wish = NewSchedule(
        name=name,
        kind=kind,
        spec=spec,
        every_seconds=_whole(every, "--every"),
        cron=cron,
        time_zone=time_zone,
        labels=dict(labels),
        priority=priority,
        deadline_seconds=_whole(deadline, "--deadline"),
        project=project,
        **resource_fields(resource),
    )
    _tell(session, session.client.schedules.create(wish))


@command(
    "list",
    (
        ("What is due when", "outlast schedule list"),
        ("Of one kind, as JSON", "outlast schedule list --kind sql_query --json"),
    ),
)
@click.option("--kind", help="Of this kind alone.")
@click.option("--member", help="In this member's name alone.")
@talking
def list_schedules(session: Session, *, kind: str | None, member: str | None) -> None:
    """List the schedules, newest first."""
    found = list(session.client.schedules.list(kind=kind, created_by=member))
    if session.screen.is_json:
        session.screen.json({"schedules": found})
        return
    session.screen.table(
        ["name", "kind", "when", "next", "last operation", "last failure"],
        [
            (
                one.name or one.id,
                one.kind,
                _timing(one),
                _next(one),
                one.operation_id or "",
                "" if one.last_failure is None else one.last_failure.code,
            )
            for one in found
        ],
    )


@command(
    "get",
    (
        ("What came of it lately", "outlast schedule get nightly"),
        ("When is it due, in a script", "outlast schedule get nightly --json | jq -r .next_at"),
    ),
)
@click.argument("schedule")
@talking
def get(session: Session, schedule: str) -> None:
    """Show a schedule: what it makes, when, and what came of it."""
    _show(session, session.client.schedules.get(schedule))


@command(
    "update",
    (
        ("An hour later", "outlast schedule update nightly --cron '0 4 * * *'"),
        ("With another spec", "outlast schedule update nightly --spec @query.json"),
        ("In my name, since its member has left", "outlast schedule update nightly"),
    ),
)
@click.argument("schedule")
@click.option("--spec", type=Spec(), help="JSON text, @FILE, or - for standard input.")
@_EVERY
@_CRON
@_ZONE
@_LABELS
@_PRIORITY
@_DEADLINE
@talking
def update(
    session: Session,
    schedule: str,
    *,
    every: float | None,
    cron: str | None,
    labels: tuple[tuple[str, str], ...],
    deadline: float | None,
    **rest: Any,
) -> None:
    """Change a schedule, and have it act in your name.

    What is not given stays as it is; labels are given all at once. Without any option it only
    acts in your name from then on, as when its member has left.
    """
    if every is not None and cron is not None:
        raise click.UsageError("give one of --every and --cron")
    given = {
        "every_seconds": _whole(every, "--every"),
        "cron": cron,
        "deadline_seconds": _whole(deadline, "--deadline"),
        "labels": dict(labels) or None,
        **rest,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    _tell(session, session.client.schedules.update(schedule, changes))


@command(
    "pause",
    (
        ("Make nothing for a while", "outlast schedule pause nightly"),
        ("In a script", "outlast schedule pause nightly --json"),
    ),
)
@click.argument("schedule")
@talking
def pause(session: Session, schedule: str) -> None:
    """Let a schedule make nothing until it is resumed."""
    _tell(session, session.client.schedules.pause(schedule))


@command(
    "resume",
    (
        ("Go on", "outlast schedule resume nightly"),
        ("In a script", "outlast schedule resume nightly --json"),
    ),
)
@click.argument("schedule")
@talking
def resume(session: Session, schedule: str) -> None:
    """Let a paused schedule go on; the pause is not made up for."""
    _tell(session, session.client.schedules.resume(schedule))


@command(
    "trigger",
    (
        ("Once, now; and follow it", "outlast watch $(outlast schedule trigger nightly)"),
        ("In a script", "outlast schedule trigger nightly --json | jq -r .id"),
    ),
)
@click.argument("schedule")
@talking
def trigger(session: Session, schedule: str) -> None:
    """Make a schedule's operation now and print its id.

    It is made in your name, and when the schedule is due next stays as it was.
    """
    handle = session.client.schedules.trigger(schedule)
    if session.screen.is_json:
        session.screen.json(handle.operation)
    else:
        session.screen.line(handle.id)


@command(
    "delete",
    (
        ("Make no more", "outlast schedule delete nightly"),
        ("In a script", "outlast schedule delete nightly --json"),
    ),
)
@click.argument("schedule")
@talking
def delete(session: Session, schedule: str) -> None:
    """Delete a schedule; the operations that it has made stay."""
    session.client.schedules.delete(schedule)
    if session.screen.is_json:
        session.screen.json({"deleted": [schedule]})
    else:
        session.screen.line(f"{schedule} is deleted.")


def _whole(seconds: float | None, option: str) -> int | None:
    if seconds is None:
        return None
    if seconds != int(seconds) or seconds < 1:
        raise click.UsageError(f"{option} is a whole number of seconds, 1 at least")
    return int(seconds)


def _timing(one: Schedule) -> str:
    if one.every_seconds is not None:
        short = one.every_seconds < _MINUTE
        return f"every {f'{one.every_seconds} s' if short else duration(one.every_seconds)}"
    return f"{one.cron} ({one.time_zone})"


def _next(one: Schedule) -> str:
    return "paused" if one.is_paused else instant(one.next_at)


def _tell(session: Session, one: Schedule) -> None:
    if session.screen.is_json:
        session.screen.json(one)
    elif one.is_paused:
        session.screen.line(f"{one.name or one.id} is paused.")
    else:
        session.screen.line(f"{one.name or one.id} is due next at {instant(one.next_at)}.")


def _show(session: Session, one: Schedule) -> None:
    if session.screen.is_json:
        session.screen.json(one)
        return
    session.screen.details(
        [
            ("name", one.name),
            ("id", one.id),
            ("kind", one.kind),
            ("spec", one.spec),
            ("when", _timing(one)),
            ("next", _next(one)),
            ("labels", join_labels(one.labels)),
            ("priority", one.priority or None),
            ("deadline", one.deadline_seconds and f"after {duration(one.deadline_seconds)}"),
            ("resource", one.resource_type and f"{one.resource_type}/{one.resource_id}"),
            ("project", one.project),
            ("in the name of", one.created_by),
            ("belongs to", one.belongs_to),
            ("last operation", one.operation_id),
            ("made for", instant(one.last_due_at)),
            ("last skipped", instant(one.last_skipped_at)),
            ("last failure", _failure(one.last_failure)),
        ]
    )


def _failure(failure: TickFailure | None) -> str:
    return "" if failure is None else f"{instant(failure.at)}  {failure.message} [{failure.code}]"


for _command in (create, list_schedules, get, update, pause, resume, trigger, delete):
    schedule.add_command(_command)
