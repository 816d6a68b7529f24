"""What a worker does for a child that runs: hear it, do its requests, keep its log."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Final

from outlast.clock import Clock
from outlast.executors.frames import Garbage
from outlast.executors.messages import (
    CancelSeen,
    Ended,
    GetFile,
    Happened,
    ListFiles,
    Logged,
    PutFile,
    Reply,
    Reported,
    SaveCheckpoint,
)
from outlast.executors.outcomes import storable_text
from outlast.executors.port import Sink
from outlast.executors.ward import Ward
from outlast.executors.workdirs import WorkFolder, move_in, opened, remove
from outlast.operations import documents
from outlast.operations.errors import LeaseLost, OutlastError
from outlast.operations.states import check_event_type
from outlast.settings import Limits

_LEAVE_SECONDS: Final = 5.0
_CHUNK_BYTES: Final = 1 << 16
_OUTPUT_BYTES_PER_SECOND_MAX: Final = 8 << 20


class Service:
    """Serves one attempt. `ended` is the last that its child said of it, `garbage` what was none.

    Nothing that the child says is believed: the worker's limits are checked here once more.
    """

    def __init__(
        self, ward: Ward, sink: Sink, limits: Limits, clock: Clock, work: WorkFolder | None
    ) -> None:
        """`work` is given for a sandboxed child, whose files are then handled as hostile."""
        self.ended: Ended | None = None
        self.garbage: str | None = None
        self._ward = ward
        self._sink = sink
        self._limits = limits
        self._clock = clock
        self._work = work
        self._log_bytes_left = limits.log_bytes
        self._cancel_seen = False

    async def hear(self) -> None:
        """Serve until the child has said its last."""
        try:
            while self.ended is None and (message := await self._ward.channel.receive()):
                await self._serve(message)
        except (Garbage, OutlastError) as error:
            self.garbage = str(error)
            self._ward.kill()
        except Exception:
            # The sink is at fault. The attempt ends, and whoever waits for it hears of this.
            self._ward.kill()
            raise
        else:
            # It has nothing left to do, and could not tell if it had.
            self._ward.end_within(_LEAVE_SECONDS)

    async def read_output(self) -> None:
        """Put what the child and its programs print into the log, line by line."""
        line_max = self._limits.log_line_bytes
        waiting = b""
        while chunk := await self._ward.output.read(_CHUNK_BYTES):
            *lines, waiting = (waiting + chunk).split(b"\n")
            for line in lines:
                self._log(line[:line_max].decode(errors="replace"))
            if len(waiting) > line_max:
                self._log(waiting[:line_max].decode(errors="replace"))
                waiting = b""
            if len(chunk) > _CHUNK_BYTES // 4:
                # A flood costs the one who floods, not the worker's loop.
                await asyncio.sleep(len(chunk) / _OUTPUT_BYTES_PER_SECOND_MAX)
        if waiting:
            self._log(waiting[:line_max].decode(errors="replace"))

    async def _serve(self, message: Any) -> None:
        match message:
            case Reported(report=report):
                encoded = documents.encode(report)
                documents.check(encoded, self._limits.progress_bytes, "a report")
                self._sink.report(report)
            case Logged(text=text):
                self._log(text[: self._limits.log_line_bytes])
            case Happened(type=type_, data=data):
                check_event_type(type_)
                documents.check(data, self._limits.event_bytes, "an event")
                decoded = documents.decode(data)
                if not isinstance(decoded, dict):
                    raise Garbage("an event without fields")
                self._sink.event(type_, decoded)
            case CancelSeen():
                if not self._cancel_seen:
                    self._cancel_seen = True
                    self._sink.cancel_seen()
            case Ended():
                self.ended = message
            case SaveCheckpoint() | PutFile() | GetFile() | ListFiles():
                await self._answer(message)
            case _:
                raise Garbage(f"{type(message).__name__} makes no sense now")

    async def _answer(self, request: SaveCheckpoint | PutFile | GetFile | ListFiles) -> None:
        try:
            reply = Reply(number=request.number, value=await self._do(request))
        except LeaseLost as error:
            reply = Reply(number=request.number, error=error.message, lease_lost=True)
        except (OutlastError, OSError) as error:
            reply = Reply(number=request.number, error=str(error))
        self._ward.send(reply)

    def _do(self, request: SaveCheckpoint | PutFile | GetFile | ListFiles) -> Awaitable[Any]:
        match request:
            case SaveCheckpoint(document=document):
                documents.check(document, self._limits.checkpoint_bytes, "the checkpoint")
                return self._sink.checkpoint(document)
            case PutFile(name=name, path=path):
                return self._put_file(name, path)
            case GetFile(name=name, path=path):
                return self._get_file(name, path)
            case ListFiles():
                return self._sink.list_files()

    async def _put_file(self, name: str, path: str) -> None:
        if self._work is None:
            await self._sink.put_file(name, self._ward.workdir / path)
            return
        with opened(self._ward.workdir, path) as number:
            await self._sink.put_file(name, Path(f"/dev/fd/{number}"))

    async def _get_file(self, name: str, path: str) -> bool:
        if self._work is None:
            return await self._sink.get_file(name, self._ward.workdir / path)
        private = self._work.make(None)
        try:
            found = await self._sink.get_file(name, private / "file")
            if found:
                user = self._ward.user
                owner = None if user is None else user.number
                move_in(private / "file", self._ward.workdir, path, owner)
            return found
        finally:
            remove(private)

    def _log(self, text: str) -> None:
        if self._log_bytes_left <= 0:
            return
        text = storable_text(text)
        self._log_bytes_left -= len(text.encode()) + 1
        self._sink.log(self._clock(), text)
        if self._log_bytes_left <= 0:
            notice = f"(the log ends here: {self._limits.log_bytes} bytes are kept)"
            self._sink.log(self._clock(), notice)
