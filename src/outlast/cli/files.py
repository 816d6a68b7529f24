"""outlast files: upload, list, get, download, delete."""

from pathlib import Path

import click

from outlast.cli.commands import command, group
from outlast.cli.session import Session, talking
from outlast.cli.transfers import deliver, uploading
from outlast.cli.values import Duration
from outlast.cli.wording import age, instant, size
from outlast.client.answers import File

_PURPOSE = click.option("--purpose", help="Only those for this purpose.")
_PROJECT = click.option("--project", help="Only those of this project.")


@group("files", (("Upload a file", "outlast files upload rows.jsonl --purpose batch"),))
def files() -> None:
    """Work with files: named bytes that operations read and leave."""


@command(
    "upload",
    (
        ("For a batch", "outlast files upload rows.jsonl --purpose batch"),
        (
            "Its id, for a script; gone after a day",
            "outlast files upload a.csv --purpose user_data --expires 1d --json | jq -r .id",
        ),
    ),
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--purpose", required=True, help="What it is for, a word of a-z, _ and -.")
@click.option("--name", help="What it is called; its own name if not set.")
@click.option("--project", help="The project that it belongs to.")
@click.option("--expires", type=Duration(), help="Deleted after this long (12h, 90d).")
@talking
def upload(
    session: Session,
    file: Path,
    *,
    purpose: str,
    name: str | None,
    project: str | None,
    expires: float | None,
) -> None:
    """Upload FILE as it is."""
    with uploading(session.screen, file) as progress:
        made = session.client.files.upload(
            file,
            purpose=purpose,
            name=name,
            project=project,
            expire_seconds=expires,
            progress=progress,
        )
    if session.screen.is_json:
        session.screen.json(made)
    else:
        session.screen.line(f"{made.name} ({size(made.bytes)}) is there: {made.id}")


@command(
    "list",
    (
        ("All files", "outlast files list"),
        ("What batches left", "outlast files list --purpose batch_output"),
    ),
)
@_PURPOSE
@_PROJECT
@talking
def list_files(session: Session, *, purpose: str | None, project: str | None) -> None:
    """List the files, newest first."""
    found = list(session.client.files.list(purpose=purpose, project=project))
    screen = session.screen
    if screen.is_json:
        screen.json({"files": found})
        return
    screen.table(
        ["name", "id", "purpose", "size", "created", "operation"],
        [
            (one.name, one.id, one.purpose, size(one.bytes), age(one.created_at), one.operation_id)
            for one in found
        ],
        right=frozenset({"size"}),
    )


@command(
    "get",
    (
        ("What is known of it", "outlast files get 01J9ZQ3V5T8X2C4B6D8F"),
        ("Its size", "outlast files get 01J9ZQ3V5T8X2C4B6D8F --json | jq .bytes"),
    ),
)
@click.argument("id")
@talking
def get(session: Session, id: str) -> None:
    """Show the file ID, without its content."""
    found = session.client.files.get(id)
    if session.screen.is_json:
        session.screen.json(found)
    else:
        session.screen.table(["", ""], _facts(found))


@command(
    "download",
    (
        ("Under its own name", "outlast files download 01J9ZQ3V5T8X2C4B6D8F"),
        ("To a pipe", "outlast files download 01J9ZQ3V5T8X2C4B6D8F -o - | head"),
    ),
)
@click.argument("id")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="A file, which appears when it is complete, or - for standard output; "
    "its own name, if there is no such file yet.",
)
@talking
def download(session: Session, id: str, *, output: Path | None) -> None:
    """Write the content of the file ID to a file or to standard output."""
    screen, to_pipe = session.screen, output is not None and str(output) == "-"
    if to_pipe and screen.is_json:
        raise click.UsageError("--json tells of a file: name one with --output")
    target = output or _own_name(session.client.files.get(id))
    pieces = session.client.files.download(id)
    deliver(screen, pieces, None if to_pipe else target)


@command(
    "delete",
    (
        ("With its content", "outlast files delete 01J9ZQ3V5T8X2C4B6D8F"),
        ("In a script", "outlast files delete 01J9ZQ3V5T8X2C4B6D8F --json"),
    ),
)
@click.argument("id")
@talking
def delete(session: Session, id: str) -> None:
    """Delete the file ID."""
    session.client.files.delete(id)
    if session.screen.is_json:
        session.screen.json({"deleted": [id]})
    else:
        session.screen.line(f"{id} is deleted.")


def _own_name(file: File) -> Path:
    # Never a path, whatever a server says, and never over what is there.
    target = Path(Path(file.name).name or file.id)
    if target.exists():
        raise click.UsageError(f"{target} exists: name another file with --output")
    return target


def _facts(file: File) -> list[tuple[str, object]]:
    facts = [
        ("name", file.name),
        ("id", file.id),
        ("purpose", file.purpose),
        ("size", size(file.bytes)),
        ("created", f"{instant(file.created_at)} by {file.created_by}"),
        ("project", file.project),
        ("expires", None if file.expire_at is None else instant(file.expire_at)),
        ("operation", file.operation_id),
        ("partial", "yes" if file.is_partial else None),
    ]
    return [(name, value) for name, value in facts if value is not None]


for _command in (upload, list_files, get, download, delete):
    files.add_command(_command)
