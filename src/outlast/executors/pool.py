"""Warm children: started, locked and with their modules imported before anybody needs them."""

import asyncio
import logging
from typing import Final

from outlast.executors.launching import Blueprint, Launcher
from outlast.executors.ward import Ward

_BACK_OFF_SECONDS: Final = (0.5, 1, 2, 5, 15, 60)
_STARTS_AT_ONCE: Final = 2

logger = logging.getLogger(__name__)


class WarmPool:
    """Keeps `warm` children of each blueprint ready, or on the way. Each is handed out once.

    A child that dies while it waits is replaced. One that cannot be started is tried again later
    and later, and meanwhile whoever asks for it starts one in the foreground and sees the error.
    """

    def __init__(self, launcher: Launcher, blueprints: set[Blueprint], warm: int) -> None:
        self._launcher = launcher
        self._warm = warm
        self._shelves = {blueprint: _Shelf() for blueprint in blueprints}
        # To get ready must not starve what runs.
        self._starts = asyncio.Semaphore(_STARTS_AT_ONCE)
        self._is_open = False

    def open(self) -> None:
        """Begin to make children ready, in the background."""
        self._is_open = True
        for blueprint in self._shelves:
            self._fill(blueprint)

    async def take(self, blueprint: Blueprint) -> Ward:
        """A child that is ready, and yours. Raises as `Launcher.launch`."""
        shelf = self._shelves.get(blueprint) or _Shelf()
        for warming in shelf.waiting:
            if warming.has_begun:
                shelf.waiting.remove(warming)
                self._fill(blueprint)
                return await warming.task
        return await self._launcher.launch(blueprint)

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
        for shelf in self._shelves.values():
            if shelf.retry is not None:
                shelf.retry.cancel()
            while shelf.waiting:
                task = shelf.waiting.pop().task
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled() and task.exception() is None:
                    await task.result().dispose()

    def _fill(self, blueprint: Blueprint) -> None:
        shelf = self._shelves[blueprint]
        shelf.retry = None
        while self._is_open and len(shelf.waiting) < self._warm:
            warming = _Warming()
            warming.task = asyncio.create_task(self._start(blueprint, warming))
            shelf.waiting.append(warming)
            warming.task.add_done_callback(
                lambda _, warming=warming: self._settle(blueprint, warming)  # type: ignore[misc]
            )

    async def _start(self, blueprint: Blueprint, warming: "_Warming") -> Ward:
        async with self._starts:
            warming.has_begun = True
            return await self._launcher.launch(blueprint)

    def _settle(self, blueprint: Blueprint, warming: "_Warming") -> None:
        shelf = self._shelves[blueprint]
        if warming.is_ready:
            shelf.failures = 0
            warming.task.result().when_over(lambda: self._bury(blueprint, warming))
        elif warming in shelf.waiting:
            shelf.waiting.remove(warming)
            logger.warning("no child of %s: %s", blueprint.modules, warming.task.exception())
            delay = _BACK_OFF_SECONDS[min(shelf.failures, len(_BACK_OFF_SECONDS) - 1)]
            shelf.failures += 1
            if shelf.retry is None:
                loop = asyncio.get_running_loop()
                shelf.retry = loop.call_later(delay, self._fill, blueprint)

    def _bury(self, blueprint: Blueprint, warming: "_Warming") -> None:
        shelf = self._shelves[blueprint]
        if warming in shelf.waiting:
            shelf.waiting.remove(warming)
            shelf.burials.add(burial := asyncio.create_task(warming.task.result().dispose()))
            burial.add_done_callback(shelf.burials.discard)
            self._fill(blueprint)


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
        self.burials: set[asyncio.Task[None]] = set()
        self.failures = 0
        self.retry: asyncio.TimerHandle | None = None
