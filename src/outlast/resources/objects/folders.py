"""A folder of this machine as a place with objects of others: read only, and never left."""

import asyncio
import errno
import itertools
import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from outlast.operations.errors import Invalid, NotFound, Unavailable
from outlast.resources.objects.port import CHUNK_BYTES, ObjectChanged, ObjectInfo

_Names: TypeAlias = tuple[str, ...]
_Waiting: TypeAlias = list[_Names]

_LIST_BATCH: Final = 1000
_DEPTH_MAX: Final = 64
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: a pipe in the place of a file must not hold us up.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FolderSource:
    """The regular files below a folder: an ObjectSource.

    Symbolic links are passed over, and nothing is opened through one.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    async def list(self, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        """See ObjectSource."""
        found = self._walk(_names(prefix))
        while batch := await asyncio.to_thread(_take, found):
            for info in batch:
                yield info

    async def read(self, key: str, etag: str | None = None) -> AsyncIterator[bytes]:
        """See ObjectSource. A file that changes while it is read is one that has changed."""
        number = await asyncio.to_thread(self._open, _names(key), _FILE)
        before = os.fstat(number)
        if not stat.S_ISREG(before.st_mode):
            os.close(number)
            raise NotFound(f"there is no object {key}")
        with os.fdopen(number, "rb") as file:
            if etag is not None and _etag(before) != etag:
                raise ObjectChanged(key)
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk
            if _etag(os.fstat(number)) != _etag(before):
                raise ObjectChanged(key)

    def _walk(self, prefix: _Names) -> Iterator[ObjectInfo]:
        # Where nothing is below the prefix, that is so; without the folder itself nothing is.
        os.close(self._open((), _FOLDER))
        waiting = [prefix]
        while waiting:
            names = waiting.pop()
            if len(names) > _DEPTH_MAX:
                raise Invalid(f"folders are nested deeper than {_DEPTH_MAX}")
            yield from self._entries(names, waiting)

    def _entries(self, names: _Names, waiting: _Waiting) -> Iterator[ObjectInfo]:
        try:
            folder = self._open(names, _FOLDER)
        except NotFound:
            return
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    found = _look(entry)
                    if found is None:
                        continue
                    own = (*names, _decoded(entry.name))
                    if stat.S_ISDIR(found.st_mode):
                        waiting.append(own)
                    elif stat.S_ISREG(found.st_mode):
                        yield _info("/".join(own), found)
        finally:
            os.close(folder)

    def _open(self, names: _Names, flags: int) -> int:
        """A descriptor of what has these names, one below the other. Raises NotFound."""
        try:
            number = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Unavailable(f"the object store's folder: {error.strerror}") from error
        for place, name in enumerate(names, 1):
            outer = number
            try:
                number = os.open(name, flags if place == len(names) else _FOLDER, dir_fd=outer)
            except OSError as error:
                raise _why(error, "/".join(names)) from error
            finally:
                os.close(outer)
        return number


def _names(key: str) -> _Names:
    """The names that a key is made of. Raises Invalid for one that leads elsewhere."""
    path = PurePosixPath(key)
    if path.is_absolute() or ".." in path.parts or "\0" in key:
        raise Invalid(f"not an object key: {key[:200]!r}")
    return path.parts


def _why(error: OSError, key: str) -> NotFound | Invalid | Unavailable:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR | errno.ELOOP | errno.ENAMETOOLONG:
            return NotFound(f"there is no object {key}")
        case errno.EACCES | errno.EPERM:
            return Invalid(f"object {key[:200]!r} must not be read: {error.strerror}")
        case _:
            return Unavailable(f"object {key[:200]!r} cannot be read: {error.strerror}")


def _look(entry: "os.DirEntry[str]") -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


def _decoded(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise Invalid(f"the name of a file is not UTF-8: {name[:200]!r}") from None
    return name


def _info(key: str, found: os.stat_result) -> ObjectInfo:
    return ObjectInfo(
        key=key, bytes=found.st_size, modified_at=found.st_mtime_ns // 1000, etag=_etag(found)
    )


def _etag(found: os.stat_result) -> str:
    return f"{found.st_size:x}-{found.st_mtime_ns:x}"


def _take(infos: Iterator[ObjectInfo]) -> list[ObjectInfo]:
    return list(itertools.islice(infos, _LIST_BATCH))
