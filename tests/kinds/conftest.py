import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from datasets_for_tests import ManualClock, principal, stream
from publications import publication

from outlast.engine.preparing import TenantCatalog
from outlast.executors.calls import Sandbox
from outlast.executors.launching import Launcher
from outlast.executors.port import Assignment
from outlast.executors.subprocess import SubprocessExecutor, blueprints_of
from outlast.kinds import sql_query
from outlast.operations import ids
from outlast.operations.progress import Report
from outlast.resources.datasets import Datasets, Publisher
from outlast.resources.datasets.parser import Parser
from outlast.resources.objects import LocalObjects
from outlast.store.sqlite.store import SqliteStore

MODULE = "outlast.kinds.sql_query"


class Sink:
    """The worker's side of a Context, that keeps the reports and the log."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.lines: list[str] = []
        self.cancels_seen = 0
        self.is_running = asyncio.Event()

    def report(self, report: Report) -> None:
        self.reports.append(report)
        if report.stage == "running":
            self.is_running.set()

    async def checkpoint(self, document: bytes) -> None:
        raise AssertionError

    def log(self, at: int, text: str) -> None:
        self.lines.append(text)

    def event(self, type: str, data: Mapping[str, Any]) -> None:
        raise AssertionError

    def cancel_seen(self) -> None:
        self.cancels_seen += 1

    async def put_file(self, name: str, source: Path) -> None:
        raise AssertionError

    async def get_file(self, name: str, target: Path) -> bool:
        raise AssertionError

    async def list_files(self) -> Sequence[str]:
        return ()


class QueryBench:
    """What a worker does for one operation, without a queue: prepare, run, publish."""

    def __init__(self, store, objects, publisher, executor, library) -> None:
        self.store, self.objects, self.publisher = store, objects, publisher
        self.executor, self.library = executor, library
        self.kind = sql_query.kinds[0]
        self.ann = principal("ann")

    async def dataset(self, name: str, content: bytes, format: str = "jsonl", **options):
        await self.library.create(self.ann, name)
        return await self.library.upload(self.ann, name, stream(content), format, **options)

    async def prepare(self, **spec):
        catalog = TenantCatalog(self.store.catalog, "default")
        return await sql_query.prepare(msgspec.convert(spec, sql_query.SqlSpec), catalog)

    async def start(self, prepared):
        operation_id = ids.make_id(self.store.operations.now(), ids.random_bits())
        sink = Sink()
        assignment = Assignment(
            operation_id=operation_id,
            kind="sql_query",
            module=MODULE,
            plan=msgspec.json.encode(prepared.plan),
            attempt=1,
            inputs={n: self.objects.local_path(key) for n, key in prepared.inputs.items()},
            lease_seconds=60,
            cancel_grace_seconds=self.kind.cancel_grace_seconds,
        )
        return await self.executor.start(assignment, sink), sink, operation_id

    async def outcome(self, **spec):
        running, _, _ = await self.start(await self.prepare(**spec))
        try:
            return await running.wait()
        finally:
            await running.discard()

    async def run(self, **spec):
        """Run and publish a query; its result."""
        running, _, operation_id = await self.start(await self.prepare(**spec))
        try:
            finished = await running.wait()
            assert type(finished).__name__ == "Finished", finished
            [document] = finished.writes
            writes = await self.publisher.publish(
                publication(document, running.workdir, operation_id)
            )
            await self.store.catalog.write("default", writes)
        finally:
            await running.discard()
        return msgspec.json.decode(finished.result)


@pytest.fixture
async def bench(tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o711)
    store = SqliteStore(data / "outlast.db", clock=ManualClock())
    await store.open()
    objects = LocalObjects(data / "objects")
    spool = data / "spool"
    publisher = Publisher(
        store.catalog, objects, now=store.operations.now, spool=spool, temporary_days=7
    )
    launcher = Launcher(data / "work", environment={"PATH": os.environ["PATH"]})
    await launcher.open()
    [kind] = sql_query.kinds
    executor = SubprocessExecutor(
        launcher, blueprints_of({kind.name: kind}, {kind.name: MODULE}), warm=0
    )
    await executor.open()
    parser = Parser(Sandbox(launcher), objects, spool=spool, upload_bytes_max=50_000_000)
    yield QueryBench(store, objects, publisher, executor, Datasets(store, publisher, parser))
    await executor.close()
    await launcher.close()
    await store.close()
