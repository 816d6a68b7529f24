"""The server's own worker: one child process that is started again when it dies or stands still.

A child that stands still (stopped, frozen, swapped out for good) may do so in the middle of a
transaction, and would hold up every other process on the file. So it shows that it lives, with a
beat a second from a thread of its own, which no handler can hold up; without one it is killed.
"""

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

_PAUSE_SECONDS: Final = 0.5
_PAUSE_SECONDS_MAX: Final = 15.0
_BEAT_SECONDS: Final = 1.0
_SILENCE_SECONDS: Final = 10.0
_START_SECONDS: Final = 60.0

logger = logging.getLogger(__name__)


class Supervisor:
    """Keeps one child process alive.

    The child is given `message` on its standard input, which then stays open: its end tells the
    child that this process is gone. Its one argument is the file descriptor for `show_life`.
    `inherited` are file descriptors that the child keeps.
    """

    def __init__(self, module: str, message: bytes, inherited: Sequence[int]) -> None:
        self._command = [sys.executable, "-m", module]
        self._message = message
        self._inherited = tuple(inherited)
        self._child: asyncio.subprocess.Process | None = None
        self._stopping = False

    async def run(self) -> None:
        """Start the child, and again whenever it dies, until `stop` is called."""
        pause = _PAUSE_SECONDS
        while not self._stopping:
            started = asyncio.get_running_loop().time()
            status = await self._run_child()
            if self._stopping:
                return
            logger.error("the worker process died (status %s); starting it again", status)
            if asyncio.get_running_loop().time() - started > _PAUSE_SECONDS_MAX:
                pause = _PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(pause * 2, _PAUSE_SECONDS_MAX)

    async def stop(self, wait_seconds: float) -> None:
        """Let the child drain; kill it if it is still there after `wait_seconds`."""
        self._stopping = True
        child = self._child
        if child is None or child.returncode is not None:
            return
        child.terminate()
        try:
            async with asyncio.timeout(wait_seconds):
                await child.wait()
        except TimeoutError:
            logger.error("the worker process did not drain in time; killing it")  # noqa: TRY400
            child.kill()
            await child.wait()

    async def _run_child(self) -> int:
        # A session of its own: Ctrl-C at the terminal is the server's to handle.
        beats, beat = os.pipe()
        try:
            self._child = child = await asyncio.create_subprocess_exec(
                *self._command,
                str(beat),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(*self._inherited, beat),
                start_new_session=True,
            )
        except BaseException:
            os.close(beats)
            raise
        finally:
            os.close(beat)
        watching = asyncio.create_task(_kill_when_silent(child, beats))
        try:
            await self._tell(child)
            return await child.wait()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _tell(self, child: asyncio.subprocess.Process) -> None:
        if child.stdin is None:
            raise RuntimeError("the child has no standard input")
        if self._stopping:
            child.terminate()
        try:
            child.stdin.write(self._message + b"\n")
            await child.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            logger.warning("the worker process died before it could read its settings")


async def _kill_when_silent(child: asyncio.subprocess.Process, beats: int) -> None:
    reader = asyncio.StreamReader()
    pipe = os.fdopen(beats, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    # Two misses in a row: where this process itself stood still, the first says nothing.
    patience, misses = _START_SECONDS / 2, 0
    try:
        while misses < 2:  # noqa: PLR2004  see above
            try:
                async with asyncio.timeout(patience):
                    if not await reader.read(4096):
                        return
            except TimeoutError:
                misses += 1
            else:
                patience, misses = _SILENCE_SECONDS / 2, 0
        logger.error("the worker process has shown no life for %g s; killing it", 2 * patience)
        child.kill()
    finally:
        transport.close()


def show_life(file: int) -> None:
    """Beat from now on: the child's part. Ends when nobody listens any more."""

    def beat() -> None:
        while True:
            try:
                os.write(file, b".")
            except OSError:
                return
            time.sleep(_BEAT_SECONDS)

    threading.Thread(target=beat, name="outlast-life", daemon=True).start()
