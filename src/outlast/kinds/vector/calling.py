"""Calls of locked children from an attempt, which has the network and keys, and reads no file."""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from outlast.executors.calls import CallFailed, Sandbox
from outlast.executors.launching import Launcher
from outlast.operations.errors import Fatal, Retry
from outlast.operations.kind import Context
from outlast.resources.vector_databases.calls import MEMORY_BYTES

_SECONDS_MIN: Final = 120.0
_BYTES_PER_SECOND: Final = 500_000
_FAILURES: Final = ("invalid_file", "result_too_large", "no_documents")


class LockedChildren:
    """Makes calls, each in a locked child of its own, until it is closed."""

    def __init__(self, launcher: Launcher, preload: Sequence[str]) -> None:
        self._sandbox = Sandbox(launcher)
        self._preload = tuple(preload)

    @contextlib.asynccontextmanager
    async def call(
        self, target: str, arguments: object, inputs: Mapping[str, Path]
    ) -> AsyncIterator[tuple[Any, Path]]:
        """A call: its answer, and the folder with what it left.

        Raises Fatal for what the caller can mend, Retry where the child died of something else.
        """
        size = sum(path.stat().st_size for path in inputs.values())
        try:
            async with self._sandbox(
                target,
                msgspec.json.encode(arguments),
                inputs=inputs,
                timeout_seconds=_SECONDS_MIN + size / _BYTES_PER_SECOND,
                memory_bytes=MEMORY_BYTES,
                preload=self._preload,
            ) as called:
                yield called.answer, called.folder
        except CallFailed as error:
            _fail(error)


@contextlib.asynccontextmanager
async def locked_children(
    context: Context, *, allow_unsandboxed: bool, preload: Sequence[str] = ()
) -> AsyncIterator[LockedChildren]:
    """Locked children below this attempt; they end with the context."""
    launcher = Launcher(
        context.workdir / "calls", environment=os.environ, allow_unsandboxed=allow_unsandboxed
    )
    await launcher.open()
    try:
        yield LockedChildren(launcher, preload)
    finally:
        await launcher.close()


def _fail(error: CallFailed) -> NoReturn:
    code = error.failure.code
    if code == "out_of_memory":
        raise Fatal(code, "the documents need more memory than their reader is given") from error
    if code == "call_timed_out":
        raise Fatal("result_too_large", "the documents take too long to read") from error
    if code in _FAILURES:
        raise Fatal(code, error.failure.message) from error
    # It may have been killed from outside. Files that kill it again and again end it all the same.
    raise Retry(code="reader_failed", message=f"the reader died: {error.message}") from error
