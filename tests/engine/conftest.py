import pytest
from installation import QUICK, Installation
from postgres_server import pytest_sessionfinish  # noqa: F401  a hook, known by its name

from outlast.store.sqlite import SqliteStore


@pytest.fixture
async def installation(tmp_path):
    store = SqliteStore(tmp_path / "outlast.db")
    await store.open()
    installed = Installation(store, tmp_path, QUICK)
    installed.hub.open()
    yield installed
    installed.hub.close()
    await store.close()
