"""What a worker does for a handler that runs on a node."""

import asyncio
import os
from pathlib import Path
from typing import Any

from outlast.clock import Clock
from outlast.executors.frames import Garbage
from outlast.executors.messages import CancelSeen, Happened, Logged, Reported
from outlast.executors.port import Sink
from outlast.executors.ray.line import Line
from outlast.executors.ray.messages import (
    FromNode,
    GetFile,
    ListFiles,
    Output,
    Part,
    PutFile,
    Reply,
    Request,
    SaveCheckpoint,
    ToNode,
)
from outlast.executors.ray.transfers import Incoming, parts_of
from outlast.executors.workdirs import relative
from outlast.operations import documents
from outlast.operations.errors import Invalid, LeaseLost, OutlastError


class NodeService:
    """Serves one attempt. Its files go through `folder`, and into `workdir` what it publishes."""

    def __init__(self, sink: Sink, folder: Path, workdir: Path, clock: Clock) -> None:
        self._sink = sink
        self._folder = folder
        self._workdir = workdir
        self._clock = clock
        self._incoming = Incoming(folder / "incoming")

    async def serve(self, line: Line, message: FromNode) -> None:
        """Do what the handler says or asks for. Raises Garbage, Lost."""
        match message:
            case Reported(report=report):
                self._sink.report(report)
            case Logged(text=text):
                self._sink.log(self._clock(), text)
            case Happened(type=type_, data=data):
                self._sink.event(type_, documents.decode(data))
            case CancelSeen():
                self._sink.cancel_seen()
            case Part():
                await self._incoming.add(message)
            case Output(name=name):
                await self._take_output(name)
            case SaveCheckpoint() | PutFile() | GetFile() | ListFiles():
                await line.write(await self._answer(line, message))
            case _:
                raise Garbage(f"{type(message).__name__} makes no sense now")

    async def _take_output(self, name: str) -> None:
        try:
            target = self._workdir / relative(name)
        except Invalid as error:
            raise Garbage(error.message) from error
        target.parent.mkdir(parents=True, exist_ok=True)
        await self._incoming.take(target)

    async def _answer(self, line: Line, request: Request) -> ToNode:
        try:
            return Reply(value=await self._do(line, request))
        except LeaseLost as error:
            return Reply(error=error.message, lease_lost=True)
        except (OutlastError, OSError) as error:
            return Reply(error=str(error))

    async def _do(self, line: Line, request: Request) -> Any:
        match request:
            case SaveCheckpoint(document=document):
                await self._sink.checkpoint(document)
                return None
            case PutFile(name=name):
                file = await self._incoming.take(self._folder / "outgoing")
                await self._sink.put_file(name, file)
                return None
            case GetFile(name=name):
                return await self._send_file(line, name)
            case ListFiles():
                return await self._sink.list_files()

    async def _send_file(self, line: Line, name: str) -> bool:
        file = self._folder / "found"
        if not await self._sink.get_file(name, file):
            return False
        await send_file(line, file)
        return True


async def send_file(line: Line, path: Path) -> None:
    """Send a file's content; what it is, the next message says."""
    descriptor = await asyncio.to_thread(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        async for part in parts_of(descriptor):
            await line.write(part)
    finally:
        os.close(descriptor)
