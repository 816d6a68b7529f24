"""Running `tofu` or `terraform`, and stopping it: politely first, then with all that it started."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from outlast.kinds.infrastructure.stream import LINE_BYTES_MAX

INTERRUPT_SECONDS: Final = 30.0
"""How long the tool may take to stop when it is asked to; providers may be in the middle."""

_DRAIN_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.05
_STDERR_BYTES_MAX: Final = 4096
_CHUNK_BYTES: Final = 1 << 16


class Program:
    """The tool, in one folder. `heard` is called with every line that it prints."""

    def __init__(
        self,
        program: str,
        folder: Path,
        environment: Mapping[str, str],
        heard: Callable[[bytes], None],
    ) -> None:
        self._program = program
        self._folder = folder
        self._environment = environment
        self._heard = heard
        self.complaint = b""

    async def run(self, *arguments: str, timeout_seconds: float | None = None) -> int:
        """Run it to its end; its exit code, negative for a signal. Raises TimeoutError, OSError.

        Cancelled, it is interrupted, and killed if it does not heed that; then nothing of its
        process group is left.
        """
        process = await asyncio.create_subprocess_exec(
            self._program,
            *arguments,
            cwd=self._folder,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            umask=0o077,
        )
        reading = [
            asyncio.create_task(self._read_lines(process.stdout)),
            asyncio.create_task(self._read_complaint(process.stderr)),
        ]
        try:
            async with asyncio.timeout(timeout_seconds):
                return await _ended(process)
        finally:
            await _to_its_end(_end(process, reading))

    async def _read_lines(self, output: asyncio.StreamReader | None) -> None:
        waiting = b""
        while output is not None and (chunk := await output.read(_CHUNK_BYTES)):
            *lines, waiting = (waiting + chunk).split(b"\n")
            for line in lines:
                self._heard(line)
            if len(waiting) > LINE_BYTES_MAX:
                waiting = b""

    async def _read_complaint(self, output: asyncio.StreamReader | None) -> None:
        while output is not None and (chunk := await output.read(_CHUNK_BYTES)):
            self.complaint = (self.complaint + chunk)[-_STDERR_BYTES_MAX:]


async def _ended(process: asyncio.subprocess.Process) -> int:
    """Its exit code. Its own `wait` would also wait for whatever else holds its pipes."""
    while process.returncode is None:  # noqa: ASYNC110  nothing tells of that alone
        await asyncio.sleep(_LOOK_SECONDS)
    return process.returncode


async def _to_its_end(ending: Coroutine[Any, Any, None]) -> None:
    """Let it end, also where a cancel comes while a timeout has it stopped already."""
    task = asyncio.create_task(ending)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


async def _end(process: asyncio.subprocess.Process, reading: Iterable[asyncio.Task[None]]) -> None:
    """End it with its group, and have read what it said."""
    if process.returncode is None:
        await _stop(process)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # What left its group may hold the pipes: it is not waited for.
    await asyncio.wait(reading, timeout=_DRAIN_SECONDS)
    for task in reading:
        task.cancel()


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(INTERRUPT_SECONDS):
            await _ended(process)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await _ended(process)
