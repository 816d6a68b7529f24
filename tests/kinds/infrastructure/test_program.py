"""The tool is stopped politely, and with all that it started."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from outlast.kinds.infrastructure.program import Program

LINGERING = "sleep 60 &\necho $! > lingering\n"
STOPPING = """trap 'sleep 0.4; echo written > done; exit 1' INT
echo ready
while :; do sleep 0.05; done
"""


@pytest.fixture
def start(tmp_path):
    """Runs a script as the tool; its task and what tells that it has said something."""

    def start(script):
        program, said = tmp_path / "tofu", asyncio.Event()
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o755)
        environment = {"PATH": os.environ["PATH"]}
        tool = Program(str(program), tmp_path, environment, lambda _: said.set())
        return asyncio.create_task(tool.run("apply", timeout_seconds=20)), said

    return start


def assert_nothing_lingers(folder):
    """What was killed dies a moment later."""
    stat = Path("/proc", (folder / "lingering").read_text().strip(), "stat")
    until = time.monotonic() + 5
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < until
        time.sleep(0.01)


async def test_what_it_leaves_behind_is_not_waited_for(start, tmp_path):
    running, _ = start(LINGERING + "exit 3\n")
    assert await running == 3
    assert_nothing_lingers(tmp_path)


async def test_a_cancel_that_comes_while_it_stops_lets_it_stop(start, tmp_path):
    running, said = start(LINGERING + STOPPING)
    await said.wait()
    running.cancel()
    await asyncio.sleep(0.1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (tmp_path / "done").exists()
    assert_nothing_lingers(tmp_path)
