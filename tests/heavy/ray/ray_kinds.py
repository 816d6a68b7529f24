"""Kinds whose handlers say on which node they run."""

import asyncio
import ctypes
import os
import time
from pathlib import Path
from typing import Any

from outlast.operations.kind import Context, Finish, Kind, Resources
from outlast.resources.files import NewFile


def ancestors() -> list[int]:
    """The processes above this one: its guard, its host, Ray's worker, and its node's raylet."""
    above, pid = [], os.getpid()
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
        above.append(pid)
    return above


def steps(plan: dict[str, Any], context: Context) -> dict[str, Any]:
    """Count, and go on from where the last attempt has counted to."""
    first = (context.last_checkpoint or {"step": 0})["step"]
    context.event("begun", {"first": first, "ancestors": ancestors(), "pid": os.getpid()})
    for step in range(first + 1, plan["steps"] + 1):
        if context.cancelled:
            raise asyncio.CancelledError
        time.sleep(plan.get("seconds", 0.02))
        context.checkpoint({"step": step})
        context.report(step, plan["steps"])
    return {"first": first, "attempt": context.attempt}


def deaf(plan: dict[str, Any], context: Context) -> None:
    """Never look whether it shall stop."""
    context.event("begun", {"ancestors": ancestors(), "pid": os.getpid()})
    time.sleep(600)


def hog(plan: dict[str, Any], context: Context) -> dict[str, Any]:
    """Let no other thread of the process run."""
    ctypes.PyDLL(None).usleep(int(plan["seconds"] * 1_000_000))
    return {"attempt": context.attempt}


def devices(plan: dict[str, Any], context: Context) -> dict[str, Any]:
    """Tell what it may compute with."""
    names = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
    return {"ancestors": ancestors(), **{name: os.environ.get(name) for name in names}}


def write(plan: dict[str, Any], context: Context) -> Finish:
    """Publish a file."""
    (context.workdir / "made").write_text("made on a node\n")
    file = NewFile(purpose="lines", name="made.txt", files=("made",))
    return Finish(result={}, writes=[file])


FLOCK = Resources(cpus=0.1, custom={"flock": 1})
kinds = [
    Kind("steps", spec=dict, result=dict, run=steps, resources=FLOCK),
    Kind("deaf", spec=dict, result=None, run=deaf, resources=FLOCK),
    Kind("hog", spec=dict, result=dict, run=hog, resources=FLOCK),
    Kind("write", spec=dict, result=dict, run=write, resources=FLOCK),
    Kind("devices", spec=dict, result=dict, run=devices, resources=Resources(cpus=0.1, gpus=1)),
    Kind("gadget", spec=dict, result=dict, run=devices, resources=Resources(custom={"gadget": 1})),
    Kind(
        "steps_gadget", spec=dict, result=dict, run=steps, resources=Resources(custom={"gadget": 1})
    ),
]
