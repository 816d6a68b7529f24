"""Claim: operations from created to succeeded, durable, with everything on, in one process.

256 submitters create operations with 250-byte specs as fast as they are answered; one worker claims
them, runs a no-op inline handler and records success. The clock stops when the last one of the
round has succeeded, and the store is then asked whether all of them have. With --drain the worker
and the clock start when all have been created.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from databases import database
from in_process import PRINCIPAL, NoopSpec, in_process, make_spec, run
from outlast.engine import Engine, Wish
from outlast.operations.kind import Kind
from outlast.operations.states import State
from outlast.store.port import Query

SUBMITTERS = 256
SLOTS = 256


class Round(msgspec.Struct, frozen=True):
    """What one round took."""

    operations: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Operations a second from the first create to the last success."""
        return self.operations / self.seconds


class Counter:
    """A no-op handler that knows when the last one of a round began."""

    def __init__(self, name: str) -> None:
        self.kind = Kind(name, spec=NoopSpec, result=None, run=self._run, executor="inline")
        self._left = 0
        self.all_ran = asyncio.Event()

    def expect(self, operations: int) -> None:
        """Begin a round."""
        self._left = operations
        self.all_ran.clear()

    async def _run(self, plan: NoopSpec, context: Any) -> None:  # noqa: ARG002  a handler's form
        self._left -= 1
        if self._left == 0:
            self.all_ran.set()


async def one_round(
    engine: Engine, counter: Counter, operations: int, submitters: int, *, wait: bool = False
) -> Round:
    """Create so many operations and see them all to their end.

    With `wait` each submitter follows its operation to its end before it creates the next one.
    """
    spec = make_spec()
    counter.expect(operations)
    left = operations

    async def submit() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            created = await engine.submit(PRINCIPAL, Wish(kind=counter.kind.name, spec=spec))
            if wait:
                ended = await engine.wait(PRINCIPAL, created.operation.id, 60)
                if ended.state is not State.SUCCEEDED:
                    raise RuntimeError(f"{ended.id} is {ended.state}")

    started = time.perf_counter()
    await asyncio.gather(*(submit() for _ in range(submitters)))
    await counter.all_ran.wait()
    while await unfinished(engine, counter.kind):  # noqa: ASYNC110  the store is what shall say it
        await asyncio.sleep(0.001)
    return Round(operations, time.perf_counter() - started)


async def drain(
    engine: Engine, counter: Counter, operations: int, submitters: int, begin: asyncio.Event
) -> Round:
    """Create so many operations, then start the worker and see them all to their end."""
    wish = Wish(kind=counter.kind.name, spec=make_spec())
    counter.expect(operations)
    left = operations

    async def submit() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await engine.submit(PRINCIPAL, wish)

    await asyncio.gather(*(submit() for _ in range(submitters)))
    started = time.perf_counter()
    begin.set()
    await counter.all_ran.wait()
    while await unfinished(engine, counter.kind):  # noqa: ASYNC110  the store is what shall say it
        await asyncio.sleep(0.001)
    return Round(operations, time.perf_counter() - started)


async def unfinished(engine: Engine, kind: Kind) -> bool:
    """Whether any operation of the kind has not succeeded."""
    query = Query(
        tenant=PRINCIPAL.tenant,
        kinds=frozenset({kind.name}),
        states=frozenset(State) - {State.SUCCEEDED},
        limit=1,
    )
    return bool((await engine.find(PRINCIPAL, query)).operations)


async def measure(wanted: argparse.Namespace, url: str | None) -> Round:
    """One round on a fresh database after a warm-up."""
    submitters, wait = wanted.submitters, wanted.wait
    with tempfile.TemporaryDirectory(prefix="outlast-bench-") as folder:
        counter = Counter(wanted.kind)
        async with in_process(Path(folder), counter.kind, wanted.slots, url=url) as engine:
            await one_round(engine, counter, wanted.warm_up, submitters, wait=wait)
            return await one_round(engine, counter, wanted.operations, submitters, wait=wait)


async def measure_drain(wanted: argparse.Namespace, url: str | None) -> Round:
    """One drain of a fresh database."""
    with tempfile.TemporaryDirectory(prefix="outlast-bench-") as folder:
        counter, begin = Counter(wanted.kind), asyncio.Event()
        async with in_process(Path(folder), counter.kind, wanted.slots, begin, url=url) as engine:
            return await drain(engine, counter, wanted.operations, wanted.submitters, begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=20_000)
    parser.add_argument("--warm-up", type=int, default=2_000)
    parser.add_argument("--submitters", type=int, default=SUBMITTERS)
    parser.add_argument("--slots", type=int, default=SLOTS)
    parser.add_argument("--wait", action="store_true", help="submitters wait for their operation")
    parser.add_argument("--drain", action="store_true", help="create all, then start the worker")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL server of its own")
    parser.add_argument("--kind", default="noop", help="what its operations are called")
    parser.add_argument("--url", help="on this fresh PostgreSQL database")
    wanted = parser.parse_args()
    with database(wanted.url, is_wanted=wanted.postgres) as url:
        result = run(lambda: (measure_drain if wanted.drain else measure)(wanted, url))
    if wanted.json:
        print(msgspec.json.encode(result).decode())
    else:
        print(
            f"{result.per_second:,.0f} operations/s ({result.operations} in {result.seconds:.2f} s)"
        )


if __name__ == "__main__":
    main()
