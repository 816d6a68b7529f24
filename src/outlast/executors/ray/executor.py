"""The Ray executor: a place on a cluster for each attempt, with its guard and child on its node."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from outlast.clock import Clock, system_clock
from outlast.executors.launching import Blueprint
from outlast.executors.port import Assignment, Running, Sink
from outlast.executors.ray.attempt import RayAttempt
from outlast.executors.ray.line import Line
from outlast.executors.ray.messages import Begin
from outlast.executors.ray.pipes import Nodes
from outlast.executors.ray.serving import NodeService
from outlast.executors.workdirs import WorkFolder, remove
from outlast.operations.errors import UnknownKind
from outlast.operations.kind import Resources
from outlast.settings import Limits


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What attempts of one kind need: a child, and where it finds what it computes with."""

    blueprint: Blueprint
    resources: Resources


class RayExecutor:
    """Runs each attempt on a node of a cluster, beside the files of which there is nothing of ours.

    `environment` and `path` are the worker's own: a child gets from there the variables that its
    kind declares, and looks there for its modules, beside what its node has.
    """

    def __init__(
        self,
        nodes: Nodes,
        work: WorkFolder,
        places: Mapping[str, Place],
        *,
        environment: Mapping[str, str],
        path: list[str],
        allow_unsandboxed: bool = False,
        limits: Limits | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self._nodes = nodes
        self._work = work
        self._places = places
        self._environment = environment
        self._path = path
        self._allow_unsandboxed = allow_unsandboxed
        self._limits = limits or Limits()
        self._clock = clock
        self._running: set[RayAttempt] = set()

    async def open(self) -> None:
        """Join the cluster."""
        await self._nodes.open()

    async def start(self, assignment: Assignment, sink: Sink) -> Running:
        """Ask for a place. The attempt waits there, not here, until there is one."""
        place = self._places.get(assignment.kind)
        if place is None:
            raise UnknownKind(f"this worker has no kind {assignment.kind!r}")
        made = self._work.make(None)
        folder = self._work.name(made, assignment.operation_id, assignment.attempt)
        try:
            (folder / "workdir").mkdir()
            inputs = await asyncio.to_thread(_keep, assignment.inputs, folder)
        except BaseException:
            remove(folder)
            raise
        service = NodeService(sink, folder, folder / "workdir", self._clock)
        attempt = RayAttempt(
            lambda: Line(self._nodes.place(place.resources)),
            self._begin(assignment, place.blueprint),
            sink,
            service,
            folder=folder,
            inputs=inputs,
            resources=place.resources,
        )
        self._running.add(attempt)
        attempt.begin(lambda: self._running.discard(attempt))
        return attempt

    async def close(self) -> None:
        """Kill every attempt still under way, and leave the cluster."""
        attempts = tuple(self._running)
        for attempt in attempts:
            attempt.kill("released")
        await asyncio.gather(*(attempt.wait() for attempt in attempts), return_exceptions=True)
        await self._nodes.close()

    def _begin(self, assignment: Assignment, blueprint: Blueprint) -> Begin:
        declared = {name for name in blueprint.environment if name in self._environment}
        return Begin(
            assignment=msgspec.structs.replace(assignment, inputs={}),
            blueprint=blueprint,
            limits=self._limits,
            path=self._path,
            environment={name: self._environment[name] for name in sorted(declared)},
            allow_unsandboxed=self._allow_unsandboxed,
        )


def _keep(inputs: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    """The inputs under names of our own: the worker lets go of them once the attempt has begun."""
    kept: dict[str, Path] = {}
    for name, source in inputs.items():
        kept[name] = folder / f"input-{len(kept)}"
        try:
            kept[name].hardlink_to(source)
        except OSError:
            # Another file system, or one that has no links.
            shutil.copyfile(source, kept[name])
    return kept
