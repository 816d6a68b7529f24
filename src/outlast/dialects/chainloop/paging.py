"""Pages, which are asked for by number and say how many there are."""

import re
from typing import Annotated, Final

import msgspec

from outlast.operations.errors import Invalid

SIZE_MAX: Final = 100
Number = Annotated[int, msgspec.Meta(extra_json_schema={"format": "int32"})]

_INT32: Final = re.compile(r"[+-]?[0-9]{1,10}")
_INT32_MAX: Final = 2**31 - 1


class Pagination(msgspec.Struct, frozen=True, kw_only=True):
    """Which page this is. `page` counts from 1."""

    total_count: Number
    page: Number
    page_size: Number
    total_pages: Number


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The page that is asked for."""

    page: int
    size: int

    @property
    def offset(self) -> int:
        """How many operations stand before it."""
        return (self.page - 1) * self.size

    def of(self, total: int) -> Pagination:
        """What the answer says of the page."""
        pages = -(-total // self.size)
        return Pagination(total_count=total, page=self.page, page_size=self.size, total_pages=pages)


def read_window(page: str | None, size: str | None) -> Window:
    """The page of these numbers. 0 is as good as none, and too large a size the largest one.

    Raises Invalid.
    """
    return Window(
        page=_read_number(page, "pagination.page") or 1,
        size=min(_read_number(size, "pagination.page_size") or SIZE_MAX, SIZE_MAX),
    )


def _read_number(text: str | None, name: str) -> int:
    if not text:
        return 0
    if not _INT32.fullmatch(text) or not 0 <= int(text) <= _INT32_MAX:
        raise Invalid(f"{name} is a number of 0 or more", field_errors={name: "range"})
    return int(text)
