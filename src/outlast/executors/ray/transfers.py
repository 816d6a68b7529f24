"""Files between a worker and a node, in parts."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from outlast.executors.ray.messages import PART_BYTES, Part


async def parts_of(descriptor: int) -> AsyncIterator[Part]:
    """The content of an open file."""
    while data := await asyncio.to_thread(os.read, descriptor, PART_BYTES):
        yield Part(data=data)


class Incoming:
    """The file that is on its way here. `path` is where it waits until it is known what it is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    async def add(self, part: Part) -> None:
        """Its next bytes."""
        if self._file is None:
            self._file = self._path.open("wb")
        await asyncio.to_thread(self._file.write, part.data)

    async def take(self, target: Path) -> Path:
        """Put the file where it belongs; the next part begins another one."""
        file, self._file = self._file or self._path.open("wb"), None
        await asyncio.to_thread(file.close)
        await asyncio.to_thread(shutil.move, self._path, target)
        return target

    async def drop(self) -> None:
        """Forget what came of it."""
        file, self._file = self._file, None
        if file is not None:
            await asyncio.to_thread(file.close)
            self._path.unlink()
