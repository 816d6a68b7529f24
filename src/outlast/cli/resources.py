"""The things that an operation works on: those that matter now one by one, the rest in numbers."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from outlast.cli.screen import STATE_STYLES, Screen, safe
from outlast.cli.wording import duration, number
from outlast.client.answers import Progress, ResourceProgress

SHOWN_LIVE: Final = 12
SHOWN_WHOLE: Final = 50
MARKS: Final = {
    "succeeded": "✓",
    "failed": "✗",
    "cancelled": "■",
    "running": "●",
    "cancelling": "◐",
    "unchanged": "=",
}

_RANKS: Final = {"running": 0, "failed": 1, "pending": 2, "succeeded": 3, "unchanged": 4}
_ENDED: Final = frozenset({"succeeded", "failed", "unchanged"})


def ranked(resources: Sequence[ResourceProgress]) -> Sequence[ResourceProgress]:
    """Those under way first, then what failed, what is yet to come, what is done, what stays."""
    return sorted(resources, key=lambda one: _RANKS.get(one.status, len(_RANKS)))


def count_words(resources: Sequence[ResourceProgress]) -> str:
    """How many stand where: `2 running, 1 failed, 30 pending`."""
    counts = Counter(one.status for one in ranked(resources))
    return ", ".join(f"{number(count)} {status}" for status, count in counts.items())


def counted(progress: Progress) -> Progress:
    """The progress, counted by its resources where its kind does not count."""
    if progress.done is not None or not progress.resources:
        return progress
    ended = sum(one.status in _ENDED for one in progress.resources)
    return Progress(
        attempt=progress.attempt,
        at=progress.at,
        stage=progress.stage,
        message=progress.message,
        done=ended,
        total=len(progress.resources),
        unit="resources",
        resources=progress.resources,
    )


def resource_rows(resources: Sequence[ResourceProgress]) -> RenderableType:
    """A line for each that matters most, and the rest in numbers."""
    ordered = ranked(resources)
    table = Table.grid(padding=(0, 2))
    for one in ordered[:SHOWN_LIVE]:
        table.add_row(
            Text(f"  {MARKS.get(one.status, '○')}", style=STATE_STYLES.get(one.status, "")),
            Text(safe(one.type), style="dim"),
            Text(safe(one.name or one.urn)),
            Text(safe(one.operation)),
            Text(_took(one), "dim"),
        )
    rest = ordered[SHOWN_LIVE:]
    if not rest:
        return table
    return Group(table, Text(f"  and {number(len(rest))} more: {count_words(rest)}", "dim"))


def show_resources(screen: Screen, resources: Sequence[ResourceProgress]) -> None:
    """A table of those that matter most; JSON has them all."""
    ordered = ranked(resources)
    screen.table(
        ["status", "operation", "type", "name", "took"],
        [
            (one.status, one.operation, one.type, one.name or one.urn, _took(one))
            for one in ordered[:SHOWN_WHOLE]
        ],
        right=frozenset({"took"}),
    )
    rest = ordered[SHOWN_WHOLE:]
    if rest:
        screen.line(f"and {number(len(rest))} more: {count_words(rest)} (--json has all of them)")


def _took(resource: ResourceProgress) -> str:
    return "" if resource.duration_seconds is None else duration(resource.duration_seconds)
