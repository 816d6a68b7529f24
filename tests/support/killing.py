"""Killing attempts, as an operating system that is short of memory does."""

import contextlib
import os
import signal
from pathlib import Path


def kill_handlers():
    """Kill the children below this process that run handlers; how many."""
    parents = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            parents[int(entry.name)] = int(stat[1])
    killed = 0
    for pid in parents:
        line = [pid]
        while line[-1] in parents:
            line.append(parents[line[-1]])
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if (
                os.getpid() in line[1:]
                and command.count(b"outlast.executors.child")
                and (b"guard.py" not in command)
            ):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    return killed
