"""What the routes have in common: where they stand, what they answer, and parts of lists."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from outlast.dialects.lakesail import MEDIA, encode
from outlast.http.paging import page_position, page_token
from outlast.http.parsing import parse_integer
from outlast.http.routing import Answer, Call, Header, Parameter

BASE: Final = "/api/v1"
LIMIT_MAX: Final = 100
ANSWER_MEDIA: Final = (MEDIA,)
WINDOW: Final = (
    Parameter(
        name="limit",
        schema={"type": "integer", "minimum": 0, "maximum": LIMIT_MAX, "default": LIMIT_MAX},
        says="How many at most.",
    ),
    Parameter(name="marker", schema={"type": "string"}, says="Where an earlier page ended."),
)

_MEDIA: Final = MEDIA.encode()

T = TypeVar("T")


class Window:
    """Which part of a list a request asks for. `before_id` is where it begins, or None.

    A page is asked of the store with `limit`, which is at least 1 so that it is known whether there
    is anything, and `cut` to what was asked for.
    """

    def __init__(self, call: Call, name: str) -> None:
        """Raises Invalid, and InvalidPageToken for a marker of another list."""
        self._name = name
        self._wanted = parse_integer(call, "limit", LIMIT_MAX, 0, LIMIT_MAX)
        marker = call.one("marker")
        self.before_id = None if marker is None else page_position(marker, name) or None
        self.limit = max(self._wanted, 1)

    def cut(
        self, found: Sequence[T], id_of: Callable[[T], str], *, has_more: bool
    ) -> tuple[Sequence[T], str | None]:
        """What is shown of a page, and the marker of the next one, or None at the end."""
        shown = found[: self._wanted]
        if not has_more and len(shown) == len(found):
            return shown, None
        position = id_of(shown[-1]) if shown else self.before_id or ""
        return shown, page_token(position, self._name)


def answered(document: Any, status: int = 200, headers: Sequence[Header] = ()) -> Answer:
    """A document of the wire as an answer."""
    return Answer(status=status, body=encode(document), headers=headers, media=_MEDIA)
