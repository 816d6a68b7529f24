"""DBOS drains no-op workflows on SQLite or PostgreSQL: one round, printed as one line of JSON.

The workflows are enqueued first, by a process of its own, and not timed; the clock runs from the
start of the first workflow until the last one is recorded as a success. DBOS polls: what it waits
before its first look does not count against it.
"""

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path

import psycopg
from dbos import DBOS, DBOSConfig

from databases import database

QUEUE = "bench"
_LEFT = "SELECT COUNT(*) FROM {} WHERE status <> 'SUCCESS'"
POLLING_SECONDS = 0.1


class Drain:
    """Counts the workflows that have run."""

    def __init__(self, operations: int) -> None:
        self.first_at = 0.0
        self.all_ran = threading.Event()
        self._left = operations
        self._lock = threading.Lock()

    def ran(self) -> None:
        """One more has run."""
        with self._lock:
            if self.first_at == 0.0:
                self.first_at = time.perf_counter()
            self._left -= 1
            if self._left == 0:
                self.all_ran.set()


def prepare(url: str, drain: Drain):  # noqa: ANN201  a decorated workflow has no name
    """A DBOS with one no-op workflow, not yet launched."""
    config: DBOSConfig = {
        "name": "bench",
        "application_version": "1",
        "system_database_url": url,
        "log_level": "ERROR",
    }
    DBOS(config=config)

    @DBOS.workflow(name="noop")
    def noop(filling: str) -> None:  # noqa: ARG001  the spec
        drain.ran()

    return noop


def fill(url: str, operations: int, concurrency: int) -> None:
    """Enqueue the workflows on a queue that this process does not listen to."""
    noop = prepare(url, Drain(operations))
    DBOS.listen_queues(["another"])
    DBOS.launch()
    queue = DBOS.register_queue(
        QUEUE, worker_concurrency=concurrency, polling_interval_sec=POLLING_SECONDS
    )
    filling = "x" * 236
    started = time.perf_counter()
    for _ in range(operations):
        queue.enqueue(noop, filling)
    print(time.perf_counter() - started)
    DBOS.destroy()


def unfinished(url: str) -> int:
    """How many have not succeeded, asked past DBOS."""
    if url.startswith("sqlite:///"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            [(left,)] = connection.execute(_LEFT.format("workflow_status"))
    else:
        with psycopg.connect(url) as asked:
            [(left,)] = asked.execute(_LEFT.format("dbos.workflow_status"))
    return int(left)


def drain_all(url: str, operations: int) -> float:
    """Seconds from the first workflow's start to the last one's recorded success."""
    drain = Drain(operations)
    prepare(url, drain)
    DBOS.launch()
    if not drain.all_ran.wait(300):
        raise RuntimeError("not drained in time")
    while unfinished(url):
        time.sleep(0.005)
    seconds = time.perf_counter() - drain.first_at
    DBOS.destroy()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=3_000)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--journal", default="wal", help="wal, or DBOS's own default: delete")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL server of its own")
    parser.add_argument("--url", help="on this fresh PostgreSQL database")
    parser.add_argument("--fill", action="store_true", help="only enqueue, at --url")
    wanted = parser.parse_args()
    if wanted.fill:
        fill(wanted.url, wanted.operations, wanted.concurrency)
        return
    with (
        tempfile.TemporaryDirectory(prefix="outlast-bench-") as folder,
        database(wanted.url, is_wanted=wanted.postgres) as url,
    ):
        if url is None:
            told = measure(sqlite(Path(folder), wanted.journal), wanted)
            store = f"SQLite journal_mode={wanted.journal}, synchronous=FULL (SQLite's own default)"
        else:
            told = measure(url, wanted)
            store = "PostgreSQL"
    settings = (
        f"{store}, worker_concurrency={wanted.concurrency}, polling_interval_sec={POLLING_SECONDS}"
    )
    print(json.dumps({"peer": f"dbos {version('dbos')}", "settings": settings, **told}))


def sqlite(folder: Path, journal: str) -> str:
    """The URL of a new file."""
    path = folder / "dbos.db"
    # Not a setting of DBOS; SQLite keeps it in the file, and it helps.
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.close()
    return f"sqlite:///{path}"


def measure(url: str, wanted: argparse.Namespace) -> dict[str, float]:
    """Fill in a process of its own, then drain."""
    command = [sys.executable, __file__, "--fill", "--url", url]
    command += ["--operations", str(wanted.operations), "--concurrency", str(wanted.concurrency)]
    filled = subprocess.run(command, check=True, capture_output=True, text=True)
    return {
        "operations": wanted.operations,
        "seconds": drain_all(url, wanted.operations),
        "enqueue_seconds": float(filled.stdout.split()[-1]),
    }


if __name__ == "__main__":
    main()
