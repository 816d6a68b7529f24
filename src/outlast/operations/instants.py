"""Instants as text: RFC 3339 in UTC, with milliseconds."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from time import gmtime, strftime
from typing import Final

from outlast.operations.model import SECOND

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def show_instant(at: int) -> str:
    """An instant as text."""
    return f"{_second(at // SECOND)}.{at % SECOND // 1000:03d}Z"


def read_instant(text: str) -> int:
    """The instant that a text with a time zone means. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"an instant without a time zone: {text!r}")
    return (moment - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=8192)
def _second(at: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(at))
