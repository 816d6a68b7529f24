"""What the rest of the house asks of a place for bytes. The docstrings are the specification."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Protocol

import msgspec

from outlast.operations.errors import Conflict, Invalid

CHUNK_BYTES: Final = 1024 * 1024
_KEY_CHARS_MAX: Final = 1024
_KEY: Final = re.compile(
    r"[A-Za-z0-9_~=-][A-Za-z0-9._~=-]{0,199}(/[A-Za-z0-9_~=-][A-Za-z0-9._~=-]{0,199})*"
)


class ObjectInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an object without reading it. `modified_at` is in microseconds.

    `etag` differs where the content does, as far as the place that holds it can tell.
    """

    key: str
    bytes: int
    modified_at: int
    etag: str | None = None


class ObjectChanged(Conflict):
    """An object is not what it was when it was listed."""

    def __init__(self, key: str) -> None:
        super().__init__(f"object {key[:200]!r} has changed since it was listed")


class ObjectSource(Protocol):
    """Objects of others, to be read only. Keys are whatever they are called there.

    All raise NotFound where there is nothing, Invalid where it must not be read, Unavailable.
    """

    def list(self, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        """The objects whose keys begin with a prefix of whole names."""

    def read(self, key: str, etag: str | None = None) -> AsyncIterator[bytes]:
        """An object's bytes, chunk by chunk. Raises ObjectChanged if it has another `etag`."""


class ObjectStore(Protocol):
    """Objects under keys such as `tenant/T/parts/HASH.parquet`. An object appears whole or not."""

    async def put_file(self, key: str, path: Path, *, move: bool = False) -> None:
        """Store a file's bytes, durable on return, replacing what was there; `move` consumes it."""

    async def put_bytes(self, key: str, content: bytes) -> None:
        """Store some bytes, durable on return, replacing what was there."""

    def read(self, key: str) -> AsyncIterator[bytes]:
        """An object's bytes, chunk by chunk. Raises NotFound."""

    async def fetch(self, key: str, path: Path) -> None:
        """Write an object's bytes to a new file. Raises NotFound."""

    def local_path(self, key: str) -> Path | None:
        """A file that holds the object's bytes and must not be changed, where there is one."""

    async def find(self, key: str) -> ObjectInfo | None:
        """What is known of an object, or None."""

    async def copy(self, source_key: str, target_key: str) -> None:
        """Store an object's bytes under another key too, durable and as new on return. NotFound."""

    async def touch(self, key: str) -> bool:
        """Make an object as new as if it had just been stored; False if there is none."""

    async def delete(self, key: str, *, unless_modified_since: int | None = None) -> bool:
        """Remove an object; False if there is none, or if it was stored or touched since then."""

    def walk(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """The objects whose keys begin with `prefix`, which ends with a slash or is empty."""

    async def delete_leftovers(self, before: int) -> int:
        """Remove what writes that were interrupted before an instant left behind; how many."""


def check_key(key: str) -> str:
    """The key itself, if it is one. Raises Invalid."""
    if len(key) > _KEY_CHARS_MAX or not _KEY.fullmatch(key):
        raise Invalid(f"not an object key: {key[:200]!r}")
    return key
