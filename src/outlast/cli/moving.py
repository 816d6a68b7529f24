"""outlast migrate, export and import."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from outlast.cli.commands import command
from outlast.cli.screen import Screen
from outlast.cli.serving import check_database
from outlast.cli.session import json_option

if TYPE_CHECKING:
    from outlast.moving import Moved, Report
    from outlast.settings import Settings

_T = TypeVar("_T")


def _place_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say which installation."""
    for option in (
        click.option(
            "--settings",
            "settings_file",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="A TOML file with settings.",
        ),
        click.option("--objects", help="An object store of the settings, for all bytes."),
        click.option(
            "--data",
            type=click.Path(path_type=Path, file_okay=False),
            help="The data folder; ./outlast-data if not set.",
        ),
        click.option(
            "--database",
            help="postgresql://USER@HOST/NAME; the SQLite file of the data folder if not set.",
        ),
    ):
        function = option(function)
    return function


@command(
    "migrate",
    (
        ("What would it do?", "outlast migrate --dry-run"),
        ("Before the first server of a new version", "outlast migrate --settings outlast.toml"),
    ),
)
@_place_options
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@json_option
def migrate(*, dry_run: bool, as_json: bool, settings_file: Path | None, **flags: Any) -> None:
    """Bring the database's schema up to date.

    Servers and workers do the same when they start, so nobody needs to call this. It is for those
    who want to see first, or to do it at a time of their own. A migration takes nothing away that
    the version before it needs: processes of that version go on working.
    """
    settings = _settings(settings_file, flags)
    from outlast import app  # noqa: PLC0415  everything a server is made of

    screen = Screen(is_json=as_json)
    found = _run(app.upgrades(settings))
    if not dry_run:
        _run(app.upgrade(settings))
    if screen.is_json:
        screen.json({"migrations": found, "applied": not dry_run})
        return
    for one in found:
        screen.line(f"-- {one.number:04} {one.name}")
        if dry_run:
            screen.line(one.sql)
    if not found:
        screen.line("The schema is up to date.")
    elif not dry_run:
        screen.line(f"Applied {len(found)}.")


@command(
    "export",
    (
        ("Stop the server, then", "outlast export /backup/outlast"),
        (
            "Bytes that are in a bucket may stay there",
            "outlast export --settings o.toml --without-objects /backup/outlast",
        ),
    ),
)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@_place_options
@click.option(
    "--without-objects", is_flag=True, help="Leave the bytes in the bucket that they are in."
)
@json_option
def export(
    *,
    folder: Path,
    without_objects: bool,
    as_json: bool,
    settings_file: Path | None,
    **flags: Any,
) -> None:
    """Write the whole installation into a new FOLDER.

    Operations with their history and logs, datasets, files, models, tokens, the audit log, and what
    is sealed, with the key that opens it if that is in the data folder. So whoever reads the folder
    can read everything. `outlast import` makes an installation of it. No server may use the data
    folder meanwhile.
    """
    settings = _settings(settings_file, flags)
    if without_objects and settings.objects is None:
        raise click.UsageError("the bytes are in the data folder: they cannot stay there")
    from outlast import app  # noqa: PLC0415  as above

    screen = Screen(is_json=as_json)
    with _moving(screen) as report:
        moved = _run(app.export(settings, folder, report, with_objects=not without_objects))
    _tell(screen, moved, f"Exported to {folder}")


@command(
    "import",
    (
        (
            "From SQLite to PostgreSQL, on the same machine",
            """outlast export /backup/outlast
export OUTLAST_DATABASE=postgresql://outlast@localhost/outlast OUTLAST_DATA_IS_SHARED=true
outlast import --data ./outlast-data-2 /backup/outlast""",
        ),
    ),
)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_place_options
@json_option
def import_(*, folder: Path, as_json: bool, settings_file: Path | None, **flags: Any) -> None:
    """Make a new installation of a FOLDER that `outlast export` wrote.

    Ids, history, datasets, secrets and tokens stay what they were. The new database must be empty.
    All is imported, read back and compared, or nothing is.
    """
    settings = _settings(settings_file, flags)
    from outlast import app  # noqa: PLC0415  as above

    screen = Screen(is_json=as_json)
    with _moving(screen) as report:
        moved = _run(app.import_(settings, folder, report))
    _tell(screen, moved, f"Imported from {folder}")


def _settings(settings_file: Path | None, flags: dict[str, Any]) -> "Settings":
    check_database(flags["database"])
    from outlast.settings import load_settings  # noqa: PLC0415  as above

    return load_settings(flags, os.environ, settings_file)


def _run(doing: Awaitable[_T]) -> _T:
    from outlast.datafolder import DataFolderInUse  # noqa: PLC0415  as above
    from outlast.moving import BrokenArchive  # noqa: PLC0415  as above
    from outlast.operations.errors import Conflict, Unavailable  # noqa: PLC0415  as above

    async def do() -> _T:
        return await doing

    try:
        return asyncio.run(do())
    except (DataFolderInUse, BrokenArchive, Conflict, Unavailable) as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _moving(screen: Screen) -> Iterator["Report"]:
    """A bar for each thing that is moved."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        disable=not screen.is_terminal,
    )
    lines: dict[str, Any] = {}
    with bar:

        def report(what: str, done: int, total: int | None) -> None:
            if what not in lines:
                lines[what] = bar.add_task(what, total=total)
            bar.update(lines[what], completed=done, total=total)

        yield report


def _tell(screen: Screen, moved: "Moved", words: str) -> None:
    if screen.is_json:
        screen.json(moved)
        return
    screen.line(words)
    pairs = [*moved.rows.items(), ("objects", moved.objects), ("object bytes", moved.object_bytes)]
    screen.details([(name.replace("_", " "), str(count)) for name, count in pairs])
