"""outlast datasets: list, create, upload, versions, rows, export, delete."""

from pathlib import Path

import click

from outlast.cli.commands import command, group
from outlast.cli.session import Session, talking
from outlast.cli.transfers import deliver, uploading
from outlast.cli.wording import age, number, size
from outlast.client.answers import Dataset, Version
from outlast.client.errors import NotFound

_NUMBERS = frozenset({"rows", "size"})
_NUMERIC_TYPES = ("int", "uint", "float", "double", "decimal", "hugeint", "bigint")


@group("datasets", (("Upload a file as a dataset", "outlast datasets upload flights f.parquet"),))
def datasets() -> None:
    """Work with datasets: what operations read and write.

    A dataset is a named series of immutable versions.
    """


@command(
    "list",
    (
        ("All datasets", "outlast datasets list"),
        ("As JSON", "outlast datasets list --json | jq '.datasets[].name'"),
    ),
)
@talking
def list_datasets(session: Session) -> None:
    """List the datasets, newest first."""
    found = list(session.client.datasets.list())
    screen = session.screen
    if screen.is_json:
        screen.json({"datasets": found})
        return
    screen.table(
        ["name", "id", "current version", "updated"],
        [
            (one.title or one.name, one.id, one.current_version, age(one.updated_at))
            for one in found
        ],
    )


@command(
    "create",
    (
        ("An empty dataset", "outlast datasets create flights"),
        ("Its id, for a script", "outlast datasets create flights --json | jq -r .id"),
    ),
)
@click.argument("name")
@talking
def create(session: Session, name: str) -> None:
    """Create the dataset NAME, without a version yet."""
    _show_dataset(session, session.client.datasets.create(name))


@command(
    "upload",
    (
        ("A Parquet file", "outlast datasets upload flights flights.parquet"),
        (
            "Rows of JSON, with a name for the version",
            "outlast datasets upload t t.jsonl --name v1",
        ),
    ),
)
@click.argument("dataset")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", help="A name for the new version, unique in its dataset.")
@talking
def upload(session: Session, dataset: str, file: Path, *, name: str | None) -> None:
    """Make the rows of a file the current version of a dataset.

    DATASET is created if there is none of this name or id. The suffix tells the format: .parquet,
    .csv, .jsonl or .ndjson.
    """
    client, screen = session.client, session.screen
    try:
        client.datasets.get(dataset)
    except NotFound:
        client.datasets.create(dataset)
    with uploading(screen, file, then="Reading the rows") as progress:
        version = client.datasets.upload(dataset, file, name=name, progress=progress)
    if screen.is_json:
        screen.json(version)
        return
    screen.line(
        f"{dataset} has a new version with {number(version.rows)} rows "
        f"and {len(version.columns)} columns ({size(version.bytes)}): {version.version}"
    )


@command(
    "versions",
    (
        ("All versions", "outlast datasets versions flights"),
        ("As JSON", "outlast datasets versions flights --json | jq '.versions[0].rows'"),
    ),
)
@click.argument("dataset")
@talking
def versions(session: Session, dataset: str) -> None:
    """List the versions of DATASET, newest first."""
    found = list(session.client.datasets.versions(dataset))
    screen = session.screen
    if screen.is_json:
        screen.json({"versions": found})
        return
    screen.table(
        ["version", "name", "rows", "size", "created", "operation"],
        [_version_row(one) for one in found],
        right=_NUMBERS,
    )


@command(
    "rows",
    (
        ("The first rows", "outlast datasets rows flights --limit 5"),
        ("Of an older version", "outlast datasets rows flights --version v1 --offset 1000"),
    ),
)
@click.argument("dataset")
@click.option("--version", help="A version's hash or name; without it, the current version.")
@click.option("--offset", type=click.IntRange(0), default=0, help="How many rows to skip.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many."
)
@talking
def rows(session: Session, dataset: str, *, version: str | None, offset: int, limit: int) -> None:
    """Show rows of DATASET as a table."""
    found = session.client.datasets.rows(dataset, version=version, offset=offset, limit=limit)
    screen = session.screen
    if screen.is_json:
        screen.json(found)
        return
    names = [column.name for column in found.columns]
    numeric = {
        column.name for column in found.columns if column.type.lower().startswith(_NUMERIC_TYPES)
    }
    screen.table(
        names, [[row.get(name) for name in names] for row in found.rows], right=frozenset(numeric)
    )
    end = found.offset + len(found.rows)
    if found.total > len(found.rows):
        screen.note(f"Rows {found.offset + 1} to {end} of {number(found.total)}.")


@command(
    "export",
    (
        ("To a file", "outlast datasets export flights --format parquet -o flights.parquet"),
        ("To a pipe", "outlast datasets export flights | head"),
    ),
)
@click.argument("dataset")
@click.option("--version", help="A version's hash or name; without it, the current version.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["jsonl", "csv", "parquet"]),
    default="jsonl",
    show_default=True,
    help="What to write.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file, which appears when it is complete; without it, standard output.",
)
@talking
def export(
    session: Session, dataset: str, *, version: str | None, format_: str, output: Path | None
) -> None:
    """Write the rows of DATASET to a file or to standard output.

    With --json, says what was written where; needs --output.
    """
    screen = session.screen
    if output is None and (screen.is_json or (format_ == "parquet" and screen.is_terminal)):
        raise click.UsageError("name a file with --output: this does not belong on the screen")
    pieces = session.client.datasets.export(dataset, version=version, format=format_)
    deliver(screen, pieces, output)


@command(
    "delete",
    (
        ("With all of its versions", "outlast datasets delete flights"),
        ("In a script", "outlast datasets delete flights --json"),
    ),
)
@click.argument("dataset")
@talking
def delete(session: Session, dataset: str) -> None:
    """Delete DATASET with all of its versions."""
    session.client.datasets.delete(dataset)
    if session.screen.is_json:
        session.screen.json({"deleted": [dataset]})
    else:
        session.screen.line(f"{dataset} is deleted.")


def _show_dataset(session: Session, dataset: Dataset) -> None:
    if session.screen.is_json:
        session.screen.json(dataset)
        return
    session.screen.line(f"{dataset.name} is there, without a version yet: {dataset.id}")


def _version_row(version: Version) -> tuple[object, ...]:
    return (
        version.version,
        version.name,
        number(version.rows),
        size(version.bytes),
        age(version.created_at),
        version.operation_id,
    )


for _command in (list_datasets, create, upload, versions, rows, export, delete):
    datasets.add_command(_command)
