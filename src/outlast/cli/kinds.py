"""outlast kinds: list, show."""

import click

from outlast.cli.commands import command, group
from outlast.cli.session import Session, talking


@group("kinds", (("What can be submitted here", "outlast kinds list"),))
def kinds() -> None:
    """See what the server can run, and what its specs look like."""


@command(
    "list",
    (
        ("What can be submitted here", "outlast kinds list"),
        ("Names only", "outlast kinds list --json | jq -r '.kinds[].name'"),
    ),
)
@talking
def list_kinds(session: Session) -> None:
    """List the kinds that the server can run."""
    found = session.client.kinds()
    if session.screen.is_json:
        session.screen.json({"kinds": found})
        return
    session.screen.table(
        ["name", "version", "attempts", "description"],
        [(one.name, one.version, one.attempts_max, _first_line(one.description)) for one in found],
        right=frozenset({"attempts"}),
    )


@command(
    "show",
    (
        ("What a spec of this kind has to look like", "outlast kinds show sql_query"),
        ("The JSON Schema alone", "outlast kinds show sql_query --json | jq .spec_schema"),
    ),
)
@click.argument("name")
@talking
def show_kind(session: Session, name: str) -> None:
    """Show a kind with the JSON Schemas of its spec and its result."""
    kind = session.client.kind(name)
    if session.screen.is_json:
        session.screen.json(kind)
        return
    session.screen.details(
        [
            ("name", kind.name),
            ("version", kind.version),
            ("description", kind.description),
            ("executor", kind.executor),
            ("attempts", kind.attempts_max),
            ("spec", dict(kind.spec_schema)),
            ("result", dict(kind.result_schema or {})),
        ]
    )


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


kinds.add_command(list_kinds)
kinds.add_command(show_kind)
