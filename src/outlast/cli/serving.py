"""outlast serve."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from outlast.cli.commands import command
from outlast.cli.screen import Screen
from outlast.cli.session import json_option

if TYPE_CHECKING:
    from outlast.app import Started

_EXAMPLES = (
    ("On this machine, data in ./outlast-data", "outlast serve"),
    (
        "With kinds of your own, on another port",
        "outlast serve --port 9000 --data /var/lib/outlast --kinds thumbnails.kinds",
    ),
    (
        "With a dialect at the root of a port of its own",
        "outlast serve --profile nebius=127.0.0.1:8471",
    ),
    (
        "On PostgreSQL; a password belongs into OUTLAST_DATABASE, not here",
        "outlast serve --database postgresql://outlast@db.internal/outlast --settings o.toml",
    ),
    ("From a settings file; flags and OUTLAST_* win over it", "outlast serve --settings o.toml"),
)


@command("serve", _EXAMPLES)
@click.option("--host", help="The address to listen on; 127.0.0.1 if not set.")
@click.option("--port", type=int, help="The port to listen on, 0 for a free one; 8470 if not set.")
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="The data folder; "
    "./outlast-data if not set."
)  # fmt: skip
@click.option(
    "--database", help="postgresql://USER@HOST/NAME; the SQLite file of the data folder if not set."
)
@click.option(
    "--objects", help="An object store of the settings, for all bytes; the data folder if not set."
)
@click.option("--workers", type=int, help="How many operations run at once; 0: none run here.")
@click.option("--kinds", multiple=True, help="A module with a list named kinds; repeatable.")
@click.option(
    "--kind",
    "claim_kinds",
    multiple=True,
    help="A kind that the worker shall run, and no others; repeatable.",
)
@click.option(
    "--label",
    "worker_labels",
    multiple=True,
    metavar="KEY=VALUE",
    help="What the worker has, for kinds that ask for it; repeatable.",
)
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A TOML file with settings.",
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="NAME=HOST:PORT",
    help="An address of its own for a dialect, or for a profile of the settings; repeatable.",
)
@click.option("--public-url", help="The server's address as its clients see it.")
@click.option(
    "--allow-unsandboxed",
    is_flag=True,
    default=None,
    help="Run untrusted engines even where this machine has no sandbox for them.",
)
@json_option
def serve(
    *,
    database: str | None,
    kinds: tuple[str, ...],
    claim_kinds: tuple[str, ...],
    worker_labels: tuple[str, ...],
    profiles: tuple[str, ...],
    settings_file: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Serve until told to stop, by SIGTERM or Ctrl-C; then drain.

    Prints its addresses once it answers. The first admin token is made on the first start (or taken
    from OUTLAST_ADMIN_TOKEN) and kept in the data folder. Each flag may also be set as OUTLAST_*,
    or in the settings file.
    """
    check_database(database)
    # Everything a server is made of, which no other command needs.
    from outlast import app, processes  # noqa: PLC0415
    from outlast.datafolder import DataFolderInUse  # noqa: PLC0415
    from outlast.settings import load_settings  # noqa: PLC0415

    repeated = {
        "kinds": kinds or None,
        "claim_kinds": claim_kinds or None,
        "worker_labels": worker_labels or None,
        "profiles": profiles or None,
    }
    given = {**flags, **repeated, "database": database}
    settings = load_settings(given, os.environ, settings_file)
    processes.configure_logging()
    screen = Screen(is_json=as_json)
    admin_token = os.environ.get("OUTLAST_ADMIN_TOKEN") or None
    try:
        processes.run(
            lambda: app.serve(
                settings,
                admin_token=admin_token,
                started=lambda started: _tell_started(screen, started),
            )
        )
    except DataFolderInUse as error:
        raise click.UsageError(str(error)) from error


def _tell_started(screen: Screen, started: "Started") -> None:
    if screen.is_json:
        screen.json({**_facts(started), "pid": os.getpid()})
        return
    screen.line(f"Outlast answers at {started.url}")
    for name, url in started.profiles.items():
        screen.line(f"{name} answers at {url}")
    screen.line(f"The admin token is in {started.token_file}")
    if started.token_is_new and screen.is_terminal:
        # Only to a person: what a terminal shows is not kept, what a log holds is.
        screen.line(f"It is new, and shown this once: {started.token_file.read_text().strip()}")
    screen.note("Ctrl-C stops the server.")


def _facts(started: "Started") -> dict[str, Any]:
    return {
        "url": started.url,
        "profiles": dict(started.profiles),
        "data": str(started.data),
        "token_file": str(started.token_file),
    }


def check_database(database: str | None) -> None:
    """Refuse a password among the arguments, where every user of the machine can read it."""
    try:
        has_password = database is not None and urlsplit(database).password is not None
    except ValueError:
        has_password = False
    if has_password:
        raise click.UsageError(
            "a password in --database would show in the process list: set OUTLAST_DATABASE, "
            "use a pass file, or write it into the settings file"
        )
