"""Taking in what a child left in its folder: the child may be hostile."""

import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from outlast.operations.errors import Conflict

_CHUNK_BYTES: Final = 1024 * 1024


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken in."""

    sha256: str
    bytes: int


def open_plain(folder: Path, name: str) -> BinaryIO:
    """A regular file directly in a folder, opened without following anything. Raises Conflict."""
    if not name or "/" in name or "\0" in name or name in {".", ".."}:
        raise Conflict(f"not the name of a file: {name[:200]!r}")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(folder / name, flags)
    except OSError as error:
        raise Conflict(f"file {name!r} cannot be opened: {error.strerror}") from error
    found = os.fstat(descriptor)
    # A second link could be another's file that the child was not allowed to read itself.
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(descriptor)
        raise Conflict(f"file {name!r} is not a plain file of its own")
    return os.fdopen(descriptor, "rb")


def copy_plain(folder: Path, name: str, target: Path) -> None:
    """Copy a regular file directly in a folder to a new private file. Raises Conflict."""
    copy_hashed(folder, name, target)


def copy_hashed(folder: Path, name: str, target: Path) -> Intake:
    """The same; the hash and the size of what was copied."""
    digest, size = hashlib.sha256(), 0
    with open_plain(folder, name) as source, target.open("xb") as copy:
        target.chmod(0o600)
        # What a process that still writes it adds meanwhile is not its content.
        left = os.fstat(source.fileno()).st_size
        while left and (chunk := source.read(min(left, _CHUNK_BYTES))):
            copy.write(chunk)
            digest.update(chunk)
            left -= len(chunk)
            size += len(chunk)
    return Intake(sha256=digest.hexdigest(), bytes=size)
