"""Warm children: started, locked and with their modules imported before anybody needs them."""

import asyncio
import logging
from typing import Final

from outlast.executors.launching import Blueprint, Launcher
from outlast.executors.ward import Ward

_KEPT_SECONDS: Final = 600.0
_SHELVES_MAX: Final = 16
_STARTS_AT_ONCE: Final = 2

logger = logging.getLogger(__name__)


class WarmPool:
    """Keeps `warm` children ready of each blueprint that was asked for lately.

    The first child of a blueprint is started when somebody asks for it, and others follow; each is
    handed out once. When nobody has asked for ten minutes, those that wait are ended, and so are
    those of the blueprint that nobody has asked for longest when there would be too many.
    """

    def __init__(
        self, launcher: Launcher, warm: int, *, kept_seconds: float = _KEPT_SECONDS
    ) -> None:
        self._launcher = launcher
        self._warm = warm
        self._kept_seconds = kept_seconds
        # The one asked for last is the last.
        self._shelves: dict[Blueprint, _Shelf] = {}
        # To get ready must not starve what runs.
        self._starts = asyncio.Semaphore(_STARTS_AT_ONCE)
        self._burials: set[asyncio.Task[None]] = set()
        self._is_open = True

    async def take(self, blueprint: Blueprint) -> Ward:
        """A child that is ready, and yours. Raises as `Launcher.launch`."""
        shelf = self._shelves.get(blueprint, _Shelf())
        for warming in shelf.waiting:
            if warming.has_begun:
                shelf.waiting.remove(warming)
                # The next one gets ready while this one does.
                self._fill(blueprint)
                return await warming.task
        ward = await self._launcher.launch(blueprint)
        self._fill(blueprint)
        return ward

    @property
    def ready(self) -> list[Ward]:
        """The children that wait."""
        return [
            warming.task.result()
            for shelf in self._shelves.values()
            for warming in shelf.waiting
            if warming.is_ready
        ]

    async def close(self) -> None:
        """End every child that still waits."""
        self._is_open = False
        for blueprint in tuple(self._shelves):
            self._clear(blueprint)
        await asyncio.gather(*self._burials)

    def _fill(self, blueprint: Blueprint) -> None:
        """Make children ready of a blueprint that was just asked for."""
        if not self._is_open or not self._warm:
            return
        shelf = self._shelves[blueprint] = self._shelves.pop(blueprint, _Shelf())
        while len(shelf.waiting) < self._warm:
            warming = _Warming()
            warming.task = asyncio.create_task(self._start(blueprint, warming))
            shelf.waiting.append(warming)
            warming.task.add_done_callback(
                lambda _, warming=warming: self._settle(blueprint, warming)  # type: ignore[misc]
            )
        if shelf.expiry is not None:
            shelf.expiry.cancel()
        loop = asyncio.get_running_loop()
        shelf.expiry = loop.call_later(self._kept_seconds, self._clear, blueprint)
        if len(self._shelves) > _SHELVES_MAX:
            self._clear(next(iter(self._shelves)))

    async def _start(self, blueprint: Blueprint, warming: "_Warming") -> Ward:
        async with self._starts:
            warming.has_begun = True
            return await self._launcher.launch(blueprint)

    def _settle(self, blueprint: Blueprint, warming: "_Warming") -> None:
        if warming.is_ready:
            warming.task.result().when_over(lambda: self._drop(blueprint, warming))
        elif self._forget(blueprint, warming):
            # Whoever asks next starts one in the foreground, and sees the error.
            logger.warning("no child of %s: %s", blueprint.modules, warming.task.exception())

    def _drop(self, blueprint: Blueprint, warming: "_Warming") -> None:
        """Bury a child that died while it waited."""
        if self._forget(blueprint, warming):
            self._bury(warming)

    def _forget(self, blueprint: Blueprint, warming: "_Warming") -> bool:
        shelf = self._shelves.get(blueprint)
        if shelf is None or warming not in shelf.waiting:
            return False
        shelf.waiting.remove(warming)
        return True

    def _clear(self, blueprint: Blueprint) -> None:
        shelf = self._shelves.pop(blueprint)
        if shelf.expiry is not None:
            shelf.expiry.cancel()
        while shelf.waiting:
            self._bury(shelf.waiting.pop())

    def _bury(self, warming: "_Warming") -> None:
        self._burials.add(burial := asyncio.create_task(_end(warming.task)))
        burial.add_done_callback(self._burials.discard)


async def _end(task: asyncio.Task[Ward]) -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and task.exception() is None:
        await task.result().dispose()


class _Warming:
    """A child on its way to be ready."""

    task: asyncio.Task[Ward]

    def __init__(self) -> None:
        self.has_begun = False

    @property
    def is_ready(self) -> bool:
        """Whether it waits for an attempt."""
        task = self.task
        return task.done() and not task.cancelled() and task.exception() is None


class _Shelf:
    """The children of one blueprint."""

    def __init__(self) -> None:
        self.waiting: list[_Warming] = []
        self.expiry: asyncio.TimerHandle | None = None
