"""The worker's side of an attempt on a node."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from outlast.executors.frames import Garbage
from outlast.executors.guard import LEASE_SHARE
from outlast.executors.port import Failed, Outcome, Sink, Stopped, StopReason
from outlast.executors.ray.clocks import NodeClock
from outlast.executors.ray.line import Line
from outlast.executors.ray.messages import (
    VERSION,
    Beat,
    Begin,
    Concluded,
    Go,
    Hello,
    Input,
    Renewed,
    Started,
    StopAsked,
)
from outlast.executors.ray.pipes import Lost
from outlast.executors.ray.placement import describe
from outlast.executors.ray.serving import NodeService, send_file
from outlast.executors.workdirs import remove
from outlast.operations.errors import Unavailable
from outlast.operations.failure import platform_failure
from outlast.operations.kind import Resources
from outlast.operations.progress import Report

_WAIT_TOLD_SECONDS: Final = 1.0
_PLACES_TRIED: Final = 5
_PLACE_AGAIN_SECONDS: Final = 1.0
_KILL_SECONDS: Final = 1.0
"""How long a guard may take over killing, once its time has come."""


class RayAttempt:
    """An attempt on a node, or on its way there. `folder` is its own on this machine.

    Who loses the node cannot see that the attempt has stopped there. But its guard ends it when two
    thirds of the lease have passed since the last renewal that it was told of. So that is waited
    for, and then it has stopped: whether the node is dead, or alive and cut off.
    """

    def __init__(
        self,
        place: Callable[[], Line],
        begin: Begin,
        sink: Sink,
        service: NodeService,
        *,
        folder: Path,
        inputs: Mapping[str, Path],
        resources: Resources,
    ) -> None:
        self._place = place
        self._line = place()
        self._begin = begin
        self._sink = sink
        self._service = service
        self._folder = folder
        self._inputs = inputs
        self._resources = resources
        self._clock = NodeClock()
        self._node = ""
        self._has_waited = False
        self._asked: StopReason | None = None
        self._renewed_at = self._told_at = time.monotonic()
        self._is_on_its_own = False
        self._may_run = False

    def begin(self, ended: Callable[[], None]) -> None:
        """Start. `ended` is called when nothing of it is left."""
        self._loop = asyncio.get_running_loop()
        self._preparing = self._loop.create_task(self._prepare())
        self._outcome = self._loop.create_task(self._run())
        self._outcome.add_done_callback(lambda _: ended())

    @property
    def workdir(self) -> Path:
        """Where the files are that its writes name. All else stays on the node."""
        return self._folder / "workdir"

    async def wait(self) -> Outcome:
        """How it ended."""
        return await asyncio.shield(self._outcome)

    def cancel(self, reason: StopReason) -> None:
        """Tell the node, whose guard kills it when the grace is over."""
        self._stop(reason, is_kill=False)

    def kill(self, reason: StopReason) -> None:
        """Have the node's guard kill it now."""
        self._stop(reason, is_kill=True)

    def renewed(self, sent_at: float) -> None:
        """Tell the node. From any thread."""
        self._renewed_at = sent_at
        self._loop.call_soon_threadsafe(self._tell_renewed)

    async def discard(self) -> None:
        """Remove the folder."""
        await asyncio.to_thread(remove, self._folder)

    def _stop(self, reason: StopReason, *, is_kill: bool) -> None:
        if self._outcome.done():
            return
        if self._asked is None or reason == "lease":
            self._asked = reason
        if self._may_run:
            self._line.say(StopAsked(reason=reason, is_kill=is_kill))
        else:
            self._preparing.cancel()

    def _tell_renewed(self) -> None:
        if self._may_run and not self._is_on_its_own:
            self._told_at = self._renewed_at
            self._line.say(Renewed(renewed_at=self._clock.there(self._told_at)))

    async def _run(self) -> Outcome:
        try:
            await self._preparing
            return await self._serve()
        except asyncio.CancelledError:
            if self._asked is None or self._may_run:
                raise
            return Stopped(reason=self._asked)
        except (Lost, Garbage) as error:
            await self._outlast()
            return self._judge(error)
        except Unavailable as error:
            return Failed(failure=platform_failure(error.code, error.message))
        except BaseException:
            # The sink is at fault, or this disk is full: told when nothing of it runs any more.
            await self._outlast()
            raise
        finally:
            await self._line.close()

    async def _prepare(self) -> None:
        """Find a place, and have the handler start there."""
        telling = self._loop.call_later(_WAIT_TOLD_SECONDS, self._tell_waiting)
        try:
            for tries_left in reversed(range(_PLACES_TRIED)):
                try:
                    await self._bring()
                    break
                except Lost:
                    # Nothing has run. A dead node is given new places until it is found dead.
                    if not tries_left:
                        raise
                    await self._line.close()
                    await asyncio.sleep(_PLACE_AGAIN_SECONDS)
                    self._line = self._place()
        finally:
            telling.cancel()
        self._told_at = self._renewed_at
        self._may_run = True
        await self._line.write(Go(renewed_at=self._clock.there(self._told_at)))

    async def _bring(self) -> None:
        """Wait for a place, and bring everything there."""
        hello = await self._line.receive()
        if not isinstance(hello, Hello):
            raise Garbage("it did not say who it is")
        if hello.version != VERSION:
            raise Unavailable(
                f"the Ray node {hello.node} has Outlast {hello.version}, its worker {VERSION}"
            )
        self._node = hello.node
        self._clock = NodeClock()
        self._clock.hear(hello.now, time.monotonic())
        await self._line.write(self._begin)
        for name, path in self._inputs.items():
            await send_file(self._line, path)
            await self._line.write(Input(name=name))

    async def _serve(self) -> Outcome:
        # The guard would not survive a longer silence, if it was one for both sides.
        silence_seconds = self._begin.assignment.lease_seconds * LEASE_SHARE
        while True:
            match await self._line.receive(silence_seconds):
                case Beat(now=now):
                    self._clock.hear(now, time.monotonic())
                case Started():
                    if self._has_waited:
                        text = f"on the Ray node {self._node}"
                        self._sink.report(Report(stage="running", message=text))
                case Concluded(outcome=outcome):
                    return outcome
                case message:
                    await self._service.serve(self._line, message)

    async def _outlast(self) -> None:
        """Leave the attempt to its guard, until that must have ended it."""
        self._is_on_its_own = True
        await self._line.close()
        if self._may_run:
            watched_seconds = self._begin.assignment.lease_seconds * LEASE_SHARE
            ends_at = self._told_at + watched_seconds + _KILL_SECONDS
            await asyncio.sleep(max(0.0, ends_at - time.monotonic()))

    def _judge(self, error: Exception) -> Outcome:
        if self._asked is not None:
            return Stopped(reason=self._asked)
        if not self._may_run:
            return Failed(
                failure=platform_failure(Unavailable.code, f"no place on a Ray node: {error}")
            )
        text = f"the Ray node {self._node} or the attempt's host there was lost: {error}"
        return Failed(failure=platform_failure("node_lost", text))

    def _tell_waiting(self) -> None:
        self._has_waited = True
        text = f"for a Ray node with {describe(self._resources)}"
        self._sink.report(Report(stage="waiting", message=text))
