"""Instants on the wire: ISO 8601 in UTC, to the second where they are whole ones."""

from typing import Annotated

import msgspec

from outlast.operations.instants import show_instant

Instant = Annotated[
    str,
    msgspec.Meta(extra_json_schema={"format": "date-time"}, examples=["2019-08-24T14:15:22Z"]),
]


def instant(at: int) -> str:
    """An instant, given in microseconds since the epoch."""
    return show_instant(at).replace(".000Z", "Z")
