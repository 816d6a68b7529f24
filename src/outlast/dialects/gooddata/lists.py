"""Lists and single documents, which carry the forms of two generations of the wire at once.

The older has the things under a name of their own (`services`); the newer has JSON:API documents
(`data`, `links`, `meta`). Clients of either generation pass over what they do not know.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET, UnsetType

from outlast.operations.errors import Invalid

SIZE_MAX: Final = 500
SIZE_DEFAULT: Final = 50
OFFSET_MAX: Final = 10_000
PAGE: Final = "page"

T = TypeVar("T")


class Item(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A thing as JSON:API has it."""

    id: str
    type: str
    attributes: T


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """Where this was asked for."""

    url: str = msgspec.field(name="self")


class PageInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which page this is. Totals are there where they were asked for."""

    number: int
    size: int
    total_elements: int | UnsetType = UNSET
    total_pages: int | UnsetType = UNSET


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What is beside the things of a list."""

    page: PageInfo


class Listed(msgspec.Struct, Generic[T], frozen=True, kw_only=True, rename="camel"):
    """What every list has beside its things."""

    total_count: int | UnsetType = UNSET
    data: Sequence[Item[T]]
    links: Links
    meta: Meta


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is asked for, and at which path."""

    path: str
    size: int = SIZE_DEFAULT
    offset: int = 0
    is_counted: bool = False

    def cut(self, things: Sequence[T]) -> Sequence[T]:
        """The part of the things that lies in the window."""
        return things[self.offset : self.offset + self.size]


def check_meta(values: Sequence[str]) -> bool:
    """Whether the things shall be counted. Raises Invalid."""
    unknown = [value for value in values if value != PAGE]
    if unknown:
        raise Invalid(
            f"metaInclude is {PAGE}, not {unknown[0][:80]!r}",
            field_errors={"metaInclude": "not one of: page"},
        )
    return bool(values)


def window_at(
    path: str, *, size: int, offset: int | None, page: int | None, is_counted: bool
) -> Window:
    """The window that begins at an offset or, as the newer wire counts, with a page."""
    if offset is not None and page is not None:
        raise Invalid("offset or page, not both", field_errors={"page": "offset is given too"})
    start = page * size if page is not None else offset or 0
    if start > OFFSET_MAX:
        raise Invalid(
            f"a page begins at most at the element {OFFSET_MAX:,}", field_errors={"page": "range"}
        )
    return Window(path=path, size=size, offset=start, is_counted=is_counted)


def listed(
    type: str, things: Sequence[T], id_of: Callable[[T], str], window: Window
) -> tuple[Sequence[T], dict[str, Any]]:
    """The things in the window, and what the list that is made of them has beside them."""
    shown, total = window.cut(things), len(things)
    counted = window.is_counted
    page = PageInfo(
        number=window.offset // window.size,
        size=window.size,
        total_elements=total if counted else UNSET,
        total_pages=-(-total // window.size) if counted else UNSET,
    )
    query = urlencode({"offset": window.offset, "size": window.size})
    return shown, {
        "total_count": total if counted else UNSET,
        "data": [Item(id=id_of(one), type=type, attributes=one) for one in shown],
        "links": Links(url=f"{window.path}?{query}"),
        "meta": Meta(page=page),
    }
