"""When a failed attempt is followed by another one."""

from typing import Final

import msgspec

DELAY_SECONDS_LIMIT: Final = 366 * 86_400
"""No attempt waits longer: beyond that an instant would not fit its column."""

_ATTEMPTS_LIMIT: Final = 1000
_FACTOR_LIMIT: Final = 100


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often, and after how long.

    `attempts_max` counts the first attempt. Delays grow from `delay_seconds` by `factor` up to
    `delay_seconds_max`; `jitter` takes away up to that share of a delay, so that operations that
    failed together do not come back together. A failure code in `fatal_codes` is never retried.
    """

    attempts_max: int = 3
    delay_seconds: float = 1.0
    delay_seconds_max: float = 300.0
    factor: float = 2.0
    jitter: float = 0.25
    fatal_codes: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not 1 <= self.attempts_max <= _ATTEMPTS_LIMIT:
            raise ValueError(f"attempts_max must be from 1 to {_ATTEMPTS_LIMIT}")
        if not 0 <= self.jitter <= 1:
            raise ValueError("jitter must be from 0 to 1")
        for name in ("delay_seconds", "delay_seconds_max"):
            if not 0 <= getattr(self, name) <= DELAY_SECONDS_LIMIT:
                raise ValueError(f"{name} must be from 0 to {DELAY_SECONDS_LIMIT}")
        if not 1 <= self.factor <= _FACTOR_LIMIT:
            raise ValueError(f"factor must be from 1 to {_FACTOR_LIMIT}")

    def next_delay(self, attempt: int, chance: float) -> float:
        """Seconds to wait after attempt number `attempt` failed; `chance` is random in [0, 1)."""
        # 100.0 ** 155 overflows a float; long before that the maximum holds, but for delays so
        # small that nobody waits for them.
        growth = self.factor ** min(attempt - 1, 64)
        return min(self.delay_seconds * growth, self.delay_seconds_max) * (1 - self.jitter * chance)
