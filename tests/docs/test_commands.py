"""Every command line of the program that a page shows has commands and options that exist."""

import re
import shlex
from pathlib import Path

import click
import pytest

from outlast.cli.program import program

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CALL = re.compile(r"^(?:ID=\$\()?(?:\.venv/bin/)?outlast (.*?)(?<!\\)$", re.DOTALL | re.MULTILINE)


def shown(page):
    """What the page calls the program with, line by line."""
    for language, block in FENCE.findall(page.read_text()):
        if language not in {"", "sh", "bash"}:
            continue
        # A quoted spec may go over several lines: it is cut away before lines are looked at.
        text = re.sub(r"'[^']*'", "SPEC", block)
        for call in CALL.findall(text):
            yield call.replace("\\\n", " ").split(" | ")[0].rstrip(")")


def check(call):
    """Walk from the program to the command, and compare the options with those it has."""
    command, context = program, click.Context(program)
    words = shlex.split(call, comments=True)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        command = command.get_command(context, name)
        assert command is not None, f"there is no command {name}"
    assert not isinstance(command, click.Group) or words, f"{call}: this needs another word"
    options = {option for parameter in command.params for option in parameter.opts}
    given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert given <= options | {"--help", "-h", "--version"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_that_a_page_shows_exist(page):
    for call in shown(page):
        check(call)


def test_the_first_steps_show_commands():
    calls = list(shown(ROOT / "docs" / "getting-started.md"))
    assert len(calls) > 10
    assert any(call.startswith("submit sql_query --watch SPEC") for call in calls)
