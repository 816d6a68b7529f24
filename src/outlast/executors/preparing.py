"""The worker's half of `prepare`: warm children that check specs, one at a time each.

A `prepare` that takes too long is killed with its child, and the child is replaced.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from outlast.executors.frames import Garbage
from outlast.executors.launching import Blueprint, BrokenModule, Launcher
from outlast.executors.messages import (
    FindResources,
    GetResource,
    PartialAsked,
    PartialMade,
    PrepareAsked,
    PrepareFailed,
    Refused,
    Reply,
    SpecPrepared,
)
from outlast.executors.ward import Ward
from outlast.operations import errors
from outlast.operations.errors import Invalid, OutlastError, PrepareTimedOut, Unavailable
from outlast.operations.kind import Catalog, Prepared

_START_SECONDS_MAX: Final = 30.0

logger = logging.getLogger(__name__)


class PrepareChild:
    """Runs `prepare` of the kinds of some modules, in `children` processes that stay.

    `environment` names the variables that they may see.
    """

    def __init__(
        self,
        launcher: Launcher,
        modules: Sequence[str],
        *,
        environment: Sequence[str] = (),
        children: int = 2,
        timeout_seconds: float = 2.0,
    ) -> None:
        self._launcher = launcher
        self._blueprint = Blueprint(modules=tuple(modules), environment=tuple(sorted(environment)))
        self._children = children
        self._timeout_seconds = timeout_seconds
        self._idle: asyncio.Queue[_Child] = asyncio.Queue()

    async def open(self) -> None:
        """Begin to make the children ready."""
        for _ in range(self._children):
            self._idle.put_nowait(_Child(self._launcher, self._blueprint))

    async def close(self) -> None:
        """End the children, when each has done what it is at."""
        for _ in range(self._children):
            child = await self._idle.get()
            await child.end()

    async def prepare(self, kind: str, spec: bytes, catalog: Catalog) -> Prepared:
        """What the kind makes of a spec; its `plan` is JSON.

        Raises what `prepare` raised, if it is an OutlastError; PrepareTimedOut when it took too
        long; Unavailable when it failed in another way or died.
        """
        asked = PrepareAsked(kind=kind, spec=spec, operation_id=catalog.operation_id)
        match await self._ask(kind, asked, catalog):
            case SpecPrepared(prepared=prepared):
                return prepared
            case Refused() as refused:
                raise _same_error(refused)
            case PrepareFailed(message=message, trace=trace):
                logger.error("prepare of kind %s failed:\n%s", kind, trace)
                raise Unavailable(f"kind {kind} cannot be prepared: {message}")
            case _:
                raise Unavailable(f"kind {kind} cannot be prepared: its child died")

    async def partial(self, kind: str, checkpoint: bytes) -> Sequence[bytes]:
        """The publications that the kind makes of a checkpoint, encoded. Raises Unavailable."""
        match await self._ask(kind, PartialAsked(kind=kind, checkpoint=checkpoint), None):
            case PartialMade(publications=publications):
                return publications
            case PrepareFailed(message=message):
                raise Unavailable(f"partial of kind {kind} failed: {message}")
            case _:
                raise Unavailable(f"partial of kind {kind} failed: its child died")

    async def _ask(
        self, kind: str, asked: PrepareAsked | PartialAsked, catalog: Catalog | None
    ) -> Any:
        child = await self._idle.get()
        try:
            ward = await child.ready()
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    answer = await _converse(ward, asked, catalog)
            except BaseException:
                # It is in the middle of something that nobody waits for any more.
                ward.kill()
                raise
        except TimeoutError as error:
            text = f"kind {kind} took more than {self._timeout_seconds:g} s to answer"
            raise PrepareTimedOut(text) from error
        except (BrokenModule, Garbage) as error:
            logger.error("prepare of kind %s: %s\n%s", kind, error, getattr(error, "trace", ""))  # noqa: TRY400
            raise Unavailable(f"kind {kind} cannot be prepared: {error}") from error
        finally:
            self._idle.put_nowait(child)
        if not isinstance(answer, SpecPrepared | PartialMade | Refused | PrepareFailed):
            ward.kill()
        return answer


class _Child:
    """A child that is replaced when it is over."""

    def __init__(self, launcher: Launcher, blueprint: Blueprint) -> None:
        self._launcher = launcher
        self._blueprint = blueprint
        self._ward: Ward | None = None
        self._starting = asyncio.create_task(self._start())

    async def ready(self) -> Ward:
        """The child. Raises BrokenModule and Unavailable, and starts it again the next time."""
        if self._starting.done() and (self._ward is None or self._ward.is_dying):
            self._starting = asyncio.create_task(self._start())
        try:
            async with asyncio.timeout(_START_SECONDS_MAX):
                return await asyncio.shield(self._starting)
        except TimeoutError as error:
            raise PrepareTimedOut("the modules of the kinds are still being imported") from error

    async def end(self) -> None:
        """End it."""
        self._starting.cancel()
        await asyncio.wait([self._starting])
        if self._ward is not None:
            await self._ward.dispose()

    async def _start(self) -> Ward:
        before, self._ward = self._ward, None
        if before is not None:
            await before.dispose()
        self._ward = await self._launcher.launch(self._blueprint)
        self._ward.ignore_output()
        return self._ward


async def _converse(ward: Ward, asked: PrepareAsked | PartialAsked, catalog: Catalog | None) -> Any:
    ward.send(asked)
    while True:
        message = await ward.channel.receive()
        if catalog is None:
            return message
        match message:
            case GetResource(number=number, type=type_, id_or_name=id_or_name):
                value: Any = await catalog.get(type_, id_or_name)
            case FindResources(number=number, type=type_, limit=limit, fields=fields):
                value = list(await catalog.find(type_, limit=limit, **fields))
            case _:
                return message
        ward.send(Reply(number=number, value=value))


def _same_error(refused: Refused) -> OutlastError:
    found = getattr(errors, refused.error, Invalid)
    if not (isinstance(found, type) and issubclass(found, OutlastError)):
        found = Invalid
    return found(refused.message, field_errors=refused.field_errors, details=refused.details)
