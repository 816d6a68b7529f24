"""The machine's processes: who descends from whom, and a kill that never hits a stranger."""

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One process. `started` tells it from a later one with the same number."""

    pid: int
    started: int
    parent: int
    command: str

    def __str__(self) -> str:
        return f"{self.pid} (parent {self.parent}): {self.command[:120]}"


def find(pid: int) -> Process | None:
    """The process with this number, unless it is gone or only waits to be collected."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    fields = stat.rpartition(b")")[2].split()
    if fields[0] in b"ZX":
        return None
    words = " ".join(command.replace(b"\0", b" ").decode(errors="replace").split())
    return Process(pid, int(fields[19]), int(fields[1]), words)


def everyone() -> Iterator[Process]:
    """Every process that is alive."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (process := find(int(entry.name))) is not None:
            yield process


def descendants(pid: int) -> list[Process]:
    """The children of a process, theirs, and so on; parents first."""
    by_parent: dict[int, list[Process]] = {}
    for process in everyone():
        by_parent.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [pid]
    while waiting:
        children = by_parent.get(waiting.pop(), [])
        found += children
        waiting += [child.pid for child in children]
    return found


def marked(variable: str) -> list[Process]:
    """The processes with `NAME=value` in their environment, but for this one."""
    wanted = variable.encode()
    found = []
    for process in everyone():
        with contextlib.suppress(OSError):
            environment = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
            if wanted in environment and process.pid != os.getpid():
                found.append(process)
    return found


def is_alive(process: Process) -> bool:
    """Whether this very process still runs."""
    now = find(process.pid)
    return now is not None and now.started == process.started


def kill(process: Process, number: int = signal.SIGKILL) -> bool:
    """Send this very process a signal; False if it was gone already."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        # The descriptor is of whoever has the number now: look once more before using it.
        if not is_alive(process):
            return False
        signal.pidfd_send_signal(descriptor, number)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
