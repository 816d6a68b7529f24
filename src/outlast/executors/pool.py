"""Warm children: started, locked and with their modules imported before anybody needs them."""

import asyncio
import contextlib
import logging
from typing import Final

from outlast.executors.launching import Blueprint, BrokenModule, Launcher
from outlast.executors.ward import Ward
from outlast.operations.errors import Unavailable

_BACK_OFF_SECONDS: Final = (0.5, 1, 2, 5, 15, 60)

logger = logging.getLogger(__name__)


class WarmPool:
    """Keeps `warm` children of each blueprint ready. Each is handed out once.

    A child that dies while it waits is replaced. One that cannot be started is tried again later
    and later, and meanwhile whoever asks for it starts one in the foreground and sees the error.
    """

    def __init__(self, launcher: Launcher, blueprints: set[Blueprint], warm: int) -> None:
        self._launcher = launcher
        self._ready: dict[Blueprint, list[Ward]] = {blueprint: [] for blueprint in blueprints}
        self._warm = warm
        self._keepers: list[asyncio.Task[None]] = []
        self._wanted: dict[Blueprint, asyncio.Event] = {}
        # One after the other: to get ready must not starve what runs.
        self._starting = asyncio.Lock()

    def open(self) -> None:
        """Begin to make children ready, in the background."""
        for blueprint in self._ready if self._warm else ():
            self._wanted[blueprint] = asyncio.Event()
            self._keepers.append(asyncio.create_task(self._keep(blueprint)))

    async def take(self, blueprint: Blueprint) -> Ward:
        """A child that is ready, and yours. Raises as `Launcher.launch`."""
        ready = self._ready.get(blueprint, [])
        while ready:
            ward = ready.pop()
            self._want(blueprint)
            if not ward.is_over:
                return ward
            await ward.dispose()
        return await self._launcher.launch(blueprint)

    async def close(self) -> None:
        """End every child that still waits."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for ready in self._ready.values():
            while ready:
                await ready.pop().dispose()

    def _want(self, blueprint: Blueprint) -> None:
        if blueprint in self._wanted:
            self._wanted[blueprint].set()

    async def _keep(self, blueprint: Blueprint) -> None:
        ready, wanted = self._ready[blueprint], self._wanted[blueprint]
        failures = 0
        while True:
            wanted.clear()
            while len(ready) < self._warm:
                try:
                    async with self._starting:
                        ward = await self._launcher.launch(blueprint)
                except (BrokenModule, Unavailable) as error:
                    logger.warning("no child of %s is ready: %s", blueprint.modules, error)
                    await asyncio.sleep(_BACK_OFF_SECONDS[min(failures, 5)])
                    failures += 1
                    continue
                failures = 0
                ready.append(ward)
                ward.when_over(wanted.set)
            await wanted.wait()
            await self._bury(ready)

    async def _bury(self, ready: list[Ward]) -> None:
        for ward in [ward for ward in ready if ward.is_over]:
            with contextlib.suppress(ValueError):
                ready.remove(ward)
                await ward.dispose()
