"""What a killed attempt left on this machine: the state as the tool wrote it last.

Between the tool's write and ours lies a moment. An attempt that is killed in it leaves a state that
is newer than the stored one, in a folder beside those of the attempts, which outlives it. It is not
sealed: the next attempt on the stack here takes it over, and a worker removes it after a day.
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
    """Remove what was left of this stack here, but for one name."""
    own = state_file(workdir, stack, but).parent
    for folder in workdir.parent.glob(f"{_PREFIX}{stack}-*"):
        if folder != own:
            shutil.rmtree(folder, ignore_errors=True)


def remove_old(work: Path) -> int:
    """Remove what nobody has come for in a day from the folder of all attempts; how many."""
    gone, before = 0, system_clock() - _DAY
    for folder in work.glob(f"{_PREFIX}*"):
        # What an attempt works on is written again and again; somebody else may be removing it.
        with contextlib.suppress(FileNotFoundError):
            if max(one.stat().st_mtime_ns for one in (folder, *folder.iterdir())) // 1000 < before:
                shutil.rmtree(folder)
                gone += 1
    return gone


def _read(state: bytes) -> _Written | None:
    try:
        return msgspec.json.decode(state, type=_Written)
    except msgspec.DecodeError:
        return None
