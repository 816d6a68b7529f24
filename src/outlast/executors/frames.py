"""How messages are framed: four bytes of length, big-endian, and a message in msgpack.

The worker believes nothing of what comes from a child: a frame that is too long, or is none, is
Garbage and ends the attempt, and a child that sends faster than it is read has to wait.
"""

import asyncio
import os
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

import msgspec

from outlast.executors.messages import FromChild, Reply, Request, ToChild
from outlast.operations.errors import LeaseLost, TooLarge, Unavailable

FRAME_BYTES_MAX: Final = 16 << 20
HEADER: Final = struct.Struct(">I")
_FRAMES_PER_SECOND_MAX: Final = 5_000
_WINDOW_FRAMES: Final = 500

_from_child: Final[msgspec.msgpack.Decoder[FromChild]] = msgspec.msgpack.Decoder(FromChild)
_to_child: Final[msgspec.msgpack.Decoder[ToChild]] = msgspec.msgpack.Decoder(ToChild)
_encoder: Final = msgspec.msgpack.Encoder()


class Garbage(Exception):
    """What came from the child is no frame."""


def frame(message: msgspec.Struct) -> bytes:
    """A message as it goes over the wire. Raises TooLarge; TypeError where msgpack cannot."""
    encoded = _encoder.encode(message)
    if len(encoded) > FRAME_BYTES_MAX:
        raise TooLarge(f"a message of {len(encoded)} bytes; at most {FRAME_BYTES_MAX} are allowed")
    return HEADER.pack(len(encoded)) + encoded


class WorkerEnd:
    """The worker's end of a channel to a child."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._in_window = 0
        self._window_began = 0.0
        self._is_hurried = False

    def send(self, message: ToChild) -> None:
        """Send what the child will read when it can. Nothing happens if it is gone."""
        self._writer.write(frame(message))

    async def receive(self) -> FromChild | None:
        """The next message, or None after the last. Raises Garbage."""
        try:
            (size,) = HEADER.unpack(await self._reader.readexactly(HEADER.size))
            if size > FRAME_BYTES_MAX:
                raise Garbage(f"a frame of {size} bytes; at most {FRAME_BYTES_MAX} are allowed")
            message = _from_child.decode(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, OSError):
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Garbage(f"not a frame: {error}") from error
        await self._slow_down()
        return message

    def hurry(self) -> None:
        """The child is gone: what it has sent is all there is."""
        self._is_hurried = True

    def close(self) -> None:
        """Give the channel back."""
        self._writer.close()

    async def _slow_down(self) -> None:
        self._in_window += 1
        if self._in_window < _WINDOW_FRAMES:
            return
        now = asyncio.get_running_loop().time()
        ahead = self._in_window / _FRAMES_PER_SECOND_MAX - (now - self._window_began)
        self._in_window, self._window_began = 0, now
        if ahead > 0 and not self._is_hurried:
            await asyncio.sleep(ahead)
            self._window_began += ahead


class ChildEnd:
    """The child's end of the channel to its worker. A child without a worker ends at once."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sending = threading.Lock()
        self._numbers = 0
        self._waiting: dict[int, Future[Any]] = {}

    def send(self, message: FromChild) -> None:
        """Send a message; waits while the worker is busy. From any thread. Raises as `frame`."""
        encoded = frame(message)
        with self._sending:
            try:
                self._socket.sendall(encoded)
            except OSError:
                os._exit(1)

    def receive(self) -> ToChild:
        """The next message. Only before `serve`."""
        (size,) = HEADER.unpack(self._read(HEADER.size))
        return _to_child.decode(self._read(size))

    def serve(self, on_cancel: Callable[[], None]) -> None:
        """From now on, receive in a thread of its own: replies, and the wish to cancel."""
        threading.Thread(target=self._serve, args=(on_cancel,), daemon=True).start()

    def request(self, make: Callable[[int], Request]) -> Future[Any]:
        """Send a request that is made with its number; the future gets the reply's value."""
        future: Future[Any] = Future()
        with self._sending:
            self._numbers += 1
            number = self._numbers
            self._waiting[number] = future
        self.send(make(number))
        return future

    def answer(self, reply: Reply) -> None:
        """Hand a reply to whoever waits for it."""
        future = self._waiting.pop(reply.number)
        if reply.lease_lost:
            future.set_exception(LeaseLost(reply.error))
        elif reply.error is not None:
            future.set_exception(Unavailable(reply.error))
        else:
            future.set_result(reply.value)

    def _serve(self, on_cancel: Callable[[], None]) -> None:
        while True:
            message = self.receive()
            if isinstance(message, Reply):
                self.answer(message)
            else:
                on_cancel()

    def _read(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            try:
                part = self._socket.recv(size - len(received))
            except OSError:
                part = b""
            if not part:
                os._exit(1)
            received += part
        return bytes(received)
