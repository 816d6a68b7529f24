"""Which part of a list a request asks for, and finding that part."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

from outlast.dialects.gooddata.lists import (
    OFFSET_MAX,
    PAGE,
    SIZE_DEFAULT,
    SIZE_MAX,
    Window,
    check_meta,
    window_at,
)
from outlast.http.parsing import parse_integer
from outlast.http.routing import Call, Parameter

WINDOW: Final = (
    Parameter(
        name="size",
        schema={"type": "integer", "minimum": 1, "maximum": SIZE_MAX, "default": SIZE_DEFAULT},
        says="How many at most.",
    ),
    Parameter(
        name="offset",
        schema={"type": "integer", "minimum": 0, "maximum": OFFSET_MAX, "default": 0},
        says="How many to pass over.",
    ),
    Parameter(
        name="page",
        schema={"type": "integer", "minimum": 0, "maximum": OFFSET_MAX},
        says="How many pages of this size to pass over, in place of offset.",
    ),
    Parameter(
        name="metaInclude",
        schema={"type": "string", "enum": [PAGE]},
        says="page: count the elements.",
        is_repeatable=True,
    ),
)

THERE: Final = frozenset({"ready", "deprovisioning", "deleting"})
"""The statuses of what is there: what is being made is not yet, what is being removed still is."""

FIND_MAX: Final = 1000


class Thing(Protocol):
    """What is found by id, and is made and removed by operations."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def status(self) -> str:
        """What is under way with it."""


T = TypeVar("T", bound=Thing)


def parse_window(call: Call) -> Window:
    """The window of a request. Raises Invalid."""
    return window_at(
        place_of(call),
        size=parse_integer(call, "size", SIZE_DEFAULT, 1, SIZE_MAX),
        offset=_start(call, "offset"),
        page=_start(call, "page"),
        is_counted=check_meta(call.query.get("metaInclude", ())),
    )


async def gather(
    find: Callable[[str | None], Awaitable[Sequence[T]]], window: Window
) -> Sequence[T]:
    """All that are there if they shall be counted, else up to the end of the window.

    `find` gives at most FIND_MAX with ids below one, in the order of ids.
    """
    found: list[T] = []
    before_id: str | None = None
    while window.is_counted or len(found) < window.offset + window.size:
        page = await find(before_id)
        found += [one for one in page if one.status in THERE]
        if len(page) < FIND_MAX:
            break
        before_id = page[-1].id
    return found


def place_of(call: Call) -> str:
    """The path that was asked for, as clients of this listener write it."""
    return quote(call.root + call.path)


def _start(call: Call, name: str) -> int | None:
    return None if call.one(name) is None else parse_integer(call, name, 0, 0, OFFSET_MAX)
