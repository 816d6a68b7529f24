"""One call of a function in a locked child of its own: for bytes that somebody else made."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from outlast.executors.frames import Garbage
from outlast.executors.launching import Blueprint, BrokenModule, Launcher
from outlast.executors.messages import Called, CallEnded, Ended, Reported
from outlast.executors.pool import WarmPool
from outlast.executors.sandbox import Locked
from outlast.executors.ward import Ward
from outlast.executors.workdirs import stage
from outlast.operations import documents
from outlast.operations.errors import OutlastError, Unavailable
from outlast.operations.failure import Failure
from outlast.operations.progress import Report


class CallFailed(Unavailable):
    """The sandboxed call failed."""

    def __init__(self, failure: Failure) -> None:
        # The details are a traceback: for the log, not for the caller of the API.
        super().__init__(failure.message)
        self.failure = failure


class SandboxedResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a call left: its answer, and the folder with the files that it made.

    Both may be hostile. No process of the call is alive any more. `locked` says what its child was
    locked with.
    """

    answer: Any
    folder: Path
    locked: Locked | None


class Sandbox:
    """Calls functions in locked children, each in one of its own.

    After a call `warm` children wait for others of its like, until it is closed.
    """

    def __init__(self, launcher: Launcher, *, warm: int = 0) -> None:
        self._children = WarmPool(launcher, warm)

    @property
    def ready(self) -> int:
        """How many children wait."""
        return len(self._children.ready)

    async def close(self) -> None:
        """End the children that wait."""
        await self._children.close()

    @contextlib.asynccontextmanager
    async def __call__(
        self,
        target: str,
        arguments: bytes,
        *,
        inputs: Mapping[str, Path],
        timeout_seconds: float,
        memory_bytes: int | None = None,
        preload: Sequence[str] = (),
        heard: Callable[[Report], None] | None = None,
    ) -> AsyncIterator[SandboxedResult]:
        """Call `module:function` with the arguments and its workdir; it answers something of JSON.

        Where `heard` wants to hear how far it has come, it is given a third argument: a function
        that takes a Report. The inputs are staged read-only under their names. The folder is there
        inside the context.
        Raises CallFailed, when the function raised, died or took too long, and Unavailable where no
        sandbox holds.
        """
        module = target.partition(":")[0]
        blueprint = Blueprint(
            modules=(module,), preload=tuple(preload), sandboxed=True, memory_bytes=memory_bytes
        )
        try:
            ward = await self._children.take(blueprint)
        except BrokenModule as error:
            raise Unavailable(f"{module} cannot be imported: {error.message}") from error
        try:
            if inputs:
                owner = None if ward.user is None else ward.user.number
                await asyncio.to_thread(stage, ward.workdir, inputs, owner)
            called = Called(
                target=target,
                arguments=arguments,
                workdir=str(ward.workdir),
                reports=heard is not None,
            )
            answer = await _call(ward, called, timeout_seconds, heard)
            yield SandboxedResult(answer=answer, folder=ward.workdir, locked=ward.locked)
        finally:
            await ward.dispose()


async def _call(
    ward: Ward,
    called: Called,
    timeout_seconds: float,
    heard: Callable[[Report], None] | None,
) -> Any:
    ward.ignore_output()
    ward.send(called)
    try:
        async with asyncio.timeout(timeout_seconds):
            said = await ward.channel.receive()
            while isinstance(said, Reported) and heard is not None:
                heard(said.report)
                said = await ward.channel.receive()
    except TimeoutError as error:
        raise _failed("call_timed_out", f"took more than {timeout_seconds:g} s") from error
    except Garbage as error:
        raise _failed("crashed", f"its child broke the rules of its channel: {error}") from error
    finally:
        ward.kill()
        end = await ward.ended()
    match said:
        case CallEnded(value=value):
            return _decoded(value)
        case Ended(outcome=outcome):
            failure = getattr(outcome, "failure", None)
            raise CallFailed(failure) if failure else _failed("crashed", "gave no answer")
        case _ if end.out_of_memory:
            raise _failed("out_of_memory", "ran out of memory")
        case _:
            raise _failed("crashed", f"ended without an answer (wait status {end.status})")


def _decoded(value: bytes) -> Any:
    try:
        documents.check(value, len(value), "the answer")
    except OutlastError as error:
        raise _failed("crashed", f"gave an answer that is none: {error}") from error
    return documents.decode(value)


def _failed(code: str, what: str) -> CallFailed:
    return CallFailed(Failure(code=code, message=f"the sandboxed call {what}", fault="platform"))
