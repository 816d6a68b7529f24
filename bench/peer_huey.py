"""Huey on SQLite drains no-op tasks: one round, printed as one line of JSON.

The tasks are stored first and not timed; the clock runs from the consumer's start until its last
task has run. A task is deleted when it is taken, so that one whose worker dies is lost; there is
one durable commit for each. With --results its success is recorded too, as ours is.
"""

import argparse
import json
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path

from huey import SqliteHuey
from huey.consumer import Consumer


def drain(folder: Path, operations: int, workers: int, *, results: bool) -> dict[str, object]:
    queue = SqliteHuey(
        filename=str(folder / "huey.db"),
        fsync=True,
        journal_mode="wal",
        results=results,
        store_none=results,
    )
    left = operations
    lock = threading.Lock()
    drained = threading.Event()

    @queue.task()
    def noop(filling: str) -> None:  # noqa: ARG001  the spec
        nonlocal left
        with lock:
            left -= 1
            if left == 0:
                drained.set()

    filling = "x" * 236
    started = time.perf_counter()
    for _ in range(operations):
        noop(filling)
    enqueued = time.perf_counter() - started
    consumer = Consumer(
        queue, workers=workers, periodic=False, initial_delay=0.001, max_delay=0.001, backoff=1.0
    )
    started = time.perf_counter()
    consumer.start()
    if not drained.wait(300):
        raise RuntimeError("not drained in time")
    seconds = time.perf_counter() - started
    consumer.stop(graceful=True)
    return {
        "peer": f"huey {version('huey')}",
        "settings": f"SqliteHuey(fsync=True, journal_mode=wal, results={results},"
        f" store_none={results}), {workers} worker thread(s), initial_delay=0.001",
        "operations": operations,
        "seconds": seconds,
        "enqueue_seconds": enqueued,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=5_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--results", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="outlast-bench-") as folder:
        told = drain(Path(folder), wanted.operations, wanted.workers, results=wanted.results)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
