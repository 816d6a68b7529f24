import asyncio
import logging
import time
from typing import Any

import pytest

from outlast.engine.chores import Chores
from outlast.operations.errors import Unavailable
from outlast.settings import Recovery


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

    async def get(self, tenant: str | None, refs: list[str]) -> list[None]:
        return [None for _ in refs]

    async def prune(self, limit: int) -> int:
        return 0

    async def prune_audit(self, before: int, limit: int) -> int:
        return 0

    async def prune_tombstones(self, before: int, limit: int) -> int:
        return 0

    def now(self) -> int:
        return 0


@pytest.mark.parametrize("error", [Unavailable(), RuntimeError("nobody thought of this")])
async def test_chores_go_on_after_one_that_failed(caplog, error):
    caplog.set_level(logging.CRITICAL)
    store = Ailing(error, error)
    running = asyncio.create_task(Chores(store, Recovery(reap_seconds=0.01)).run())
    try:
        async with asyncio.timeout(5):
            await store.reaped.wait()
        assert not running.done()
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


class Away(Ailing):
    """A store that is away for a while, and remembers when it was asked to reap."""

    def __init__(self, away_seconds: float) -> None:
        super().__init__()
        self._away_from = time.monotonic() + 0.05
        self.back_at = self._away_from + away_seconds
        self.reaps: list[float] = []
        self.reaped_after = asyncio.Event()

    async def get(self, tenant: str | None, refs: list[str]) -> list[None]:
        if self._away_from < time.monotonic() < self.back_at:
            raise Unavailable
        return [None for _ in refs]

    async def reap(self, limit: int) -> list[Any]:
        self.reaps.append(time.monotonic())
        if self.reaps[-1] >= self.back_at:
            self.reaped_after.set()
        return []


async def test_after_an_outage_no_lease_is_taken_away_before_all_could_renew(caplog):
    caplog.set_level(logging.CRITICAL)
    store = Away(0.4)
    recovery = Recovery(reap_seconds=0.01, renew_seconds=0.2, lease_seconds=0.6)
    running = asyncio.create_task(Chores(store, recovery).run())
    try:
        async with asyncio.timeout(5):
            await store.reaped_after.wait()
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert any(at < store.back_at for at in store.reaps), "it reaped before"
    assert not any(store.back_at <= at < store.back_at + 0.2 for at in store.reaps)
