"""Claim: while a million expired operations are pruned, whoever uses the server hardly notices.

    python bench/prune.py [--rows 1000000] [--seconds 5]

One process on PostgreSQL: engine, worker and chores. Callers create operations, which are run, read
them and list them, at a steady pace. Pruning is on for some seconds and off for some seconds in
turn until all that has expired is gone: each with its label, three events and a line of log. The
latencies of both are compared.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from databases import database
from in_process import PRINCIPAL, NoopSpec, in_process, make_spec, run
from outlast.engine import Engine, Wish
from outlast.engine.chores import Chores
from outlast.operations.kind import Kind
from outlast.settings import Recovery
from outlast.store.port import Query
from outlast.store.postgres import PostgresStore
from pickup import quantile
from scale import fill

ROWS = 1_000_000
RATIO_MAX = 1.5
A_SECOND = 30
SLOTS = 16


class Foreground:
    """Callers at a steady pace, and how long each call took, in ms."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._wish = Wish(kind="noop", spec=make_spec())
        self._last = ""
        self._calls: set[asyncio.Task[None]] = set()

    async def measure(self, seconds: float) -> list[float]:
        """The latencies of the calls that were begun in so many seconds, sorted."""
        found: list[float] = []
        ends_at = time.perf_counter() + seconds
        next_at = time.perf_counter()
        while next_at < ends_at:
            for call in (self._create, self._get, self._find):
                task = asyncio.create_task(self._timed(call, found))
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)
            next_at += 1 / A_SECOND
            await asyncio.sleep(max(0.0, next_at - time.perf_counter()))
        await asyncio.gather(*self._calls)
        return sorted(found)

    async def _timed(self, call: Callable[[], Awaitable[None]], found: list[float]) -> None:
        began = time.perf_counter()
        await call()
        found.append((time.perf_counter() - began) * 1000)

    async def _create(self) -> None:
        created = await self._engine.submit(PRINCIPAL, self._wish)
        self._last = created.operation.id

    async def _get(self) -> None:
        if self._last:
            await self._engine.get(PRINCIPAL, self._last)

    async def _find(self) -> None:
        await self._engine.find(PRINCIPAL, Query(tenant=PRINCIPAL.tenant, limit=50))


class Round(msgspec.Struct, frozen=True):
    """Sorted latencies in ms without and with pruning, and how many went meanwhile."""

    usual: list[float]
    pruning: list[float]
    gone: int
    seconds: float

    def ratio(self, share: float) -> float:
        """A quantile while pruning over the usual one."""
        return quantile(self.pruning, share) / quantile(self.usual, share)


class Counting:
    """A store of operations that counts what is pruned."""

    def __init__(self, operations: Any) -> None:
        self._operations = operations
        self.gone = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operations, name)

    async def prune(self, limit: int) -> int:
        """See OperationStore."""
        gone: int = await self._operations.prune(limit)
        self.gone += gone
        return gone


async def measure(url: str, rows: int, seconds: float) -> list[Round]:
    """Rounds until everything that has expired is gone."""
    await fill(url, rows, expires_in=-1_000_000, has_history=True)
    kind = Kind("noop", spec=NoopSpec, result=None, run=_noop, executor="inline")
    store = PostgresStore(url)
    await store.open()
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="outlast-bench-") as folder:
        async with in_process(Path(folder), kind, SLOTS, url=url) as engine:
            foreground, counting = Foreground(engine), Counting(store.operations)
            chores = Chores(counting, Recovery())  # type: ignore[arg-type]  it is one but for a count
            await foreground.measure(seconds)
            while counting.gone < rows * 0.998:
                usual = await foreground.measure(seconds)
                before, began = counting.gone, time.perf_counter()
                pruning = asyncio.create_task(chores.prune())
                busy = await foreground.measure(seconds)
                pruning.cancel()
                await asyncio.gather(pruning, return_exceptions=True)
                took = time.perf_counter() - began
                rounds.append(Round(usual, busy, counting.gone - before, took))
    await store.close()
    return rounds


async def _noop(plan: NoopSpec, context: Any) -> None:
    """Nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--url", help="a fresh PostgreSQL database")
    wanted = parser.parse_args()
    with database(wanted.url, is_wanted=True) as url:
        rounds = run(lambda: measure(url or "", wanted.rows, wanted.seconds))
    told = statistics.median(one.gone / one.seconds for one in rounds)
    print(f"{wanted.rows:,} pruned in {len(rounds)} rounds, {told:,.0f} a second")
    print(f"{'ms':8}{'usual':>10}{'pruning':>10}{'ratio':>8}   range       bar")
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        usual = statistics.median(quantile(one.usual, share) for one in rounds)
        busy = statistics.median(quantile(one.pruning, share) for one in rounds)
        ratios = [one.ratio(share) for one in rounds]
        bar = f"{RATIO_MAX:8.1f}" if name == "p99" else ""
        spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
        print(
            f"{name:8}{usual:10.2f}{busy:10.2f}{statistics.median(ratios):8.2f}   {spread:10}{bar}"
        )


if __name__ == "__main__":
    main()
