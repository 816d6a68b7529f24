"""What a killed attempt left on this machine: the state as the tool wrote it last.

Between the tool's write and ours lies a moment. An attempt that is killed in it leaves a state that
is newer than the stored one, in a folder beside those of the attempts, which outlives it. It is not
sealed: the next attempt on the stack here takes it over, and any removes it after a day.
"""

import contextlib
import shutil
from pathlib import Path
from typing import Final

import msgspec

from outlast.clock import system_clock
from outlast.operations.model import SECOND

_FILE: Final = "terraform.tfstate"
_DAY: Final = 86_400 * SECOND
_PREFIX: Final = ".state-"


class _Written(msgspec.Struct):
    serial: int
    lineage: str


def state_file(workdir: Path, stack: str, name: str) -> Path:
    """Where the attempt that stores its state under this name has the tool write it."""
    return workdir.parent / f"{_PREFIX}{stack}-{name}" / _FILE


def find_newer(workdir: Path, stack: str, name: str, stored: bytes | None) -> bytes | None:
    """The state that the attempt which stored this one has left here, if it is a later one."""
    try:
        left = state_file(workdir, stack, name).read_bytes()
    except OSError:
        return None
    written = _read(left)
    if written is None:
        return None
    if stored is None:
        return left
    known = _read(stored)
    if known is None or known.lineage != written.lineage:
        return None
    return left if written.serial > known.serial else None


def remove(workdir: Path, stack: str, *, but: str) -> None:
    """Remove what was left of this stack, but for one name, and what is a day old of others."""
    before, own = system_clock() - _DAY, state_file(workdir, stack, but).parent
    for folder in workdir.parent.glob(f"{_PREFIX}*"):
        is_ours = folder.name.startswith(f"{_PREFIX}{stack}-") and folder != own
        # Somebody else may be removing it.
        with contextlib.suppress(FileNotFoundError):
            if is_ours or folder.stat().st_mtime_ns // 1000 < before:
                shutil.rmtree(folder, ignore_errors=True)


def _read(state: bytes) -> _Written | None:
    try:
        return msgspec.json.decode(state, type=_Written)
    except msgspec.DecodeError:
        return None
