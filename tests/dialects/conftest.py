import hashlib
import itertools
from types import SimpleNamespace

import pytest

pytest.register_assert_rewrite("outlast.testing.dialect_contract", "outlast.testing.goldens")

from dialect_world import World  # noqa: E402  after what it imports is registered


def random_bytes():
    """What gives the same bytes in every run."""
    numbers = itertools.count()
    return lambda count: hashlib.shake_256(b"%d" % next(numbers)).digest(count)


@pytest.fixture
async def world(tmp_path, monkeypatch):
    draw, draw_bits = random_bytes(), random_bytes()
    monkeypatch.setattr(
        "outlast.store.sqlite.transaction.os", SimpleNamespace(urandom=draw), raising=True
    )
    monkeypatch.setattr("outlast.operations.ids.random_bits", lambda: int.from_bytes(draw_bits(6)))
    world = World(tmp_path)
    await world.open()
    yield world
    await world.close()
