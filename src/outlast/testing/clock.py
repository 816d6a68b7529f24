"""A clock that stands still until it is turned."""

from outlast.operations.model import SECOND


class ManualClock:
    """Gives the same instant until `advance` moves it."""

    def __init__(self, now: int = 1_700_000_000 * SECOND) -> None:
        self._now = now

    def __call__(self) -> int:
        """The present instant, in microseconds since the epoch."""
        return self._now

    def advance(self, seconds: float) -> int:
        """Move on (or back, if negative); the new instant."""
        self._now += round(seconds * SECOND)
        return self._now
