"""Telling how far a deployment has come: often enough to be seen, and no more."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from outlast.kinds.infrastructure.table import ResourceTable
from outlast.operations.errors import TooLarge
from outlast.operations.kind import Context
from outlast.operations.progress import ResourceProgress

_REPORT_SECONDS: Final = 0.2
_URGENCY: Final = ("failed", "running", "pending", "succeeded", "unchanged")


class Reporter:
    """Reports a table of resources, with how long what runs has run."""

    def __init__(self, context: Context, table: ResourceTable) -> None:
        self._context = context
        self._table = table
        self._is_fresh = asyncio.Event()
        self._shown_max: int | None = None

    def stage(self, stage: str) -> None:
        """Say what is done at present."""
        self._context.report(stage=stage)

    def changed(self) -> None:
        """Something has happened to the table."""
        self._is_fresh.set()

    @contextlib.asynccontextmanager
    async def reporting(self) -> AsyncIterator[None]:
        """Report what changes, and what takes longer each second."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self.report()

    def report(self) -> None:
        """Report the table as it is now; what does not fit is left out, and that is said."""
        rows = self._table.shown(time.monotonic())
        # Before anything is changed there is nothing to count: what was looked at is not done.
        done, total = self._table.counts or (None, None)
        while True:
            shown = _most_urgent(rows, self._shown_max)
            message = "" if len(shown) == len(rows) else f"{len(shown)} of {len(rows)} are shown"
            try:
                self._context.report(
                    done, total, unit="resources", message=message, resources=shown
                )
            except TooLarge:
                self._shown_max = len(shown) // 2
            else:
                return

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._is_fresh.wait()
            self._is_fresh.clear()
            self.report()
            await asyncio.sleep(_REPORT_SECONDS)


def _most_urgent(
    rows: Sequence[ResourceProgress], shown_max: int | None
) -> Sequence[ResourceProgress]:
    if shown_max is None:
        return rows
    return sorted(rows, key=lambda one: _URGENCY.index(one.status))[:shown_max]
