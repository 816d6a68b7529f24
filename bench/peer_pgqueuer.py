"""pgqueuer runs no-op jobs on PostgreSQL: one round, printed as one line of JSON.

The jobs are enqueued first, 1,000 at a time, and not timed; the clock runs from the start of the
first one until none is left in the queue, so that the success of each is in the log table.

With --lifecycle it does what ours does: submitters in the same process enqueue one job each as soon
as the last is durable, while the worker runs, and the clock runs from the first call.
"""

import argparse
import asyncio
import json
import time
from importlib.metadata import version

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from databases import database

AT_ONCE = 1_000
SUBMITTERS = 256


async def fill(queries: Queries, operations: int) -> float:
    """Enqueue the jobs; the seconds it took."""
    started = time.perf_counter()
    for begin in range(0, operations, AT_ONCE):
        size = min(AT_ONCE, operations - begin)
        await queries.enqueue(["noop"] * size, [b"x" * 250] * size, [0] * size)
    return time.perf_counter() - started


async def submit_all(queries: Queries, operations: int) -> None:
    """Enqueue the jobs one by one, from many submitters at once."""
    left = operations

    async def submit() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await queries.enqueue("noop", b"x" * 250)

    await asyncio.gather(*(submit() for _ in range(SUBMITTERS)))


async def one_round(url: str, wanted: argparse.Namespace) -> dict[str, float]:
    """Fill and drain, or both at once."""
    operations = wanted.operations
    async with asyncpg.create_pool(url, min_size=1, max_size=max(wanted.connections, 2)) as pool:
        connection = await asyncpg.connect(url)
        driver = AsyncpgDriver(connection) if wanted.connections == 1 else AsyncpgPoolDriver(pool)
        queries = Queries(driver)
        await queries.install()
        enqueue_seconds = 0.0 if wanted.lifecycle else await fill(queries, operations)
        queue = PgQueuer(driver)
        left, first_at, all_ran = operations, 0.0, asyncio.Event()

        @queue.entrypoint("noop")
        async def noop(job: Job) -> None:  # noqa: ARG001  a handler's form
            nonlocal left, first_at
            if first_at == 0.0:
                first_at = time.perf_counter()
            left -= 1
            if left == 0:
                all_ran.set()

        running = asyncio.create_task(queue.run(batch_size=wanted.batch))
        if wanted.lifecycle:
            await asyncio.sleep(1)
            first_at = time.perf_counter()
            await submit_all(queries, operations)
        await all_ran.wait()
        seconds = await all_logged(pool, operations) - first_at
        queue.shutdown.set()
        await running
        await connection.close()
    return {"seconds": seconds, "enqueue_seconds": enqueue_seconds}


async def all_logged(pool: asyncpg.Pool, operations: int) -> float:
    """When the last success was recorded."""
    async with pool.acquire() as looking:
        while await looking.fetchval("SELECT EXISTS (SELECT 1 FROM pgqueuer)"):  # noqa: ASYNC110  the table is what shall say it
            await asyncio.sleep(0.005)
        ended_at = time.perf_counter()
        done = await looking.fetchval(
            "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"
        )
    if done != operations:
        raise RuntimeError(f"{done} of {operations} succeeded")
    return ended_at


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--connections", type=int, default=1, help="more than one: a pool of them")
    parser.add_argument("--lifecycle", action="store_true", help="enqueue while the worker runs")
    parser.add_argument("--url", help="a fresh database; without it on a server of its own")
    wanted = parser.parse_args()
    with database(wanted.url, is_wanted=True) as url:
        uvloop.install()
        told = asyncio.run(one_round(url or "", wanted))
    print(
        json.dumps(
            {
                "peer": f"pgqueuer {version('pgqueuer')}",
                "settings": f"batch_size={wanted.batch}, {wanted.connections} connection(s) of"
                " asyncpg, durability=durable (its default), uvloop",
                "operations": wanted.operations,
                **told,
            }
        )
    )


if __name__ == "__main__":
    main()
