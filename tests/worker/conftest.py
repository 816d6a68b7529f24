import asyncio
from typing import Any

import pytest
from installation import QUICK, Installation

from outlast.store.sqlite import SqliteStore
from outlast.worker import Worker


@pytest.fixture
async def installation(tmp_path):
    store = SqliteStore(tmp_path / "outlast.db")
    await store.open()
    installed = Installation(store, tmp_path, QUICK)
    installed.hub.open()
    yield installed
    installed.hub.close()
    await store.close()


@pytest.fixture
async def work(installation):
    """Start workers; they are drained when the test is over."""
    running: list[tuple[Worker, asyncio.Task[None]]] = []

    def start(**options: Any) -> Worker:
        worker = installation.worker(**options)
        running.append((worker, asyncio.create_task(worker.run())))
        return worker

    yield start
    for worker, task in running:
        worker.drain(wait_seconds=0)
        async with asyncio.timeout(10):
            await task
