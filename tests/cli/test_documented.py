"""What can be typed has its place in docs/cli.md, and its help shows how."""

import re
from pathlib import Path

import click
import pytest

from outlast.cli.program import program

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
CONTEXT = click.Context(program)


def commands(group, path=()):
    for name in group.list_commands(CONTEXT):
        command = group.get_command(CONTEXT, name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


ALL = dict(commands(program))


def section(heading):
    match = re.search(rf"^(#+) {re.escape(heading)}$(.*?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert match, f"docs/cli.md has no heading {heading!r}"
    return match[2]


def test_every_command_is_known():
    assert {" ".join(path) for path in ALL} >= {
        "serve", "worker", "submit", "get", "list", "watch", "wait", "cancel", "delete", "retry",
        "logs", "events", "kinds list", "kinds show", "datasets list", "datasets create",
        "datasets upload", "datasets versions", "datasets rows", "datasets export",
        "datasets delete", "files upload", "files list", "files get", "files download",
        "files delete", "tenant create", "tenant list", "token create", "token list",
        "token rotate", "token revoke", "audit", "doctor", "demo",
    }  # fmt: skip


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_a_command_and_each_of_its_options_has_its_place(path):
    text = section("outlast " + " ".join(path))
    shared = section("Options that commands share")
    for parameter in ALL[path].params:
        if isinstance(parameter, click.Option):
            name = parameter.opts[-1]
            pattern = rf"`{re.escape(name)}[` ]"
            assert re.search(pattern, text + shared), f"{name} is not documented"
            assert parameter.help, f"{name} has no help"


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_the_help_of_a_command_says_what_it_does_and_shows_how(path):
    command = ALL[path]
    text = command.get_help(click.Context(command, info_name=path[-1]))
    assert command.help
    assert "Examples:" in text
    examples = text.partition("Examples:")[2]
    assert "outlast " in examples
    if not isinstance(command, click.Group):
        assert "outlast " + " ".join(path) in examples


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_the_first_line_of_a_help_fits_into_the_list_of_commands(path):
    assert len(ALL[path].help.splitlines()[0]) <= 65


@pytest.mark.parametrize(
    "path",
    [path for path, one in ALL.items() if not isinstance(one, click.Group) and path != ("demo",)],
    ids=" ".join,
)
def test_every_command_can_speak_json(path):
    assert "--json" in [name for one in ALL[path].params for name in one.opts]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_no_option_takes_a_secret_where_the_process_list_shows_it(path):
    names = {name for one in ALL[path].params for name in one.opts}
    assert not names & {"--token", "--password", "--secret"}
