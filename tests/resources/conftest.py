import os

import pytest
from datasets_for_tests import ManualClock, principal

from outlast.executors.calls import Sandbox
from outlast.executors.launching import Launcher
from outlast.resources.datasets import Datasets, Publisher
from outlast.resources.datasets.collecting import Collector
from outlast.resources.datasets.parser import Parser
from outlast.resources.objects import LocalObjects
from outlast.store.sqlite.store import SqliteStore


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def store(tmp_path, clock):
    store = SqliteStore(tmp_path / "data" / "outlast.db", clock=clock)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def objects(tmp_path):
    return LocalObjects(tmp_path / "data" / "objects")


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "data" / "spool"


@pytest.fixture
def publisher(store, objects, spool):
    return Publisher(
        store.catalog, objects, now=store.operations.now, spool=spool, temporary_days=7
    )


@pytest.fixture
def collector(store, objects, spool, publisher):
    return Collector(store.catalog, objects, now=store.operations.now, spool=spool)


@pytest.fixture
async def sandbox(tmp_path):
    launcher = Launcher(tmp_path / "data" / "work", environment={"PATH": os.environ["PATH"]})
    (tmp_path / "data").mkdir(mode=0o711, exist_ok=True)
    # The folders that pytest makes are closed to the user that a child becomes.
    await launcher.open()
    yield Sandbox(launcher)
    await launcher.close()


@pytest.fixture
def library(store, objects, spool, publisher, sandbox):
    parser = Parser(
        sandbox,
        objects,
        spool=spool,
        upload_bytes_max=50_000_000,
        readers=["outlast.dialects.nebius.datasets"],
    )
    return Datasets(store, publisher, parser)


@pytest.fixture
def ann():
    return principal("ann")
