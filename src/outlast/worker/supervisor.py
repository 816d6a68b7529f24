"""The server's own worker: one child process that is started again when it dies."""

import asyncio
import logging
import sys
from collections.abc import Sequence
from typing import Final

_PAUSE_SECONDS: Final = 0.5
_PAUSE_SECONDS_MAX: Final = 15.0

logger = logging.getLogger(__name__)


class Supervisor:
    """Keeps one child process alive.

    The child is given `message` on its standard input, which then stays open: its end tells the
    child that this process is gone. `inherited` are file descriptors that the child keeps.
    """

    def __init__(self, module: str, message: bytes, inherited: Sequence[int]) -> None:
        self._command = [sys.executable, "-m", module]
        self._message = message
        self._inherited = tuple(inherited)
        self._child: asyncio.subprocess.Process | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return None if self._child is None else self._child.pid

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
        self._child = child = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            pass_fds=self._inherited,
            start_new_session=True,
        )
        if child.stdin is None:
            raise RuntimeError("the child has no standard input")
        if self._stopping:
            child.terminate()
        try:
            child.stdin.write(self._message + b"\n")
            await child.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            logger.warning("the worker process died before it could read its settings")
        return await child.wait()
