"""What the host of an attempt says to its worker, and asks it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from outlast.executors.frames import frame
from outlast.executors.messages import CancelSeen, Happened, Logged, Reported
from outlast.executors.ray.messages import (
    FromNode,
    GetFile,
    ListFiles,
    Part,
    PutFile,
    Reply,
    Request,
    SaveCheckpoint,
)
from outlast.executors.ray.transfers import Incoming, parts_of
from outlast.operations import documents
from outlast.operations.errors import LeaseLost, TooLarge, Unavailable
from outlast.operations.progress import Report

_WAITING_BYTES_MAX: Final = 64 << 20


class Asker:
    """The sink of an attempt whose worker is elsewhere. `incoming` is the file that comes here."""

    incoming: Incoming

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._one_file = asyncio.Lock()
        self._one_request = asyncio.Lock()
        self._answer: asyncio.Future[Reply] | None = None
        self._is_over = False

    def say(self, message: FromNode) -> None:
        """Say something to the worker. Raises TooLarge when more waits than should."""
        if self._writer.transport.get_write_buffer_size() > _WAITING_BYTES_MAX:
            raise TooLarge(f"more than {_WAITING_BYTES_MAX} bytes wait on their way to the worker")
        self._writer.write(frame(message))

    async def send(self, parts: AsyncIterator[Part], message: FromNode) -> None:
        """Send a file, and then say what it is."""
        async with self._one_file:
            async for part in parts:
                self.say(part)
                await self._writer.drain()
            self.say(message)

    def answer(self, reply: Reply) -> None:
        """Hand the worker's answer to whoever asked."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(reply)

    def hang_up(self) -> None:
        """The worker is gone: nobody will answer any more."""
        self._is_over = True
        self.answer(Reply(error="the worker is gone"))

    def report(self, report: Report) -> None:
        """See Sink."""
        self.say(Reported(report=report))

    async def checkpoint(self, document: bytes) -> None:
        """See Sink."""
        await self._ask(SaveCheckpoint(document=document))

    def log(self, at: int, text: str) -> None:
        """See Sink. The worker's clock dates it."""
        _ = at
        self.say(Logged(text=text))

    def event(self, type: str, data: Mapping[str, Any]) -> None:
        """See Sink."""
        self.say(Happened(type=type, data=documents.encode(data)))

    def cancel_seen(self) -> None:
        """See Sink."""
        self.say(CancelSeen())

    async def put_file(self, name: str, source: Path) -> None:
        """See Sink."""
        with source.open("rb", buffering=0) as file:
            await self._ask(PutFile(name=name), parts_of(file.fileno()))

    async def get_file(self, name: str, target: Path) -> bool:
        """See Sink."""
        try:
            is_there = bool(await self._ask(GetFile(name=name)))
        except (LeaseLost, Unavailable):
            await self.incoming.drop()
            raise
        if is_there:
            await self.incoming.take(target)
        return is_there

    async def list_files(self) -> Sequence[str]:
        """See Sink."""
        return msgspec.convert(await self._ask(ListFiles()), tuple[str, ...])

    async def _ask(self, request: Request, parts: AsyncIterator[Part] | None = None) -> Any:
        async with self._one_request:
            if self._is_over:
                raise Unavailable("the worker is gone")
            self._answer = asyncio.get_running_loop().create_future()
            if parts is None:
                self.say(request)
            else:
                await self.send(parts, request)
            reply = await self._answer
        if reply.lease_lost:
            raise LeaseLost(reply.error)
        if reply.error is not None:
            raise Unavailable(reply.error)
        return reply.value
