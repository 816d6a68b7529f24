"""Secrets, which must not stand in the list of processes: asked for, or piped, a line for each."""

import sys
from collections.abc import Iterable

import click

SECRET_NAMES = click.option(
    "--secret-name",
    "secret_names",
    multiple=True,
    help="A secret's NAME: it is asked for, or is the next line of the input; repeatable.",
)


def ask_secrets(names: Iterable[str]) -> dict[str, str]:
    """The secrets by name."""
    return {name: _ask(name) for name in names}


def _ask(name: str) -> str:
    if sys.stdin.isatty():
        answer: str = click.prompt(name, hide_input=True)
        return answer
    line = sys.stdin.readline()
    if not line:
        raise click.UsageError(f"--secret-name {name}: the input has no line for it")
    return line.rstrip("\r\n")
