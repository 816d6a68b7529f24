"""Taking in what a child left in its folder: the child may be hostile."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from outlast.operations.errors import Conflict


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
