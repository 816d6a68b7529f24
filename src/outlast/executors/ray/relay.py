"""What Ray itself runs on a node: it carries bytes between the worker and the host of an attempt.

The host is a process of its own, because Ray kills the children of its processes when they end: a
guard must not be one of them. With the host its guard's worker is gone, and the guard clears up.
"""

import asyncio
import socket
import subprocess
import sys
from typing import Final

CHUNK_BYTES: Final = 1 << 20
_BOOTSTRAP: Final = """\
import sys
sys.path += [entry for entry in sys.argv[2:] if entry not in sys.path]
from outlast.executors.ray.host import main
main(int(sys.argv[1]))
"""


class Relay:
    """A host, and the two ends of its pipe. There is one for each attempt.

    Bytes are counted, so that a call may be made again when its answer was lost.
    """

    def __init__(self) -> None:
        self._pipe: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._hearing = asyncio.Lock()
        self._telling = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._forgotten = 0
        self._heard = b""
        self._told = 0

    async def hear(self, start: int) -> bytes:
        """What the host has said from that byte on, as soon as there is any. Empty at its end."""
        reader, _ = await self._opened()
        async with self._hearing:
            if start == self._forgotten + len(self._heard):
                self._forgotten, self._heard = start, b""
                try:
                    self._heard = await reader.read(CHUNK_BYTES)
                except ConnectionError:
                    return b""
            return self._heard[start - self._forgotten :]

    async def tell(self, start: int, data: bytes) -> None:
        """Say this to the host, to whom `start` bytes were said before."""
        _, writer = await self._opened()
        async with self._telling:
            new = data[self._told - start :]
            self._told += len(new)
            try:
                writer.write(new)
                await writer.drain()
            except ConnectionError:
                return  # `hear` tells that it ended

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with self._starting:
            if self._pipe is None:
                ours, theirs = socket.socketpair()
                with theirs:
                    descriptor = theirs.fileno()
                    command = [sys.executable, "-I", "-c", _BOOTSTRAP, str(descriptor), *sys.path]
                    await asyncio.to_thread(_start, command, descriptor)
                self._pipe = await asyncio.open_unix_connection(sock=ours, limit=CHUNK_BYTES)
            return self._pipe


def _start(command: list[str], descriptor: int) -> None:
    # Nobody waits for it: its pipe says when it ends, and this process ends soon after.
    process = subprocess.Popen(  # noqa: S603  the command is ours
        command, pass_fds=[descriptor], stdin=subprocess.DEVNULL, start_new_session=True
    )
    process.returncode = 0
