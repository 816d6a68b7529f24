"""The worker's side of a guard and its child."""

import asyncio
import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from outlast.executors import guard, orphans
from outlast.executors.frames import WorkerEnd
from outlast.executors.messages import ToChild
from outlast.executors.sandbox import Locked
from outlast.executors.users import User
from outlast.executors.workdirs import remove

_BACKSTOP_SECONDS: Final = 10.0
_OUTPUT_BYTES_WAITING: Final = 1 << 20
_CHUNK_BYTES: Final = 1 << 16
_DROPPED_BYTES_PER_SECOND_MAX: Final = 8 << 20


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How a guard's watch ended. `cause` is None where the guard itself was killed."""

    cause: bytes | None
    status: int = 0
    peak_memory_bytes: int = 0
    out_of_memory: bool = False


class Ends(NamedTuple):
    """The worker's ends: to the guard, to the child, and of what the child prints."""

    control: socket.socket
    data: socket.socket
    output: int


class Ward:
    """A guard and its child, as the worker has them. Made by `connect`."""

    channel: WorkerEnd
    output: asyncio.StreamReader
    _output_transport: asyncio.BaseTransport

    def __init__(
        self, process: subprocess.Popen[bytes], ends: Ends, workdir: Path, user: User | None
    ) -> None:
        self.workdir = workdir
        self.user = user
        self.guard_pid = process.pid
        self.child_pid = 0
        self.locked: Locked | None = None
        self._process = process
        self._control = ends.control
        self._control.setblocking(False)  # noqa: FBT003  it has no name
        self._started = orphans.start_ticks(process.pid)
        self._backstop: asyncio.TimerHandle | None = None
        self._is_killed = False
        self._dropping: asyncio.Task[None] | None = None
        self._watch = asyncio.get_running_loop().create_task(self._watch_guard())

    @classmethod
    async def connect(
        cls, process: subprocess.Popen[bytes], ends: Ends, workdir: Path, user: User | None
    ) -> "Ward":
        """Take up the worker's ends."""
        ward = cls(process, ends, workdir, user)
        ward.channel = WorkerEnd(*await asyncio.open_unix_connection(sock=ends.data))
        # Nobody reads it while the child waits, so there is room for what imports may print.
        ward.output = asyncio.StreamReader(limit=_OUTPUT_BYTES_WAITING)
        pipe = os.fdopen(ends.output, "rb", buffering=0)
        ward._output_transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(ward.output), pipe
        )
        return ward

    def send(self, message: ToChild) -> None:
        """Say something to the child."""
        self.channel.send(message)

    def lease(self, seconds: float) -> None:
        """From now on the guard watches over a lease, which begins now."""
        self._order(guard.LEASE, seconds)
        self.renewed(time.monotonic())

    def renewed(self, sent_at: float) -> None:
        """Tell the guard of a renewal. From any thread."""
        self._order(guard.RENEWED, sent_at)

    def end_within(self, seconds: float) -> None:
        """Have everything killed when this time has passed. The first order stands."""
        self._order(guard.GRACE, seconds)
        self._set_backstop(seconds)

    def kill(self) -> None:
        """Have everything killed now."""
        self._is_killed = True
        self._order(guard.KILL, 0)
        self._set_backstop(0)

    @property
    def is_dying(self) -> bool:
        """Whether it is over or was told to be."""
        return self._is_killed or self._watch.done()

    async def ended(self) -> End:
        """How it ended, when no process of it is left."""
        return await asyncio.shield(self._watch)

    @property
    def is_over(self) -> bool:
        """Whether no process of it is left."""
        return self._watch.done()

    def ignore_output(self) -> None:
        """From now on, drop what the child prints, so that it can go on printing."""
        self._dropping = asyncio.get_running_loop().create_task(self._drop_output())

    def when_over(self, callback: Callable[[], None]) -> None:
        """Call this when no process of it is left."""
        self._watch.add_done_callback(lambda _: callback())

    def hang_up(self) -> None:
        """Give the worker's ends back, when nothing is left to be read from them."""
        self.channel.close()
        self._output_transport.close()
        if self._dropping is not None:
            self._dropping.cancel()

    async def dispose(self) -> None:
        """Kill what is left of it, and remove its folder."""
        self.kill()
        await self.ended()
        self.hang_up()
        await self.discard()

    async def discard(self) -> None:
        """Remove its folder; only then may others have its user."""
        await asyncio.to_thread(remove, self.workdir)
        if self.user is not None:
            self.user.release()

    async def _drop_output(self) -> None:
        while chunk := await self.output.read(_CHUNK_BYTES):  # noqa: ASYNC110  to wait is the aim
            # A flood costs the one who floods.
            await asyncio.sleep(len(chunk) / _DROPPED_BYTES_PER_SECOND_MAX)

    def _order(self, order: bytes, value: float) -> None:
        # Either the guard is gone, or it is held up and the backstop is for that.
        with contextlib.suppress(OSError):
            self._control.send(guard.ORDER.pack(order, value))

    def _set_backstop(self, seconds: float) -> None:
        if self._backstop is None and not self.is_over:
            # A handler of our own user could stop the guard itself. Then we inherit all of it.
            loop = asyncio.get_running_loop()
            self._backstop = loop.call_later(seconds + _BACKSTOP_SECONDS, self._process.kill)

    async def _watch_guard(self) -> End:
        loop = asyncio.get_running_loop()
        report = b""
        with contextlib.suppress(OSError):
            while part := await loop.sock_recv(self._control, guard.REPORT.size):
                report += part
        await asyncio.to_thread(self._process.wait)
        if len(report) == guard.REPORT.size:
            status, peak, cause, out_of_memory = guard.REPORT.unpack(report)
            end = End(
                cause=cause,
                status=status,
                peak_memory_bytes=peak,
                out_of_memory=bool(out_of_memory),
            )
        else:
            await asyncio.to_thread(orphans.end_orphans, self._started)
            end = End(cause=None)
        self._control.close()
        if self._backstop is not None:
            self._backstop.cancel()
        return end
