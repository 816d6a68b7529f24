"""A worker in a process of its own, to be killed: runs one attempt, and tells the pids of it."""
# ruff: noqa: T201

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import conftest


async def main(data: Path, kind: str, plan: str, lease_seconds: float) -> None:
    async with conftest.opened_bench(data) as bench:
        running, sink = await bench.start(
            kind, conftest.msgspec.json.decode(plan), lease_seconds=lease_seconds
        )
        line = await sink.logged()
        print(running._ward.guard_pid, running._ward.child_pid, line, flush=True)
        outcome = await running.wait()
        print(outcome, flush=True)
        with contextlib.suppress(EOFError):
            await asyncio.to_thread(input)


if __name__ == "__main__":
    os.setpgid(0, 0)
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])))
