"""How long until an operation runs again after kill -9 of a child, of the worker, of the server.

With the default settings, one kill at a time, nothing else going on.
"""

import time
from pathlib import Path

import httpx
import process_table
from chaos_installation import Installation

SECONDS_MAX = {"child": 20.0, "worker": 20.0, "server": 20.0}
_OPERATIONS = 3
_PATIENCE_SECONDS = 60.0


def measure(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds from each kill until all that it hit had begun their next attempt."""
    installation = Installation(folder, recovery={})
    installation.make_outside()
    installation.start()
    try:
        installation.wait_until_ready()
        _submit(installation)
        _await_attempts(installation, {})
        return {
            victim: [_once(installation, victim) for _ in range(rounds)] for victim in SECONDS_MAX
        }
    finally:
        installation.clear()


def _submit(installation: Installation) -> None:
    spec = {"outside": str(installation.outside), "steps": 100_000, "step_seconds": 0.1}
    for _ in range(_OPERATIONS):
        httpx.post(
            f"{installation.url}/v1/operations",
            json={"kind": "chaos_work", "spec": spec},
            headers={"Authorization": f"Bearer {installation.token}"},
        ).raise_for_status()


def _once(installation: Installation, victim: str) -> float:
    before = _last(installation)
    time.sleep(1)
    started = time.monotonic()
    if victim == "child":
        pid = next(iter(before.values()))[1]
        hit = {one for one, (_, other) in before.items() if other == pid}
        process = process_table.find(pid)
        if process is None or not process_table.kill(process):
            raise RuntimeError("the child was gone before it was killed")
    elif victim == "worker":
        hit = set(before)
        [process] = installation.processes()["worker"]
        process_table.kill(process)
    else:
        hit = set(before)
        installation.kill()
        installation.start()
    _await_attempts(installation, {one: before[one][0] for one in hit})
    return time.monotonic() - started


def _await_attempts(installation: Installation, before: dict[str, str]) -> None:
    """Wait until each operation has an attempt that has made a step, and is not the one before."""
    ends_at = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < ends_at:
        now = _last(installation)
        if len(now) == _OPERATIONS and all(now[one][0] != nonce for one, nonce in before.items()):
            return
        time.sleep(0.05)
    raise RuntimeError(f"not running again after {_PATIENCE_SECONDS} s")


def _last(installation: Installation) -> dict[str, tuple[str, int]]:
    """The attempt that last made a step, and its process, of each operation."""
    return {
        str(line["operation"]): (str(line["nonce"]), int(str(line["pid"])))
        for line in installation.lines()
        if line["what"] == "report"
    }
