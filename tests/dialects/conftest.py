import hashlib
import itertools
from types import SimpleNamespace

import pytest

pytest.register_assert_rewrite("outlast.testing.dialect_contract", "outlast.testing.goldens")

from dialect_world import World  # noqa: E402  after what it imports is registered


@pytest.fixture
async def world(tmp_path, monkeypatch):
    numbers = itertools.count()
    draw = lambda count: hashlib.shake_256(b"%d" % next(numbers)).digest(count)  # noqa: E731
    monkeypatch.setattr(
        "outlast.store.sqlite.transaction.os", SimpleNamespace(urandom=draw), raising=True
    )
    world = World(tmp_path)
    await world.open()
    yield world
    await world.close()
