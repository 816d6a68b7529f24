"""outlast evidence: put, list, show, download, delete."""

from pathlib import Path

import click

from outlast.cli.commands import command, group
from outlast.cli.session import Session, talking
from outlast.cli.transfers import deliver, uploading
from outlast.cli.wording import age, instant, size
from outlast.client.evidence import Evidence

_LOOKING = "The server looks at it"


@group("evidence", (("Bring an SBOM", "outlast evidence put bom.json"),))
def evidence() -> None:
    """Work with evidence: SBOMs, attestations, reports of tools.

    It is called by its id or its digest, sha256:HEX.
    """


@command(
    "put",
    (
        ("An SBOM", "outlast evidence put bom.json"),
        ("Its digest, for a script", "outlast evidence put bom.json --json | jq -r .digest"),
    ),
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", help="What it is called; its own name if not set.")
@talking
def put(session: Session, file: Path, *, name: str | None) -> None:
    """Bring FILE as evidence.

    What it is, and whether it is as its format wants it, is told. The same bytes are the same
    evidence.
    """
    with uploading(session.screen, file, then=_LOOKING) as progress:
        made = session.client.evidence.put(file, name=name, progress=progress)
    if session.screen.is_json:
        session.screen.json(made)
        return
    session.screen.line(f"{file.name} is {_format(made)}: {made.id}")
    _tell_problems(session, made)


@command(
    "list",
    (
        ("All of it", "outlast evidence list"),
        ("What scanners found", "outlast evidence list --type sarif"),
    ),
)
@click.option("--type", "type_", help="Only evidence of this type, such as cyclonedx or junit.")
@talking
def list_evidence(session: Session, type_: str | None) -> None:
    """List the evidence, newest first."""
    found = list(session.client.evidence.list(type=type_))
    if session.screen.is_json:
        session.screen.json({"evidence": found})
        return
    session.screen.table(
        ["name", "id", "format", "size", "problems", "created"],
        [
            (
                one.name,
                one.id,
                _format(one),
                size(one.bytes),
                one.problems_total or None,
                age(one.created_at),
            )
            for one in found
        ],
        right=frozenset({"size", "problems"}),
    )


@command(
    "show",
    (
        ("What is known of it", "outlast evidence show 01J9ZQ3V5T8X2C4B6D8F"),
        ("What is wrong with it", "outlast evidence show 01J9ZQ3V5T8X2C4B6D8F --json"),
    ),
)
@click.argument("evidence")
@talking
def show(session: Session, evidence: str) -> None:
    """Show EVIDENCE, without its content."""
    found = session.client.evidence.get(evidence)
    if session.screen.is_json:
        session.screen.json(found)
        return
    session.screen.details(_facts(found))
    _tell_problems(session, found)


@command(
    "download",
    (
        ("To a file", "outlast evidence download 01J9ZQ3V5T8X2C4B6D8F -o bom.json"),
        ("To a pipe", "outlast evidence download 01J9ZQ3V5T8X2C4B6D8F -o - | jq .components"),
    ),
)
@click.argument("evidence")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="A file, which appears when it is complete, or - for standard output.",
)
@talking
def download(session: Session, evidence: str, *, output: Path) -> None:
    """Write the content of EVIDENCE to a file or to standard output."""
    screen, to_pipe = session.screen, str(output) == "-"
    if to_pipe and screen.is_json:
        raise click.UsageError("--json tells of a file: name one with --output")
    pieces = session.client.evidence.download(evidence)
    deliver(screen, pieces, None if to_pipe else output)


@command(
    "delete",
    (
        ("With its content", "outlast evidence delete 01J9ZQ3V5T8X2C4B6D8F"),
        ("In a script", "outlast evidence delete 01J9ZQ3V5T8X2C4B6D8F --json"),
    ),
)
@click.argument("evidence")
@talking
def delete(session: Session, evidence: str) -> None:
    """Delete EVIDENCE."""
    session.client.evidence.delete(evidence)
    if session.screen.is_json:
        session.screen.json({"deleted": [evidence]})
    else:
        session.screen.line(f"{evidence} is deleted.")


def _format(found: Evidence) -> str:
    named = found.type if found.version is None else f"{found.type} {found.version}"
    return " in ".join([named, *reversed(found.wrappers)])


def _tell_problems(session: Session, found: Evidence) -> None:
    if not found.problems_total:
        return
    session.screen.line(f"Problems with its format: {found.problems_total}")
    for one in found.problems:
        where = f"line {one.line}, column {one.column}: " if one.line is not None else ""
        session.screen.line(f"  {where}{one.message}")


def _facts(found: Evidence) -> list[tuple[str, object]]:
    return [
        ("name", found.name),
        ("id", found.id),
        ("digest", found.digest),
        ("format", _format(found)),
        ("size", size(found.bytes)),
        ("created", f"{instant(found.created_at)} by {found.created_by or '?'}"),
    ]


for _command in (put, list_evidence, show, download, delete):
    evidence.add_command(_command)
