import asyncio
import logging
from typing import Any

import pytest

from outlast.engine.chores import Chores
from outlast.operations.errors import Unavailable


class Ailing:
    """A store whose first looks go wrong."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.reaped = asyncio.Event()

    async def reap(self, limit: int) -> list[Any]:
        if self._errors:
            raise self._errors.pop(0)
        self.reaped.set()
        return []

    async def prune(self, limit: int) -> int:
        return 0

    async def prune_audit(self, before: int, limit: int) -> int:
        return 0

    def now(self) -> int:
        return 0


@pytest.mark.parametrize("error", [Unavailable(), RuntimeError("nobody thought of this")])
async def test_chores_go_on_after_one_that_failed(caplog, error):
    caplog.set_level(logging.CRITICAL)
    store = Ailing(error, error)
    running = asyncio.create_task(Chores(store, reap_seconds=0.01).run())
    try:
        async with asyncio.timeout(5):
            await store.reaped.wait()
        assert not running.done()
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
