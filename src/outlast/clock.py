"""The one place that reads the clock."""

import time
from collections.abc import Callable
from typing import TypeAlias

Clock: TypeAlias = Callable[[], int]
"""Gives the present instant: microseconds since the epoch, UTC."""


def system_clock() -> int:
    """The machine's clock."""
    return time.time_ns() // 1000  # noqa: TID251  the one place
