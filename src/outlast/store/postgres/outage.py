"""How long callers wait for a database that is away, and how often it is tried meanwhile."""

import asyncio
import random
import time
from typing import Final

OUTAGE_SECONDS: Final = 8.0
"""Within this a restart is not noticed; past it callers are told."""
_PAUSE_SECONDS: Final = 0.02
_PAUSE_SECONDS_MAX: Final = 0.5


class Outage:
    """One caller's wait. The time of `since` is that of `time.monotonic()`."""

    def __init__(self, patience: float, *, since: float | None = None) -> None:
        self._ends_at = (time.monotonic() if since is None else since) + patience
        self._pause = _PAUSE_SECONDS

    @property
    def is_over_patience(self) -> bool:
        """Whether it is time to tell the caller."""
        return time.monotonic() >= self._ends_at

    async def pause(self) -> None:
        """Wait a little, longer each time, and not as long as others do."""
        await asyncio.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311  not a secret
        self._pause = min(self._pause * 2, _PAUSE_SECONDS_MAX)
