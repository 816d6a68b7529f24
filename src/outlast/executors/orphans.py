"""What becomes of an attempt whose guard was killed: the worker inherits it, and ends it."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final, NamedTuple

from outlast.executors import linux

_LOOK_SECONDS: Final = 0.005


def become_subreaper() -> None:
    """Have the orphans of killed guards come to this process. Nothing happens but on Linux.

    Only for a process that starts guards and little else: it also inherits what it never waits for.
    """
    if linux.SUPPORTED:
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)


def start_ticks(pid: int) -> int:
    """When a process started, in the kernel's own unit; 0 where that cannot be read."""
    process = _process(pid)
    return process.started if process else 0


def end_orphans(guard_started: int) -> None:
    """Kill what this process inherited from a guard, and return when nothing of it is left.

    Guards stay in the worker's session and their children never do: so an orphan is a child of this
    process, in another session, that started after its guard. What this process itself starts in a
    session of its own meanwhile would be taken for one. Where this is no subreaper nothing is.
    """
    if not linux.is_subreaper():
        return
    while orphans := _orphans(guard_started):
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_LOOK_SECONDS)


class _Process(NamedTuple):
    parent: int
    session: int
    started: int


def _orphans(guard_started: int) -> list[int]:
    me, session = os.getpid(), os.getsid(0)
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            process = _process(int(entry.name))
            if (
                process is not None
                and process.parent == me
                and process.session != session
                and process.started >= guard_started
            ):
                found.append(int(entry.name))
    return found


def _process(pid: int) -> _Process | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return _Process(parent=int(fields[1]), session=int(fields[3]), started=int(fields[19]))
