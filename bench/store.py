"""What the SQLite store alone reaches: `python bench/store.py [operations] [folder]`.

One process, FULL fsync, events and leases as in earnest. The disk's own fdatasync is timed in the
same run, since every figure here is a multiple of it.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import uvloop

from outlast.operations import transitions
from outlast.operations.model import Operation, Submission
from outlast.operations.states import State
from outlast.store.port import Change, Changed, Claim, Creation, Held, Query
from outlast.store.sqlite import SqliteStore

SUBMITTERS = 256
SLOTS = 512
KINDS = frozenset({"thumbnails", "reports"})
SPEC = b'{"text":"' + b"x" * 238 + b'"}'


def creation() -> Creation:
    return Creation(
        submission=Submission(tenant="default", created_by="bench", kind="thumbnails", spec=SPEC)
    )


def fdatasync_p50(folder: Path) -> float:
    """Milliseconds for one fdatasync of a 4 KiB block that is already allocated."""
    path = folder / "fdatasync"
    path.write_bytes(bytes(4096))
    times = []
    with path.open("r+b", buffering=0) as file:
        for number in range(300):
            file.seek(0)
            file.write(bytes([number % 256]) * 4096)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    path.unlink()
    return statistics.median(times) * 1000


async def submit_all(store: SqliteStore, count: int) -> None:
    left = iter(range(count))

    async def submitter() -> None:
        for _ in left:
            await store.operations.create([creation()])

    await asyncio.gather(*[submitter() for _ in range(SUBMITTERS)])


async def work_all(store: SqliteStore, count: int) -> None:
    """A worker with SLOTS slots: claims what fits, finishes each operation by itself."""
    woken = asyncio.Event()
    finished = 0
    running: dict[str, str] = {}

    def notice(changed: Changed) -> None:
        if changed.claimable:
            woken.set()

    async def finish(operation: Operation) -> None:
        nonlocal finished
        token = operation.lease.token if operation.lease else ""
        decide = partial(succeed, token)
        await store.operations.apply([Change(id=operation.id, tenant=None, decide=decide)])
        del running[operation.id]
        finished += 1
        woken.set()

    async def renew() -> None:
        while True:
            await asyncio.sleep(1)
            held = [Held(id=id, token=token) for id, token in running.items()]
            await store.operations.renew("bench", held, 15)

    unsubscribe = store.operations.subscribe(notice)
    async with asyncio.TaskGroup() as group:
        renewing = group.create_task(renew())
        while finished < count:
            woken.clear()
            free = SLOTS - len(running)
            claim = Claim(kinds=KINDS, worker="bench", limit=free, lease_seconds=15)
            claimed = await store.operations.claim(claim) if free else []
            for operation in claimed:
                running[operation.id] = operation.lease.token if operation.lease else ""
                group.create_task(finish(operation))
            if not claimed and finished < count:
                await woken.wait()
        renewing.cancel()
    unsubscribe()


def succeed(token: str, operation: Operation, now: int) -> transitions.Transition:
    return transitions.succeed(operation, token, b'{"ok":true}', now)


async def rate(count: int, work: Callable[[], Awaitable[object]]) -> float:
    start = time.perf_counter()
    await work()
    return count / (time.perf_counter() - start)


async def claim_all(store: SqliteStore, batch: int) -> int:
    claim = Claim(kinds=KINDS, worker="bench", limit=batch, lease_seconds=600)
    count = 0
    while claimed := await store.operations.claim(claim):
        count += len(claimed)
    return count


async def get_many(store: SqliteStore, count: int) -> None:
    page = await store.operations.find(Query(tenant="default", limit=500))
    ids = [operation.id for operation in page.operations]
    for number in range(count):
        await store.operations.get("default", [ids[number % len(ids)]])


async def submit_beside_reads(store: SqliteStore, count: int) -> None:
    """The loop has no idle moment, as in a server whose clients poll as fast as they can."""
    is_over = False

    async def poll() -> None:
        while not is_over:
            await store.operations.get("default", ["x"])
            sum(range(1_000))
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(32):
            group.create_task(poll())
        await submit_all(store, count)
        is_over = True


async def find_many(store: SqliteStore, count: int, query: Query) -> None:
    for _ in range(count):
        await store.operations.find(query)


async def main(count: int, folder: Path) -> None:
    print(f"fdatasync p50 {fdatasync_p50(folder):.3f} ms; {os.cpu_count()} cores")
    store = SqliteStore(folder / "outlast.db")
    await store.open()

    async def lifecycles() -> None:
        await asyncio.gather(submit_all(store, count), work_all(store, count))

    for _ in range(3):
        print(f"lifecycles  {await rate(count, lifecycles):>9,.0f}/s")
    print(f"creates     {await rate(count, lambda: submit_all(store, count)):>9,.0f}/s")
    print(f"claims, 50  {await rate(count, lambda: claim_all(store, 50)):>9,.0f}/s")
    beside = await rate(count, lambda: submit_beside_reads(store, count))
    print(f"creates     {beside:>9,.0f}/s beside clients that poll without pause")
    print(f"get         {await rate(20_000, lambda: get_many(store, 20_000)):>9,.0f}/s")
    rare = Query(tenant="default", kinds=KINDS, states=frozenset({State.FAILED}))
    queries = {
        "all": Query(tenant="default"),
        "succeeded": Query(tenant="default", states=frozenset({State.SUCCEEDED})),
        "no match": rare,
    }
    for name, query in queries.items():
        found = await rate(1_000, partial(find_many, store, 1_000, query))
        print(f"find 50, {name:<10} {found:>7,.0f}/s")
    await store.close()
    print(f"fdatasync p50 {fdatasync_p50(folder):.3f} ms")


if __name__ == "__main__":
    operations = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as path:
        uvloop.run(main(operations, Path(path)))
