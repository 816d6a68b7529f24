"""An engine and a worker in one process on one database, as the benchmarks call them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from outlast import processes
from outlast.engine import Engine, Hub, Principal, Role
from outlast.engine.preparing import OwnPreparer
from outlast.executors.inline import InlineExecutor
from outlast.operations.kind import Kind
from outlast.settings import Limits, Recovery, Retention, Sharing
from outlast.store.port import Store
from outlast.store.postgres import PostgresStore
from outlast.store.sqlite import SqliteStore
from outlast.worker import Equipment, OwnPartials, Worker

_T = TypeVar("_T")
PRINCIPAL = Principal(tenant="default", member="bench", role=Role.SUBMITTER)
SPEC_BYTES = 250
ALIKE = Sharing()


class NoopSpec(msgspec.Struct, frozen=True):
    """A spec that says nothing."""

    filling: str


def make_spec(size: int = SPEC_BYTES) -> bytes:
    """A spec of so many bytes."""
    empty = msgspec.json.encode(NoopSpec(filling=""))
    return msgspec.json.encode(NoopSpec(filling="x" * (size - len(empty))))


@asynccontextmanager
async def in_process(
    folder: Path,
    kind: Kind,
    slots: int,
    begin: asyncio.Event | None = None,
    *,
    url: str | None = None,
    sharing: Sharing = ALIKE,
) -> AsyncIterator[Engine]:
    """An engine whose operations a worker of so many slots runs, both on this loop.

    The worker starts at once, or when `begin` is set. The database is a SQLite file in the folder,
    or the PostgreSQL database at the URL.

    Nothing is left out: leases are renewed, their tokens checked, events and audit entries written,
    and every commit is on disk before its answer.
    """

    def new_store() -> Store:
        return SqliteStore(folder / "outlast.db") if url is None else PostgresStore(url)

    store = new_store()
    await store.open()
    hub = Hub(store.operations, watchers_max=10_000)
    hub.open()
    kinds: Mapping[str, Kind] = {kind.name: kind}
    executor = InlineExecutor([kind], folder)
    worker = Worker(
        Equipment(
            store=store,
            kinds=kinds,
            modules={kind.name: "none"},
            executors={"inline": executor},
            preparer=OwnPreparer(),
            partials=OwnPartials(),
            publishers={},
            stager=None,
            files=None,
            limits=Limits(),
            recovery=Recovery(),
            sharing=lambda: sharing,
        ),
        new_store,
        name="bench",
        slots=slots,
    )

    async def work() -> None:
        if begin is not None:
            await begin.wait()
        await worker.run()

    working = asyncio.create_task(work())
    try:
        yield Engine(store, kinds, hub=hub, limits=Limits(), retention=Retention())
    finally:
        worker.drain()
        await working
        await executor.close()
        hub.close()
        await store.close()


def run(main: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """What a coroutine function answers, on the loop that the server uses."""
    answers: list[_T] = []

    async def keep() -> None:
        answers.append(await main())

    processes.run(keep)
    return answers[0]
