"""Reading a text/event-stream, piece by piece, wherever the pieces break."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class StreamEvent:
    """One event. `id` is None when the stream gave none with it."""

    type: str
    data: str
    id: str | None


class EventReader:
    """Takes bytes as they come, gives events as they are complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, list[str]] = {}

    def feed(self, piece: bytes) -> Iterator[StreamEvent]:
        """The events that this piece completes. Comments are dropped."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            text = line.rstrip(b"\r").decode("utf-8", "replace")
            if not text:
                yield from self._finish()
            elif not text.startswith(":"):
                name, _, value = text.partition(":")
                self._fields.setdefault(name, []).append(value.removeprefix(" "))

    def _finish(self) -> Iterator[StreamEvent]:
        fields, self._fields = self._fields, {}
        if "data" in fields:
            yield StreamEvent(
                type=fields.get("event", ["message"])[-1],
                data="\n".join(fields["data"]),
                id=fields["id"][-1] if "id" in fields else None,
            )
