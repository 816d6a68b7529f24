"""Claim: on an idle server an operation's handler starts within a few disk syncs of its create.

One create at a time, each after a pause in which nothing happens. The clock runs from the call of
create to the first line of the handler. A create and a claim are durable, so that two syncs lie
between; beside them stands the time of one fdatasync of a 4 KiB block that is already allocated,
taken in turn with the operations, on the same disk.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec

from databases import server
from in_process import PRINCIPAL, NoopSpec, in_process, make_spec, run
from outlast.engine import Wish
from outlast.operations.kind import Kind

BLOCK = b"x" * 4096
BLOCKS = 64
PAUSE_SECONDS = 0.02
BARS = {"p50": 10.0, "p99": 40.0}
BARS_ON_POSTGRES = {"p50": 16.0, "p99": 60.0}


class Pickup(msgspec.Struct, frozen=True):
    """Milliseconds of both, sorted."""

    pickup_ms: list[float]
    sync_ms: list[float]

    def ratios(self) -> dict[str, float]:
        """Quantiles of the pickup over the median of the sync."""
        sync = statistics.median(self.sync_ms)
        return {
            "p50": quantile(self.pickup_ms, 0.5) / sync,
            "p99": quantile(self.pickup_ms, 0.99) / sync,
        }


class Stopwatch:
    """A handler that says when it started."""

    def __init__(self) -> None:
        self.kind = Kind("noop", spec=NoopSpec, result=None, run=self._run, executor="inline")
        self.started_at = 0.0
        self.started = asyncio.Event()

    async def _run(self, plan: NoopSpec, context: Any) -> None:  # noqa: ARG002  a handler's form
        self.started_at = time.perf_counter()
        self.started.set()


class Block:
    """A file whose blocks are all allocated."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.write(self._file, BLOCK * BLOCKS)
        os.fsync(self._file)
        self._next = 0

    def sync(self) -> float:
        """Seconds to overwrite one block and have it on disk."""
        self._next = (self._next + 1) % BLOCKS
        started = time.perf_counter()
        os.pwrite(self._file, BLOCK, self._next * len(BLOCK))
        os.fdatasync(self._file)
        return time.perf_counter() - started


async def measure(operations: int, warm_up: int, url: str | None = None) -> Pickup:
    """Both times, taken in turn, on SQLite or on the PostgreSQL database at the URL."""
    watch = Stopwatch()
    pickups: list[float] = []
    syncs: list[float] = []
    with tempfile.TemporaryDirectory(prefix="outlast-bench-") as folder:
        block = Block(Path(folder) / "block")
        async with in_process(Path(folder), watch.kind, 8, url=url) as engine:
            wish = Wish(kind="noop", spec=make_spec())
            for count in range(warm_up + operations):
                await asyncio.sleep(PAUSE_SECONDS)
                sync = block.sync()
                await asyncio.sleep(PAUSE_SECONDS)
                watch.started.clear()
                began = time.perf_counter()
                await engine.submit(PRINCIPAL, wish)
                await watch.started.wait()
                if count >= warm_up:
                    pickups.append((watch.started_at - began) * 1000)
                    syncs.append(sync * 1000)
    return Pickup(sorted(pickups), sorted(syncs))


def quantile(values: list[float], share: float) -> float:
    """The value below which this share of the sorted values lies."""
    return values[min(len(values) - 1, int(len(values) * share))]


def measure_rounds(
    rounds: int, operations: int = 500, warm_up: int = 20, *, is_postgres: bool = False
) -> list[Pickup]:
    """So many rounds on SQLite, or on a PostgreSQL server of its own."""
    with server() if is_postgres else nullcontext() as own:
        urls = [None if own is None else own.new_database() for _ in range(rounds)]
        return [run(lambda url=url: measure(operations, warm_up, url)) for url in urls]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=500)
    parser.add_argument("--warm-up", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--postgres", action="store_true")
    wanted = parser.parse_args()
    rounds = measure_rounds(
        wanted.rounds, wanted.operations, wanted.warm_up, is_postgres=wanted.postgres
    )
    print("milliseconds   pickup p50    p99   fdatasync p50    p99   p50 ratio   p99 ratio")
    for number, one in enumerate(rounds, 1):
        pickup = [quantile(one.pickup_ms, share) for share in (0.5, 0.99)]
        sync = [quantile(one.sync_ms, share) for share in (0.5, 0.99)]
        ratios = one.ratios()
        print(
            f"round {number:<7} {pickup[0]:11.2f} {pickup[1]:6.2f} {sync[0]:15.2f} {sync[1]:6.2f}"
            f" {ratios['p50']:11.1f} {ratios['p99']:11.1f}"
        )
    for name, bar in (BARS_ON_POSTGRES if wanted.postgres else BARS).items():
        middle = statistics.median(one.ratios()[name] for one in rounds)
        print(f"pickup {name} / fdatasync p50: {middle:.1f} (median of rounds; at most {bar:.0f})")


if __name__ == "__main__":
    main()
