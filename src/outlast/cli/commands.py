"""Commands that teach: every one shows examples in its help."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import click

Examples: TypeAlias = Sequence[tuple[str, str]]
"""What one wants, and the command line that does it."""


class Command(click.Command):
    """A command with examples."""

    def __init__(self, *args: Any, examples: Examples = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then what else the end of the help says."""
        write_examples(formatter, self.examples)
        super().format_epilog(ctx, formatter)


class Group(click.Group):
    """A group of commands with examples."""

    def __init__(self, *args: Any, examples: Examples = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then what else the end of the help says."""
        write_examples(formatter, self.examples)
        super().format_epilog(ctx, formatter)


def command(name: str, examples: Examples) -> Callable[[Callable[..., Any]], Command]:
    """Makes a function a command with examples."""
    return click.command(name, cls=Command, examples=examples)


def group(name: str, examples: Examples) -> Callable[[Callable[..., Any]], Group]:
    """Makes a function a group of commands with examples."""
    return click.group(name, cls=Group, examples=examples)


def write_examples(formatter: click.HelpFormatter, examples: Examples) -> None:
    """The section of the help that shows how."""
    if not examples:
        return
    with formatter.section("Examples"):
        for place, (wish, line) in enumerate(examples):
            if place:
                formatter.write("\n")
            formatter.write(f"{'':{formatter.current_indent}}# {wish}\n")
            for part in line.splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{part}\n")
