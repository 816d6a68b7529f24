"""Puts a streamed answer together: server-sent events in, the choices and the usage out. Pure."""

from typing import Any, Final

import msgspec

DONE: Final = b"[DONE]"
EVENT_BYTES_MAX: Final = 4 * 1024 * 1024
_CHOICES_MAX: Final = 128
_CALLS_MAX: Final = 256
_WHOLE: Final = frozenset({"role", "id", "type", "name"})
"""What comes whole in one delta; any other text comes in pieces."""


class EventTooLarge(ValueError):
    """An event of a stream is larger than anything sensible."""


class EventSplitter:
    """Cuts a stream of bytes into server-sent events, however the network has cut it."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that are complete now, each with the empty line that ends it."""
        *events, self._rest = _lines_ended(self._rest + piece).split(b"\n\n")
        if len(self._rest) > EVENT_BYTES_MAX:
            raise EventTooLarge(f"an event of more than {EVENT_BYTES_MAX} bytes")
        return [event + b"\n\n" for event in events if event]

    @property
    def is_empty(self) -> bool:
        """Whether no event has begun and not ended."""
        return not self._rest.strip()


def _lines_ended(text: bytes) -> bytes:
    """The text with plain newlines, but for a carriage return at the end: more may follow."""
    return text.replace(b"\r\n", b"\n") if b"\r" in text else text


def data_of(event: bytes) -> bytes:
    """What an event says, without the names of its fields; empty for a comment."""
    lines = (line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
    return b"\n".join(lines)


class Chunk(msgspec.Struct, frozen=True):
    """What matters in one chunk of a streamed chat completion. An error may take its place."""

    choices: list[Any] = []
    usage: dict[str, Any] | None = None
    error: Any = None


class Assembly:
    """A chat completion that grows by its chunks."""

    def __init__(self) -> None:
        self._choices: dict[int, dict[str, Any]] = {}
        self.usage: dict[str, Any] | None = None

    @property
    def choices(self) -> list[dict[str, Any]]:
        """The choices so far, as an answer that is not streamed has them."""
        return [_joined(self._choices[index]) for index in sorted(self._choices)]

    @property
    def is_finished(self) -> bool:
        """Whether every choice that began has said why it ended."""
        return bool(self._choices) and all(
            choice["finish_reason"] is not None for choice in self._choices.values()
        )

    def add(self, chunk: Chunk) -> None:
        """Add a chunk. What does not look like one is left out."""
        if chunk.usage is not None:
            self.usage = chunk.usage
        for piece in chunk.choices:
            if isinstance(piece, dict):
                self._add_choice(piece)

    def _add_choice(self, piece: dict[str, Any]) -> None:
        index = piece.get("index", 0)
        if not isinstance(index, int) or not 0 <= index < _CHOICES_MAX:
            return
        choice = self._choices.setdefault(
            index, {"index": index, "message": {"role": "assistant"}, "finish_reason": None}
        )
        if piece.get("finish_reason") is not None:
            choice["finish_reason"] = piece["finish_reason"]
        delta = piece.get("delta")
        if isinstance(delta, dict):
            _merge(choice["message"], delta)


class _Pieces(list[str]):
    """A text that is still growing."""


def _merge(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        known = message.get(name)
        if value is None:
            message.setdefault(name, None)
        elif name == "tool_calls" and isinstance(value, list):
            message[name] = known if isinstance(known, list) else []
            _merge_calls(message[name], value)
        elif isinstance(value, str) and name not in _WHOLE:
            if isinstance(known, _Pieces):
                known.append(value)
            else:
                message[name] = _Pieces([value])
        elif isinstance(value, dict):
            message[name] = known if isinstance(known, dict) else {}
            _merge(message[name], value)
        else:
            message[name] = value


def _merge_calls(calls: list[Any], pieces: list[Any]) -> None:
    for piece in pieces:
        index = piece.get("index", 0) if isinstance(piece, dict) else None
        if isinstance(index, int) and 0 <= index < _CALLS_MAX:
            while len(calls) <= index:
                calls.append({})
            _merge(calls[index], {name: value for name, value in piece.items() if name != "index"})


def _joined(value: Any) -> Any:
    if isinstance(value, _Pieces):
        return "".join(value)
    if isinstance(value, dict):
        return {name: _joined(item) for name, item in value.items()}
    return [_joined(item) for item in value] if isinstance(value, list) else value
