"""Which part of a list a request asks for, and finding that part."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

from outlast.dialects.datarobot.lists import (
    LIMIT_DEFAULT,
    LIMIT_MAX,
    OFFSET_MAX,
    Listed,
    Window,
    listed,
)
from outlast.http.parsing import parse_integer
from outlast.http.routing import Call, Parameter

WINDOW: Final = (
    Parameter(
        name="offset",
        schema={"type": "integer", "minimum": 0, "maximum": OFFSET_MAX, "default": 0},
        says="How many to pass over.",
    ),
    Parameter(
        name="limit",
        schema={"type": "integer", "minimum": 0, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
        says=f"How many at most; 0: as many as there may be, {LIMIT_MAX}.",
    ),
)
FIND_MAX: Final = 1000


class Thing(Protocol):
    """What is found by its id."""

    @property
    def id(self) -> str:
        """Its id."""


T = TypeVar("T", bound=Thing)
Shown = TypeVar("Shown")


def parse_window(call: Call) -> Window:
    """The window of a request, which keeps what else it asks for. Raises Invalid."""
    return Window(
        url=call.absolute(quote(call.path)),
        limit=parse_integer(call, "limit", LIMIT_DEFAULT, 0, LIMIT_MAX) or LIMIT_MAX,
        offset=parse_integer(call, "offset", 0, 0, OFFSET_MAX),
        query=[
            (name, value)
            for name, values in call.query.items()
            for value in values
            if name not in {"offset", "limit"}
        ],
    )


async def gather(
    find: Callable[[str | None], Awaitable[Sequence[T]]], *, at_once: int = FIND_MAX
) -> Sequence[T]:
    """All that there are, as far as a list can reach.

    `find` gives at most `at_once` with ids below one, in descending order of their ids.
    """
    found: list[T] = []
    before_id: str | None = None
    while len(found) < OFFSET_MAX + LIMIT_MAX:
        page = await find(before_id)
        found += page
        if len(page) < at_once:
            break
        before_id = page[-1].id
    return found


SEARCH: Final = Parameter(
    name="search", schema={"type": "string"}, says="Only those with this in their name."
)


def list_things(things: Sequence[T], window: Window, show: Callable[[T], Shown]) -> Listed[Shown]:
    """The list of all things that shows what lies in the window."""
    return listed([show(one) for one in window.cut(things)], len(things), window)
