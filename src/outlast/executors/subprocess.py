"""The subprocess executor: one child per attempt, with a guard between it and the worker."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from outlast.clock import Clock, system_clock
from outlast.executors import guard
from outlast.executors.launching import Blueprint, BrokenModule, Launcher
from outlast.executors.messages import Assigned, CancelAsked
from outlast.executors.orphans import become_subreaper
from outlast.executors.outcomes import out_of_memory, result_invalid, storable
from outlast.executors.pool import WarmPool
from outlast.executors.port import (
    Assignment,
    Failed,
    Finished,
    Outcome,
    Running,
    Sink,
    Stopped,
    StopReason,
)
from outlast.executors.serving import Service
from outlast.executors.ward import End, Ward
from outlast.executors.workdirs import WorkFolder, stage
from outlast.operations import documents
from outlast.operations.errors import OutlastError, UnknownKind
from outlast.operations.failure import Failure, platform_failure
from outlast.operations.kind import Kind
from outlast.settings import Limits

_DRAIN_SECONDS: Final = 10.0


class SubprocessExecutor:
    """Runs each attempt in a process of its own.

    `blueprints` says what a child of which kind must be. Once a kind was needed, `warm` children
    wait ready for it and those that can share them; each holds its modules in memory meanwhile.
    """

    def __init__(
        self,
        launcher: Launcher,
        blueprints: Mapping[str, Blueprint],
        *,
        warm: int = 1,
        limits: Limits | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self._launcher = launcher
        self._limits = limits or Limits()
        self._clock = clock
        self._blueprints = blueprints
        self._pool = WarmPool(launcher, warm)
        self._running: set[SubprocessAttempt] = set()

    async def open(self) -> None:
        """Become who inherits from killed guards."""
        become_subreaper()

    async def start(self, assignment: Assignment, sink: Sink) -> Running:
        """Hand an attempt to a child."""
        blueprint = self._blueprints.get(assignment.kind)
        if blueprint is None:
            raise UnknownKind(f"this worker has no kind {assignment.kind!r}")
        try:
            ward = await self._pool.take(blueprint)
        except BrokenModule as error:
            return NeverStarted(_import_failed(error), self._launcher.work.path)
        attempt = SubprocessAttempt(ward, assignment, sink, self._limits, self._clock)
        self._running.add(attempt)
        try:
            await attempt.begin(
                self._launcher.work,
                sandboxed=blueprint.sandboxed,
                ended=lambda: self._running.discard(attempt),
            )
        except BaseException:
            self._running.discard(attempt)
            await ward.dispose()
            raise
        return attempt

    async def close(self) -> None:
        """Kill every attempt still under way, and the children that wait."""
        attempts = tuple(self._running)
        for attempt in attempts:
            attempt.kill("released")
        # One whose sink is broken tells whoever waits for it; all the others must end as well.
        await asyncio.gather(*(attempt.wait() for attempt in attempts), return_exceptions=True)
        await self._pool.close()


def blueprints_of(kinds: Mapping[str, Kind], modules: Mapping[str, str]) -> dict[str, Blueprint]:
    """What a child must be to run each of those kinds that run in children."""
    return {
        name: _blueprint_of(kind, modules[name])
        for name, kind in kinds.items()
        if kind.executor == "subprocess"
    }


def _blueprint_of(kind: Kind, module: str) -> Blueprint:
    return Blueprint(
        modules=(module,),
        preload=kind.preload,
        environment=tuple(sorted(kind.environment)),
        sandboxed=kind.sandboxed,
        memory_bytes=kind.resources.memory_bytes,
    )


class SubprocessAttempt:
    """An attempt in a child."""

    def __init__(
        self, ward: Ward, assignment: Assignment, sink: Sink, limits: Limits, clock: Clock
    ) -> None:
        self._ward = ward
        self._assignment = assignment
        self._sink = sink
        self._limits = limits
        self._clock = clock
        self._asked: StopReason | None = None

    async def begin(self, work: WorkFolder, *, sandboxed: bool, ended: Callable[[], None]) -> None:
        """Hand the assignment to the child. `ended` is called when nothing of it is left."""
        assignment, ward = self._assignment, self._ward
        ward.workdir = work.name(ward.workdir, assignment.operation_id, assignment.attempt)
        if assignment.inputs:
            owner = None if ward.user is None else ward.user.number
            await asyncio.to_thread(stage, ward.workdir, assignment.inputs, owner)
        hostile = work if sandboxed else None
        self._service = Service(ward, self._sink, self._limits, self._clock, hostile)
        ward.lease(assignment.lease_seconds)
        ward.send(
            Assigned(
                assignment=msgspec.structs.replace(assignment, inputs={}),
                limits=self._limits,
                workdir=str(ward.workdir),
            )
        )
        self._outcome = asyncio.get_running_loop().create_task(self._conclude())
        self._outcome.add_done_callback(lambda _: ended())

    @property
    def workdir(self) -> Path:
        """The attempt's own folder, kept until `discard`."""
        return self._ward.workdir

    async def wait(self) -> Outcome:
        """How it ended."""
        return await asyncio.shield(self._outcome)

    def cancel(self, reason: StopReason) -> None:
        """Tell the child, and have the guard kill it when the grace is over."""
        if self._asked is None and not self._outcome.done():
            self._ward.send(CancelAsked())
            self._ward.end_within(self._assignment.cancel_grace_seconds)
        self._note(reason)

    def kill(self, reason: StopReason) -> None:
        """Have the guard kill it now."""
        self._note(reason)
        self._ward.kill()

    def renewed(self, sent_at: float) -> None:
        """Tell the guard. From any thread."""
        self._ward.renewed(sent_at)

    async def discard(self) -> None:
        """Remove the workdir, and let others have the child's user."""
        await self._ward.discard()

    def _note(self, reason: StopReason) -> None:
        if self._asked is None or reason == "lease":
            self._asked = reason

    async def _conclude(self) -> Outcome:
        hearing = asyncio.create_task(self._service.hear())
        reading = asyncio.create_task(self._service.read_output())
        end = await self._ward.ended()
        self._ward.channel.hurry()
        # Only a descriptor that was smuggled out to a stranger could keep these open now.
        _, late = await asyncio.wait({hearing, reading}, timeout=_DRAIN_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.wait({hearing, reading})
        self._ward.hang_up()
        if not hearing.cancelled():
            hearing.result()
        return self._judge(end)

    def _judge(self, end: End) -> Outcome:
        said = self._service.ended
        if said is not None and (said.verdict or isinstance(said.outcome, Finished)):
            return self._checked(said.outcome)
        asked: StopReason | None = "lease" if end.cause == guard.LEASE_OVER else self._asked
        if asked is not None:
            return Stopped(reason=asked)
        if said is None:
            return Failed(failure=_crash(end, self._service.garbage))
        return Stopped(reason="lease") if said.lease_lost else self._checked(said.outcome)

    def _checked(self, outcome: Finished | Failed) -> Finished | Failed:
        """What the child said, if it can be stored; the child might be anybody's."""
        if isinstance(outcome, Failed):
            return msgspec.structs.replace(outcome, failure=storable(outcome.failure))
        try:
            documents.check(outcome.result, self._limits.result_bytes, "the result")
        except OutlastError as error:
            return Failed(failure=result_invalid(error.message))
        return outcome


class NeverStarted:
    """An attempt that failed before there was a child to run it."""

    def __init__(self, outcome: Outcome, workdir: Path) -> None:
        self._outcome = outcome
        self.workdir = workdir

    async def wait(self) -> Outcome:
        """How it ended."""
        return self._outcome

    def cancel(self, reason: StopReason) -> None:
        """It has ended."""

    def kill(self, reason: StopReason) -> None:
        """It has ended."""

    def renewed(self, sent_at: float) -> None:
        """It has ended."""

    async def discard(self) -> None:
        """There is nothing to remove."""


def _import_failed(error: BrokenModule) -> Failed:
    message = f"its module cannot be imported: {error.message}"
    return Failed(failure=platform_failure("handler_error", message, traceback=error.trace))


def _crash(end: End, garbage: str | None) -> Failure:
    if garbage is not None:
        text = f"the child broke the rules of its channel: {garbage}"
    elif end.cause is None:
        text = "its guard was killed; everything that it guarded has been ended"
    elif end.out_of_memory:
        return out_of_memory("the machine ran out of memory, and the kernel killed the child")
    elif os.WIFSIGNALED(end.status):
        text = f"the child was killed by {_signal_name(os.WTERMSIG(end.status))}"
    else:
        text = (
            f"the child exited with status {os.waitstatus_to_exitcode(end.status)}, saying nothing"
        )
    return platform_failure("crashed", text, peak_memory_bytes=end.peak_memory_bytes)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
