"""The inline executor: async handlers that only wait, as tasks on the worker's own loop.

It costs a few microseconds an attempt and protects from nothing: a handler that blocks stops the
worker's loop, and one that swallows its cancellation cannot be killed: `wait` then really waits.
"""

import asyncio
import secrets
import shutil
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from outlast.clock import Clock, system_clock
from outlast.executors.context import HandlerContext
from outlast.executors.outcomes import Handling, is_verdict, outcome_of_error
from outlast.executors.port import Assignment, Outcome, Running, Sink, Stopped, StopReason
from outlast.executors.workdirs import stage
from outlast.operations import documents
from outlast.operations.errors import LeaseLost, UnknownKind
from outlast.operations.kind import Kind
from outlast.operations.progress import Report
from outlast.settings import Limits

_T = TypeVar("_T")


class InlineExecutor:
    """Runs async handlers on the loop of its caller.

    `work` is the folder in which a handler that asks for a workdir gets one.
    """

    def __init__(
        self,
        kinds: Sequence[Kind],
        work: Path,
        *,
        limits: Limits | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self._limits = limits or Limits()
        self._handlings = {kind.name: Handling(kind, self._limits) for kind in kinds}
        self._work = work
        self._clock = clock
        self._running: set[InlineAttempt] = set()

    async def open(self) -> None:
        """Nothing to get ready."""

    async def start(self, assignment: Assignment, sink: Sink) -> Running:
        """Start the handler as a task. Raises UnknownKind."""
        handling = self._handlings.get(assignment.kind)
        if handling is None:
            raise UnknownKind(f"this worker has no kind {assignment.kind!r}")
        context = InlineContext(assignment, self._limits, sink, self._work, self._clock)
        if assignment.inputs:
            try:
                await asyncio.to_thread(stage, context.workdir, assignment.inputs, None)
            except BaseException:
                context.remove_workdir()
                raise
        attempt = InlineAttempt(handling, assignment, context, self._running.discard)
        self._running.add(attempt)
        return attempt

    async def close(self) -> None:
        """Cancel every handler still under way, and wait for each."""
        for attempt in tuple(self._running):
            attempt.kill("released")
        for attempt in tuple(self._running):
            await attempt.wait()


class InlineAttempt:
    """A handler's task."""

    __slots__ = ("_asked", "_assignment", "_context", "_grace", "_handling", "_task")

    def __init__(
        self,
        handling: Handling,
        assignment: Assignment,
        context: "InlineContext",
        forget: Callable[["InlineAttempt"], None],
    ) -> None:
        self._handling = handling
        self._assignment = assignment
        self._context = context
        self._asked: StopReason | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(lambda _: forget(self))

    @property
    def workdir(self) -> Path:
        """The attempt's own folder, made when it is first asked for."""
        return self._context.workdir

    async def wait(self) -> Outcome:
        """How it ended."""
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            # Either the task was cancelled before its first step, or this call was.
            if self._task.cancelled() and self._asked is not None:
                return Stopped(reason=self._asked)
            raise

    def cancel(self, reason: StopReason) -> None:
        """Deliver CancelledError now, and once more when the grace is over."""
        if self._asked is not None or self._task.done():
            return
        self.kill(reason)
        loop = asyncio.get_running_loop()
        self._grace = loop.call_later(self._assignment.cancel_grace_seconds, self._task.cancel)

    def kill(self, reason: StopReason) -> None:
        """Deliver CancelledError: there is no harder way."""
        if self._asked is None:
            self._asked = reason
        self._context.cancel_asked = True
        self._task.cancel()

    def renewed(self, sent_at: float) -> None:
        """Nothing to do: who renews the lease also sees it end."""

    async def discard(self) -> None:
        """Remove the workdir, if there is one."""
        self._context.remove_workdir()

    async def _run(self) -> Outcome:
        try:
            plan = self._handling.decode_plan(self._assignment.plan)
            value = await self._handling.kind.run(plan, self._context)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  an attempt's edge
            return self._outcome_of_error(error)
        finally:
            if self._grace is not None:
                self._grace.cancel()
        return self._handling.outcome_of_value(value)

    def _outcome_of_error(self, error: BaseException) -> Outcome:
        if self._asked is not None and not is_verdict(error):
            self._context.acknowledge()
            return Stopped(reason=self._asked)
        if isinstance(error, LeaseLost):
            return Stopped(reason="lease")
        return outcome_of_error(error)


class InlineContext(HandlerContext):
    """The Context of a handler on the worker's loop."""

    __slots__ = ("_acknowledged", "_clock", "_loop", "_sink", "_work", "_workdir", "cancel_asked")

    def __init__(
        self, assignment: Assignment, limits: Limits, sink: Sink, work: Path, clock: Clock
    ) -> None:
        super().__init__(assignment, limits)
        self._sink = sink
        self._work = work
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._workdir: Path | None = None
        self._acknowledged = False
        self.cancel_asked = False

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to cancel. To look is to acknowledge."""
        if self.cancel_asked:
            self.acknowledge()
        return self.cancel_asked

    @property
    def workdir(self) -> Path:
        """An empty folder of this attempt's own, made when it is first asked for."""
        if self._workdir is None:
            name = f"{self.operation_id}-{self.attempt}-{secrets.token_hex(8)}"
            self._workdir = self._work / name
            self._workdir.mkdir(mode=0o700)
        return self._workdir

    @property
    def files(self) -> "InlineFiles":
        """The operation's own files."""
        return InlineFiles(self._sink, self._loop)

    def acknowledge(self) -> None:
        """Tell the worker, once, that the handler has noticed the cancel."""
        if not self._acknowledged:
            self._acknowledged = True
            self._sink.cancel_seen()

    def remove_workdir(self) -> None:
        """Remove the folder, if one was made."""
        if self._workdir is not None:
            shutil.rmtree(self._workdir, ignore_errors=True)

    def _send_report(self, report: Report) -> None:
        self._sink.report(report)

    def _send_checkpoint(self, document: bytes) -> Awaitable[None]:
        return self._sink.checkpoint(document)

    def _send_log(self, line: str) -> None:
        self._sink.log(self._clock(), line)

    def _send_event(self, type: str, data: bytes) -> None:
        self._sink.event(type, documents.decode(data))


class InlineFiles:
    """The operation's own files. They wait, so call them off the loop: `asyncio.to_thread`."""

    def __init__(self, sink: Sink, loop: asyncio.AbstractEventLoop) -> None:
        self._sink = sink
        self._loop = loop

    def put(self, name: str, path: Path) -> None:
        """Store a file's bytes under a name, replacing what was there."""
        self._wait_for(self._sink.put_file(name, path))

    def get(self, name: str, path: Path) -> bool:
        """Write the named file's bytes to a path; False if there is no such file."""
        return self._wait_for(self._sink.get_file(name, path))

    def list(self) -> Sequence[str]:
        """The names stored so far, sorted."""
        return self._wait_for(self._sink.list_files())

    def _wait_for(self, call: Coroutine[Any, Any, _T]) -> _T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run_coroutine_threadsafe(call, self._loop).result()
        call.close()
        raise RuntimeError("an inline handler calls files off the loop: await asyncio.to_thread()")
