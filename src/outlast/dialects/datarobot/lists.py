"""Lists: a part of what there is, how much there is, and where the next part begins."""

from collections.abc import Sequence
from typing import Final, Generic, TypeVar
from urllib.parse import urlencode

import msgspec

LIMIT_MAX: Final = 1000
LIMIT_DEFAULT: Final = 100
OFFSET_MAX: Final = 10_000

T = TypeVar("T")


class Listed(msgspec.Struct, Generic[T], frozen=True, kw_only=True, rename="camel"):
    """A part of a list. Clients follow `next` until it is null."""

    count: int
    data: Sequence[T]
    next: str | None
    previous: str | None
    total_count: int


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is asked for; `url` is that of the list, absolute.

    `query` is what else was asked, and is kept in the links.
    """

    url: str
    limit: int = LIMIT_DEFAULT
    offset: int = 0
    query: Sequence[tuple[str, str]] = ()

    @property
    def end(self) -> int:
        """How many things there must be for the window to be full."""
        return self.offset + self.limit

    def cut(self, things: Sequence[T]) -> Sequence[T]:
        """The part of the things that lies in the window."""
        return things[self.offset : self.end]

    def at(self, offset: int) -> str:
        """The URL of the window of the same size that begins elsewhere."""
        place = {"offset": max(0, offset), "limit": self.limit}
        return f"{self.url}?{urlencode([*self.query, *place.items()])}"


def listed(shown: Sequence[T], total: int, window: Window) -> Listed[T]:
    """A list that shows what lies in the window, `total` of which there are."""
    return Listed(
        count=len(shown),
        data=shown,
        next=window.at(window.end) if window.end < total else None,
        previous=window.at(window.offset - window.limit) if window.offset else None,
        total_count=total,
    )
