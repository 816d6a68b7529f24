"""The events of one streamed chat on their way: passed on as they came, and put together."""

from typing import Final

import msgspec

from outlast.inference.assembling import (
    DONE,
    Assembly,
    Chunk,
    EventSplitter,
    EventTooLarge,
    data_of,
)
from outlast.inference.endpoints import Endpoint
from outlast.inference.refusals import message_in, scrubbed
from outlast.operations.errors import BackendFailed

DONE_EVENT: Final = b"data: [DONE]\n\n"


class EventRelay:
    """What comes from a model's server goes in, and what the caller shall see comes out.

    `hides_usage` keeps the usage back, for a caller who did not ask for it.
    """

    def __init__(self, endpoint: Endpoint, *, hides_usage: bool, bytes_max: int) -> None:
        self.assembly = Assembly()
        self.is_done = False
        self._endpoint = endpoint
        self._hides_usage = hides_usage
        self._bytes_left = bytes_max
        self._splitter = EventSplitter()

    def feed(self, piece: bytes) -> bytes:
        """The events to pass on, without the last one, after which `is_done`.

        Raises BackendFailed for what is no answer, and for what the server says went wrong.
        """
        self._bytes_left -= len(piece)
        if self._bytes_left < 0:
            raise BackendFailed("the answer is larger than this server allows")
        passed: list[bytes] = []
        for event in self._split(piece):
            data = data_of(event)
            if data == DONE:
                self.is_done = True
                break
            if not data or self._is_shown(data):
                passed.append(event)
        return b"".join(passed)

    def end(self) -> None:
        """The server's answer is over. Raises BackendFailed if it is not whole."""
        if not self.is_done and not (self.assembly.is_finished and self._splitter.is_empty):
            raise BackendFailed("the answer broke off")

    def _split(self, piece: bytes) -> list[bytes]:
        try:
            return self._splitter.feed(piece)
        except EventTooLarge as error:
            raise BackendFailed(f"the model's server sent {error}") from error

    def _is_shown(self, data: bytes) -> bool:
        try:
            chunk = _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BackendFailed("the model's server answered with what is no chunk") from None
        if chunk.error is not None:
            reason = scrubbed(message_in({"error": chunk.error}), self._endpoint.api_key)
            raise BackendFailed(f"the model's server failed: {reason}")
        self.assembly.add(chunk)
        return not self._hides_usage or chunk.usage is None or bool(chunk.choices)


_decoder: Final = msgspec.json.Decoder(Chunk)
