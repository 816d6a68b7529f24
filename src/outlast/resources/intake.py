"""Taking in what a child left in its folder: the child may be hostile."""

import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from outlast.operations.errors import Conflict

_CHUNK_BYTES: Final = 1024 * 1024


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
    with open_plain(folder, name) as source, target.open("xb") as copy:
        target.chmod(0o600)
        left = os.fstat(source.fileno()).st_size
        # What a process that still writes it adds meanwhile is not its content.
        while left and (chunk := source.read(min(left, _CHUNK_BYTES))):
            copy.write(chunk)
            left -= len(chunk)
