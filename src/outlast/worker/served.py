"""What a worker has done lately for each tenant, so that whoever had little goes first."""

import math
from typing import Final

FADE_SECONDS: Final = 5.0
"""How long a start counts, on average: so long whoever had little may go before all others."""
_FORGOTTEN: Final = 0.01


class Served:
    """How many operations of each tenant have begun: each counts as one, and fades away."""

    def __init__(self) -> None:
        self._counts: dict[str, float] = {}
        self._at = 0.0

    def add(self, tenant: str, now: float) -> None:
        """An operation of the tenant has begun."""
        self._fade(now)
        self._counts[tenant] = self._counts.get(tenant, 0.0) + 1

    def until(self, now: float) -> dict[str, float]:
        """The counts as they are now."""
        self._fade(now)
        return self._counts.copy()

    def _fade(self, now: float) -> None:
        if now > self._at:
            left = math.exp((self._at - now) / FADE_SECONDS)
            faded = {tenant: count * left for tenant, count in self._counts.items()}
            self._counts = {each: count for each, count in faded.items() if count > _FORGOTTEN}
            self._at = now
