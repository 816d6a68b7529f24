"""outlast demo."""

from pathlib import Path

import click

from outlast.cli.commands import command


@command(
    "demo",
    (
        ("See it all at work, with real data, in half a minute", "outlast demo"),
        ("And keep the data folder to look around in", "outlast demo --keep ./demo-data"),
    ),
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="A data folder to make and to keep; without it, one in the temporary folder.",
)
def demo(*, keep: Path | None) -> int:
    """Run real operations on a server of its own, and explain.

    Shows an upload, a query with live progress, a refusal, a failure and a cancellation, each by
    the command that you would type. Leaves nothing running. Leaves with 1, and the end of the
    server's log, if anything is not as it should be.
    """
    from outlast.demo import show  # noqa: PLC0415  no other command needs it

    return show(keep)
