"""outlast worker."""

import os
from pathlib import Path
from typing import Any

import click

from outlast.cli.commands import command
from outlast.cli.screen import Screen
from outlast.cli.serving import check_database
from outlast.cli.session import json_option

_EXAMPLES = (
    (
        "Eight slots on a host of its own; the password is in OUTLAST_DATABASE",
        "outlast worker --workers 8 --settings /etc/outlast.toml",
    ),
    (
        "With kinds of your own",
        "outlast worker --settings /etc/outlast.toml --kinds thumbnails.kinds",
    ),
    (
        "Only fine-tuning, on a host with a GPU",
        "outlast worker --settings /etc/outlast.toml --kind fine_tuning --label gpu=a100",
    ),
    (
        "Up to 64 attempts on the nodes of a Ray cluster",
        "outlast worker --workers 64 --executor ray --ray-address 10.0.0.5:6379",
    ),
)


@command("worker", _EXAMPLES)
@click.option("--database", help="postgresql://USER@HOST/NAME, as the servers have it.")
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="The data folder; "
    "./outlast-data if not set."
)  # fmt: skip
@click.option(
    "--objects", help="An object store of the settings, for all bytes; the data folder if not set."
)
@click.option("--workers", type=int, help="How many operations run here at once; 4 if not set.")
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
    "--executor",
    type=click.Choice(["subprocess", "ray"]),
    help="Where attempts run: in children of this worker if not set, or on nodes of Ray's.",
)
@click.option(
    "--ray-address", help="HOST:PORT of a Ray cluster; one on this machine is started if not set."
)
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A TOML file with settings.",
)
@click.option(
    "--allow-unsandboxed",
    is_flag=True,
    default=None,
    help="Run untrusted engines even where this machine has no sandbox for them.",
)
@json_option
def worker(
    *,
    database: str | None,
    kinds: tuple[str, ...],
    claim_kinds: tuple[str, ...],
    worker_labels: tuple[str, ...],
    settings_file: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Run the operations of a shared database until told to stop.

    SIGTERM or Ctrl-C let it drain. Any number of workers on any number of hosts share the work of
    one PostgreSQL database. A server on SQLite needs none: it has a worker of its own.

    With --executor ray each attempt takes a place on a node that has the CPUs, GPUs and memory
    which its kind declares, and waits until there is one. The worker itself must run on a machine
    of the cluster; nodes need Outlast of the same version, and the modules of --kinds.
    """
    check_database(database)
    # Everything a worker is made of, which no other command needs.
    from outlast import app, processes  # noqa: PLC0415
    from outlast.settings import load_settings  # noqa: PLC0415

    repeated = {
        "kinds": kinds or None,
        "claim_kinds": claim_kinds or None,
        "worker_labels": worker_labels or None,
    }
    given = {**flags, **repeated, "database": database}
    settings = load_settings(given, os.environ, settings_file)
    processes.configure_logging()
    screen = Screen(is_json=as_json)

    def tell(name: str) -> None:
        if screen.is_json:
            screen.json({"worker": name, "slots": settings.workers, "pid": os.getpid()})
        else:
            screen.line(f"The worker {name} has {settings.workers} slots.")
            screen.note("Ctrl-C stops it.")

    processes.run(lambda: app.work(settings, tell))
