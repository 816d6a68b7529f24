"""Watching a DuckDB connection at work: no call of its own returns before it is done."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Final

import duckdb

from outlast.operations.kind import Context

_LOOK_SECONDS: Final = 0.05
_LOOKS_PER_REPORT: Final = 5


@contextlib.contextmanager
def watching(
    connection: duckdb.DuckDBPyConnection,
    context: Context,
    report: Callable[[float], None] | None = None,
) -> Iterator[None]:
    """Interrupt the connection when the operation shall be cancelled: CancelledError.

    `report` is told now and then how many percent DuckDB thinks are done.
    """
    ended = threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(connection, context, report, ended), daemon=True
    )
    watcher.start()
    try:
        yield
    except duckdb.Error as error:
        if context.cancelled:
            raise asyncio.CancelledError from error
        raise
    finally:
        ended.set()
        watcher.join()


def _watch(
    connection: duckdb.DuckDBPyConnection,
    context: Context,
    report: Callable[[float], None] | None,
    ended: threading.Event,
) -> None:
    looks = 0
    while not ended.wait(_LOOK_SECONDS):
        if context.cancelled:
            connection.interrupt()
            continue
        looks += 1
        if report is None or looks % _LOOKS_PER_REPORT:
            continue
        percent = connection.query_progress()
        if percent >= 0:
            report(percent)
