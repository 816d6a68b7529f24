"""Objects as files below one folder."""

import asyncio
import itertools
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from outlast.operations.errors import NotFound
from outlast.resources.objects.port import CHUNK_BYTES, ObjectInfo, check_key

_INCOMING: Final = ".incoming"
_LIST_BATCH: Final = 1000


class LocalObjects:
    """Objects as files below one folder: what a single machine needs."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / _INCOMING
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        root.chmod(0o700)

    async def put_file(self, key: str, path: Path, *, move: bool = False) -> None:
        """See ObjectStore. A file is moved without a copy when it lies on the same file system."""
        await asyncio.to_thread(self._put_file, key, path, move)

    async def put_bytes(self, key: str, content: bytes) -> None:
        """See ObjectStore."""
        await asyncio.to_thread(self._put_bytes, key, content)

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """See ObjectStore."""
        path = self._path(key)
        try:
            file = await asyncio.to_thread(path.open, "rb")
        except FileNotFoundError:
            raise NotFound(f"there is no object {key}") from None
        with file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk

    async def fetch(self, key: str, path: Path) -> None:
        """See ObjectStore."""
        try:
            await asyncio.to_thread(shutil.copyfile, self._path(key), path)
        except FileNotFoundError:
            raise NotFound(f"there is no object {key}") from None

    def local_path(self, key: str) -> Path | None:
        """See ObjectStore."""
        return self._path(key)

    async def find(self, key: str) -> ObjectInfo | None:
        """See ObjectStore."""
        return await asyncio.to_thread(_info, key, self._path(key))

    async def copy(self, source_key: str, target_key: str) -> None:
        """See ObjectStore. No byte is copied: both keys name one file, which nobody changes."""
        try:
            await asyncio.to_thread(self._copy, self._path(source_key), self._path(target_key))
        except FileNotFoundError:
            raise NotFound(f"there is no object {source_key}") from None

    async def touch(self, key: str) -> bool:
        """See ObjectStore."""
        return await asyncio.to_thread(_touch, self._path(key))

    async def delete(self, key: str, *, unless_modified_since: int | None = None) -> bool:
        """See ObjectStore."""
        return await asyncio.to_thread(self._delete, key, unless_modified_since)

    async def walk(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """See ObjectStore."""
        folder = self._path(prefix.rstrip("/")) if prefix else self._root
        found = self._walk_files(folder)
        while batch := await asyncio.to_thread(_take, found, _LIST_BATCH):
            for info in batch:
                yield info

    async def delete_leftovers(self, before: int) -> int:
        """See ObjectStore."""
        return await asyncio.to_thread(self._delete_leftovers, before)

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def _put_file(self, key: str, path: Path, move: bool) -> None:  # noqa: FBT001  the thread's call
        target = self._path(key)
        incoming = self._incoming / secrets.token_hex(16)
        try:
            if move:
                shutil.move(path, incoming)
            else:
                shutil.copyfile(path, incoming)
            incoming.chmod(0o600)
            os.utime(incoming)
            self._publish(incoming, target)
        except BaseException:
            incoming.unlink(missing_ok=True)
            raise

    def _put_bytes(self, key: str, content: bytes) -> None:
        target = self._path(key)
        incoming = self._incoming / secrets.token_hex(16)
        try:
            incoming.touch(mode=0o600)
            incoming.write_bytes(content)
            self._publish(incoming, target)
        except BaseException:
            incoming.unlink(missing_ok=True)
            raise

    def _copy(self, source: Path, target: Path) -> None:
        incoming = self._incoming / secrets.token_hex(16)
        try:
            try:
                incoming.hardlink_to(source)
            except FileNotFoundError:
                raise
            except OSError:
                # A file can have only so many links, and some file systems have none.
                shutil.copyfile(source, incoming)
                incoming.chmod(0o600)
            os.utime(incoming)
            self._publish(incoming, target)
        finally:
            # Where both keys named the file before, replacing does nothing, and this name stays.
            incoming.unlink(missing_ok=True)

    def _publish(self, incoming: Path, target: Path) -> None:
        _sync(incoming)
        for folder in self._make_folders(target.parent):
            _sync(folder)
        incoming.replace(target)
        _sync(target.parent)

    def _make_folders(self, folder: Path) -> list[Path]:
        """Make the missing folders down to `folder`; the parents whose entries changed."""
        changed: list[Path] = []
        current = self._root
        for name in folder.relative_to(self._root).parts:
            parent, current = current, current / name
            if not current.exists():
                current.mkdir(mode=0o700, exist_ok=True)
                changed.append(parent)
        return changed

    def _delete(self, key: str, unless_modified_since: int | None) -> bool:
        path = self._path(key)
        if unless_modified_since is None:
            return _unlink(path)
        # Put aside first and looked at then: whoever touches it meanwhile either made it new, which
        # is seen here, or found nothing and stores it again.
        aside = self._incoming / secrets.token_hex(16)
        try:
            path.rename(aside)
        except FileNotFoundError:
            return False
        if aside.stat().st_mtime_ns // 1000 >= unless_modified_since:
            aside.replace(path)
            return False
        aside.unlink()
        return True

    def _walk_files(self, folder: Path) -> Iterator[ObjectInfo]:
        waiting = [folder]
        while waiting:
            try:
                entries = list(os.scandir(waiting.pop()))
            except FileNotFoundError:
                continue
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                    continue
                path = Path(entry.path)
                info = _info(path.relative_to(self._root).as_posix(), path)
                if info is not None:
                    yield info

    def _delete_leftovers(self, before: int) -> int:
        gone = 0
        for path in self._incoming.iterdir():
            info = _info(path.name, path)
            if info is not None and info.modified_at < before:
                gone += _unlink(path)
        return gone


def _take(infos: Iterator[ObjectInfo], count: int) -> list[ObjectInfo]:
    return list(itertools.islice(infos, count))


def _info(key: str, path: Path) -> ObjectInfo | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return ObjectInfo(key=key, bytes=stat.st_size, modified_at=stat.st_mtime_ns // 1000)


def _touch(path: Path) -> bool:
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
