"""Bytes on their way: a bar while they go up, a whole file when they came down."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from outlast.cli.screen import Screen
from outlast.cli.wording import size
from outlast.client.connecting import ProgressCallback


@contextmanager
def uploading(screen: Screen, file: Path, *, then: str | None = None) -> Iterator[ProgressCallback]:
    """What shows how far an upload is; `then` says what the server does when all is sent."""
    sending = f"Uploading {file.name}"
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        disable=not screen.is_terminal,
        transient=True,
    )
    with bar:
        line = bar.add_task(sending, total=file.stat().st_size)

        def advance(sent: int, total: int) -> None:
            words = then or sending if sent == total else sending
            bar.update(line, completed=sent, total=total, description=words)

        yield advance


def deliver(screen: Screen, pieces: Iterable[bytes], output: Path | None) -> None:
    """Write bytes to a file, and say so, or without one to standard output."""
    if output is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    written = save(pieces, output)
    if screen.is_json:
        screen.json({"file": str(output), "bytes": written})
    else:
        screen.line(f"{output} has {size(written)}.")


def save(pieces: Iterable[bytes], output: Path) -> int:
    """Write a file that appears when it is complete; its size."""
    partial = output.with_name(f".{output.name}.{os.getpid()}.part")
    written = 0
    try:
        with partial.open("xb") as file:
            for piece in pieces:
                written += file.write(piece)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return written
