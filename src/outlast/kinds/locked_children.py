"""Calls of locked children from an attempt, which has the network and keys, and reads no file."""

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from outlast.executors.calls import CallFailed, Sandbox
from outlast.executors.launching import Launcher
from outlast.operations.errors import Fatal, Retry
from outlast.operations.kind import Context
from outlast.operations.progress import Report

_SECONDS_MIN: Final = 120.0
_BYTES_PER_SECOND: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is read in locked children, as the caller is told of what goes wrong with it.

    `failures` are codes of theirs that are the caller's to mend; `died` is the code of a child that
    died of something else.
    """

    what: str
    failures: Sequence[str]
    died: str
    memory_bytes: int


class LockedChildren:
    """Makes calls, each in a locked child of its own, until it is closed."""

    def __init__(self, launcher: Launcher, reading: Reading, preload: Sequence[str]) -> None:
        self._sandbox = Sandbox(launcher)
        self._reading = reading
        self._preload = tuple(preload)

    @contextlib.asynccontextmanager
    async def call(
        self,
        target: str,
        arguments: object,
        inputs: Mapping[str, Path],
        heard: Callable[[Report], None] | None = None,
    ) -> AsyncIterator[tuple[Any, Path]]:
        """A call: its answer, and the folder with what it left. `heard` is told how far it is.

        Raises Fatal for what the caller can mend, Retry where the child died of something else.
        """
        size = sum(path.stat().st_size for path in inputs.values())
        try:
            async with self._sandbox(
                target,
                msgspec.json.encode(arguments),
                inputs=inputs,
                timeout_seconds=_SECONDS_MIN + size / _BYTES_PER_SECOND,
                memory_bytes=self._reading.memory_bytes,
                preload=self._preload,
                heard=heard,
            ) as called:
                yield called.answer, called.folder
        except CallFailed as error:
            _fail(error, self._reading)


@contextlib.asynccontextmanager
async def locked_children(
    context: Context, reading: Reading, *, allow_unsandboxed: bool, preload: Sequence[str] = ()
) -> AsyncIterator[LockedChildren]:
    """Locked children below this attempt; they end with the context."""
    launcher = Launcher(
        context.workdir / "calls", environment=os.environ, allow_unsandboxed=allow_unsandboxed
    )
    await launcher.open()
    try:
        yield LockedChildren(launcher, reading, preload)
    finally:
        await launcher.close()


def _fail(error: CallFailed, reading: Reading) -> NoReturn:
    code, what = error.failure.code, reading.what
    if code == "out_of_memory":
        raise Fatal(code, f"{what} need more memory than their reader is given") from error
    if code == "call_timed_out":
        raise Fatal("result_too_large", f"{what} take too long to read") from error
    if code in reading.failures:
        raise Fatal(code, error.failure.message) from error
    # It may have been killed from outside. Files that kill it again and again end it all the same.
    raise Retry(code=reading.died, message=f"the reader died: {error.message}") from error
