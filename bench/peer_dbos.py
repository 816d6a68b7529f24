"""DBOS on SQLite drains no-op workflows: one round, printed as one line of JSON.

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

from dbos import DBOS, DBOSConfig

QUEUE = "bench"
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


def prepare(database: Path, drain: Drain):  # noqa: ANN201  a decorated workflow has no name
    """A DBOS with one no-op workflow, not yet launched."""
    config: DBOSConfig = {
        "name": "bench",
        "application_version": "1",
        "system_database_url": f"sqlite:///{database}",
        "log_level": "ERROR",
    }
    DBOS(config=config)

    @DBOS.workflow(name="noop")
    def noop(filling: str) -> None:  # noqa: ARG001  the spec
        drain.ran()

    return noop


def fill(database: Path, operations: int, concurrency: int) -> None:
    """Enqueue the workflows on a queue that this process does not listen to."""
    noop = prepare(database, Drain(operations))
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


def drain_all(database: Path, operations: int) -> float:
    """Seconds from the first workflow's start to the last one's recorded success."""
    drain = Drain(operations)
    prepare(database, drain)
    DBOS.launch()
    if not drain.all_ran.wait(300):
        raise RuntimeError("not drained in time")
    with sqlite3.connect(database) as connection:
        while True:
            [(left,)] = connection.execute(
                "SELECT COUNT(*) FROM workflow_status WHERE status <> 'SUCCESS'"
            )
            if not left:
                break
            time.sleep(0.005)
    seconds = time.perf_counter() - drain.first_at
    DBOS.destroy()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=3_000)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--journal", default="wal", help="wal, or DBOS's own default: delete")
    parser.add_argument("--fill", type=Path)
    wanted = parser.parse_args()
    if wanted.fill is not None:
        fill(wanted.fill, wanted.operations, wanted.concurrency)
        return
    with tempfile.TemporaryDirectory(prefix="outlast-bench-") as folder:
        database = Path(folder) / "dbos.db"
        # Not a setting of DBOS; SQLite keeps it in the file, and it helps.
        with sqlite3.connect(database) as connection:
            connection.execute(f"PRAGMA journal_mode = {wanted.journal}")
        connection.close()
        filled = subprocess.run(
            [sys.executable, *sys.argv, "--fill", str(database)],
            check=True,
            capture_output=True,
            text=True,
        )
        seconds = drain_all(database, wanted.operations)
    print(
        json.dumps(
            {
                "peer": f"dbos {version('dbos')}",
                "settings": f"SQLite journal_mode={wanted.journal}, synchronous=FULL (SQLite's own"
                f" default), worker_concurrency={wanted.concurrency},"
                f" polling_interval_sec={POLLING_SECONDS}",
                "operations": wanted.operations,
                "seconds": seconds,
                "enqueue_seconds": float(filled.stdout.split()[-1]),
            }
        )
    )


if __name__ == "__main__":
    main()
