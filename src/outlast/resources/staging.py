"""Bringing objects to a worker's machine, and the files that operations keep for themselves."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, Protocol

from outlast.operations.errors import Invalid, NotFound, TooLarge
from outlast.operations.model import SECOND, Operation
from outlast.resources.objects import ObjectStore
from outlast.resources.spooling import disk_errors
from outlast.store.port import OperationStore

_PREFIX: Final = "operations"
_DAY: Final = 86_400 * SECOND
_BATCH: Final = 200


class Exporter(Protocol):
    """Has Parquet read where it can do no harm."""

    def export_objects(
        self, keys: Sequence[str], format: Literal["jsonl"]
    ) -> AsyncGenerator[bytes, None]:
        """All rows of a version's parts as JSON lines. Raises NotFound, Unavailable."""


class Stager:
    """Gives local files for object keys: the store's own where it has them, else fetched ones.

    `export_bytes_max` is how large one export may become.
    """

    def __init__(
        self, objects: ObjectStore, spool: Path, exporter: Exporter, *, export_bytes_max: int
    ) -> None:
        self._objects = objects
        self._spool = spool
        self._exporter = exporter
        self._export_bytes_max = export_bytes_max

    async def stage(
        self,
        inputs: Mapping[str, str],
        exports: Mapping[str, Sequence[str]],
        stack: AsyncExitStack,
    ) -> Mapping[str, Path]:
        """Name -> local file that must not be changed, there until `stack` lets go.

        Raises NotFound for an object that is gone, TooLarge for an export that is.
        """
        staged: dict[str, Path] = {}
        folder = _Lazily(stack, self._spool)
        for name, key in inputs.items():
            local = self._objects.local_path(key)
            if local is None:
                local = folder.path / str(len(staged))
                with disk_errors():
                    await self._objects.fetch(key, local)
            elif not await asyncio.to_thread(local.is_file):
                raise NotFound(f"an object of the input is gone: {name}")
            staged[name] = local
        for name, keys in exports.items():
            staged[name] = folder.path / str(len(staged))
            await self._export(name, keys, staged[name])
        return staged

    async def _export(self, name: str, keys: Sequence[str], path: Path) -> None:
        most = left = self._export_bytes_max
        exporting = contextlib.aclosing(self._exporter.export_objects(keys, "jsonl"))
        with disk_errors(), path.open("xb") as file:
            async with exporting as chunks:
                async for chunk in chunks:
                    left -= len(chunk)
                    if left < 0:
                        raise TooLarge(f"{name} has more than {most} bytes as JSON lines")
                    await asyncio.to_thread(file.write, chunk)


class _Lazily:
    """A folder that is made when it is first asked for: most inputs need none."""

    def __init__(self, stack: AsyncExitStack, parent: Path) -> None:
        self._stack = stack
        self._parent = parent

    @cached_property
    def path(self) -> Path:
        """The folder, which goes with the stack."""
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(dir=self._parent)))


class OperationFiles:
    """The files of operations in the object store: they survive attempts and hosts.

    Each operation has a prefix of its own, unless its kind names the `prefix` that it works on.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def put(
        self, operation: Operation, name: str, source: Path, *, prefix: str | None = None
    ) -> None:
        """Store a file's bytes under a name, replacing what was there. Raises Invalid."""
        await self._objects.put_file(_within(operation, prefix) + _checked(name), source)

    async def get(
        self, operation: Operation, name: str, target: Path, *, prefix: str | None = None
    ) -> bool:
        """Write the named file's bytes to a path; False if there is none."""
        try:
            await self._objects.fetch(_within(operation, prefix) + _checked(name), target)
        except NotFound:
            return False
        return True

    async def bring(self, key: str, target: Path) -> None:
        """Write the bytes of an object that is not the operation's own. Raises NotFound."""
        with disk_errors():
            await self._objects.fetch(key, target)

    async def list(self, operation: Operation, *, prefix: str | None = None) -> Sequence[str]:
        """The names stored so far, sorted."""
        within = _within(operation, prefix)
        found = [info.key.removeprefix(within) async for info in self._objects.walk(within)]
        return sorted(found)

    async def inherit(self, operation: Operation) -> None:
        """Give a retry the files of its parent that it does not have yet.

        To be called before each attempt: files are only ever added or replaced, so a copy that was
        interrupted goes on where it ended, and one that is complete finds nothing to do.
        """
        if operation.parent_id is None:
            return
        prefix, own = _prefix(operation.parent_id), set(await self.list(operation))
        async for info in self._objects.walk(prefix):
            name = info.key.removeprefix(prefix)
            if name not in own:
                await self._objects.copy(info.key, operation_file_key(operation.id, name))

    async def sweep(self, operations: OperationStore, now: Callable[[], int]) -> int:
        """Delete the files of operations that are gone, a day after they were written."""
        gone, batch = 0, []
        before = now() - _DAY
        async for info in self._objects.walk(_PREFIX + "/"):
            if info.modified_at < before:
                batch.append(info.key)
            if len(batch) == _BATCH:
                gone += await self._delete_orphans(operations, batch, before)
                batch = []
        return gone + await self._delete_orphans(operations, batch, before)

    async def _delete_orphans(
        self, operations: OperationStore, keys: Sequence[str], before: int
    ) -> int:
        owners = [key.split("/")[1] for key in keys]
        found = await operations.get(None, owners)
        gone = 0
        for key, operation in zip(keys, found, strict=True):
            if operation is None:
                gone += await self._objects.delete(key, unless_modified_since=before)
        return gone


def operation_file_key(operation_id: str, name: str) -> str:
    """Where the object store keeps a file of an operation. Raises Invalid."""
    return _prefix(operation_id) + _checked(name)


def _within(operation: Operation, prefix: str | None) -> str:
    return _prefix(operation.id) if prefix is None else prefix


def _prefix(operation_id: str) -> str:
    return f"{_PREFIX}/{operation_id}/"


def _checked(name: str) -> str:
    if not name or ".." in name.split("/"):
        raise Invalid(f"not a file's name: {name[:200]!r}")
    return name
