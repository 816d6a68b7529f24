"""The database's time, known here without asking it each time."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from outlast.operations.model import SECOND

CLOCK: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
SYNC_SECONDS: Final = 10.0
_COMPARISONS: Final = 3


class DatabaseClock:
    """Microseconds since the epoch by the database's clock, to half a round trip.

    Hosts whose own clocks are minutes apart agree by it. It never goes back in one process.
    """

    def __init__(self) -> None:
        self._offset = 0
        self._last = 0

    def __call__(self) -> int:
        """See `outlast.clock.Clock`."""
        self._last = max(self._last, _monotonic() + self._offset)
        return self._last

    async def sync(self, ask: Callable[[], Awaitable[int]]) -> None:
        """Compare with the database's clock. The shortest of some round trips tells best."""
        doubt, offset = min([await self._compare(ask) for _ in range(_COMPARISONS)])
        if abs(offset - self._offset) > doubt:
            self._offset = offset

    async def _compare(self, ask: Callable[[], Awaitable[int]]) -> tuple[int, int]:
        before = _monotonic()
        told = await ask()
        after = _monotonic()
        return (after - before) // 2, told - (before + after) // 2


def _monotonic() -> int:
    return int(time.monotonic() * SECOND)
