"""What commands print: colours and tables for people, aligned text for pipes, JSON for scripts."""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
import msgspec
from rich import box
from rich.console import Console
from rich.json import JSON
from rich.table import Table
from rich.text import Text

STATE_STYLES: Final[Mapping[str, str]] = {
    "pending": "yellow",
    "scheduled": "yellow",
    "retrying": "yellow",
    "running": "cyan",
    "cancelling": "magenta",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "magenta",
    "unchanged": "dim",
    "ok": "green",
    "warning": "yellow",
    "bad": "red",
}

_WHOLE_CHARS: Final = 32
_LEAST_CHARS: Final = 8
_GAP_CHARS: Final = 2
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Screen:
    """Standard output, for a person, a pipe or a script."""

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json
        self.console = Console(highlight=False, soft_wrap=False)

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it."""
        return self.console.is_terminal and not self.is_json

    def json(self, value: object) -> None:
        """One JSON document on one line, for scripts."""
        sys.stdout.write(encode(value) + "\n")
        sys.stdout.flush()

    def line(self, text: str, style: str = "") -> None:
        """One line of text, as it is."""
        if self.is_terminal:
            self.console.print(Text(safe(text), style=style), soft_wrap=True)
        else:
            sys.stdout.write(safe(text) + "\n")
            sys.stdout.flush()

    def note(self, text: str) -> None:
        """A word to a person, beside the output."""
        if self.is_terminal:
            click.echo(click.style(text, dim=True), err=True)

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        right: frozenset[str] = frozenset(),
    ) -> None:
        """A table; `right` names the columns that are numbers."""
        cells = [[cell(value) for value in row] for row in rows]
        if self.is_terminal:
            self.console.print(rich_table(columns, cells, right, self.console.width))
            return
        for line in aligned([[name.upper() for name in columns], *cells], columns, right):
            self.line(line)

    def details(self, pairs: Sequence[tuple[str, Any]]) -> None:
        """Names and values, one below the other; empty values are left out."""
        shown = [(name, value) for name, value in pairs if value not in (None, "", {}, [])]
        width = max((len(name) for name, _ in shown), default=0)
        if not self.is_terminal:
            for name, value in shown:
                indented = cell(value).replace("\n", "\n" + " " * (width + 2))
                self.line(f"{name:<{width}}  {indented}")
            return
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in shown:
            grid.add_row(name, _rich_value(name, value))
        self.console.print(grid)


def encode(value: object) -> str:
    """The JSON text of a value."""
    return msgspec.json.encode(value).decode()


def cell(value: Any) -> str:
    """A value as a cell of a table."""
    if value is None:
        return ""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, bool | dict | list | tuple):
        return encode(value)
    return str(value)


def safe(text: str) -> str:
    """The text without control characters: what others wrote must not steer this terminal."""
    return _CONTROLS.sub("�", text)


def labels(values: Mapping[str, str]) -> str:
    """Labels as `key=value, key=value`."""
    return ", ".join(f"{key}={value}" for key, value in values.items())


def rich_table(
    columns: Sequence[str], cells: Sequence[Sequence[str]], right: frozenset[str], width: int
) -> Table:
    """A table for a person. Ids and the like stay whole, from the left, as far as there is room."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    widths = [
        max([len(name), *(len(row[place]) for row in cells)]) for place, name in enumerate(columns)
    ]
    left = width - sum(min(one, _LEAST_CHARS) + _GAP_CHARS for one in widths)
    for name, longest in zip(columns, widths, strict=True):
        more = max(0, longest - _LEAST_CHARS)
        is_whole = longest <= _WHOLE_CHARS and more <= left
        left -= more if is_whole else 0
        table.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=is_whole,
            overflow="fold",
        )
    for row in cells:
        table.add_row(*(Text(text, style=_style(text)) for text in row))
    return table


def aligned(
    rows: Sequence[Sequence[str]], columns: Sequence[str], right: frozenset[str]
) -> list[str]:
    """The rows as lines whose columns stand below each other."""
    flat = [[text.replace("\n", " ") for text in row] for row in rows]
    widths = [max(len(row[place]) for row in flat) for place in range(len(columns))]
    return [
        "  ".join(
            text.rjust(width) if name in right else text.ljust(width)
            for text, width, name in zip(row, widths, columns, strict=True)
        ).rstrip()
        for row in flat
    ]


def _style(text: str) -> str:
    return STATE_STYLES.get(text, "")


def _rich_value(name: str, value: Any) -> Any:
    if isinstance(value, dict | list) and name != "labels":
        return JSON(encode(value), indent=2)
    text = cell(value)
    return Text(text, style=_style(text) if name == "state" else "")
