"""However an attempt ends, nothing of it goes on running, and its end is told as it was."""

import asyncio
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from outlast.executors.port import Failed, Finished, Stopped

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper (Linux)")
pytestmark = needs_linux

HERE = Path(__file__).parent


@asynccontextmanager
async def worker(data, kind, plan, lease_seconds=30.0):
    """A worker process with one attempt, its guard, and the processes of the attempt."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        HERE / "worker_for_tests.py",
        data,
        kind,
        msgspec.json.encode(plan),
        str(lease_seconds),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        first = (await process.stdout.readline()).split()
        guard, *others = [int(word) for word in first if word.isdigit()]
        yield process, guard, others
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_what_an_attempt_leaves_behind_ends_with_it(bench, alive):
    outcome, sink = await bench.run("brood", {"then": "go"})
    assert isinstance(outcome, Finished)
    pids = [int(pid) for pid in sink.lines[0].split()]
    assert len(pids) == 3
    assert alive(pids) == []


async def test_a_kill_ends_daemons_too(bench, alive):
    running, sink = await bench.start("brood", {"then": "stay"})
    pids = [int(pid) for pid in (await sink.logged()).split()]
    assert alive(pids) == pids
    running.kill("released")
    assert await running.wait() == Stopped(reason="released")
    assert alive(pids) == []


async def test_a_killed_worker_takes_everything_with_it(tmp_path, until, alive):
    async with worker(tmp_path / "data", "brood", {"then": "stay"}) as (process, guard, others):
        assert len(alive([guard, *others])) == 5
        process.kill()
        await until(lambda: not alive([guard, *others]))


async def test_a_worker_that_does_not_renew_loses_the_attempt_at_two_thirds_of_the_lease(
    tmp_path, alive
):
    began = time.monotonic()
    plan = {"then": "stay"}
    async with worker(tmp_path / "data", "brood", plan, 1.5) as (process, _, others):
        assert await process.stdout.readline() == b"Stopped(reason='lease')\n"
        # Counted from the start, which comes after `began`.
        assert time.monotonic() - began > 1.0
        assert alive(others) == []


async def test_a_frozen_worker_does_not_keep_an_attempt_alive(tmp_path, until, alive):
    plan = {"then": "stay"}
    async with worker(tmp_path / "data", "brood", plan, 0.9) as (process, guard, others):
        process.send_signal(signal.SIGSTOP)
        await until(lambda: not alive([guard, *others]))
        process.send_signal(signal.SIGCONT)


async def test_a_renewed_lease_holds(bench):
    running, sink = await bench.start("wait_plain", {"then": "finish"}, lease_seconds=0.6)
    await sink.logged()
    until = time.monotonic() + 1.2
    while time.monotonic() < until:
        running.renewed(time.monotonic())
        await asyncio.sleep(0.05)
    running.cancel("cancelled")
    assert isinstance(await running.wait(), Finished)


async def test_a_renewal_counts_from_when_it_was_sent(bench):
    running, sink = await bench.start("wait_plain", lease_seconds=30)
    await sink.logged()
    running.renewed(time.monotonic() - 21)
    assert await running.wait() == Stopped(reason="lease")


async def test_a_killed_guard_leaves_nothing_behind(tmp_path, alive):
    plan = {"then": "kill_guard"}
    async with worker(tmp_path / "data", "brood", plan) as (process, guard, others):
        outcome = (await process.stdout.readline()).decode()
        assert "crashed" in outcome
        assert "its guard was killed" in outcome
        assert alive([guard, *others]) == []


async def test_a_guard_that_its_child_froze_is_overcome(tmp_path, alive, monkeypatch):
    # In a process of its own: what it inherits then is killed.
    plan = {"then": "stop_guard"}
    script = HERE / "frozen_guard_for_tests.py"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        script,
        tmp_path / "data",
        msgspec.json.encode(plan),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    said, _ = await process.communicate()
    pids, outcome = said.decode().splitlines()
    assert outcome == "Stopped(reason='cancelled')"
    assert alive(map(int, pids.split())) == []


async def test_processes_that_multiply_are_overcome(bench):
    running, _ = await bench.start("multiply", {"seconds": 0.05})
    await running.wait()
    running, _ = await bench.start("multiply", {"daemon": True})
    assert isinstance(await running.wait(), Failed)


@pytest.mark.parametrize("kind", ["wait_plain", "wait_async"])
async def test_a_handler_that_obeys_a_cancel_is_stopped(bench, kind):
    running, sink = await bench.start(kind)
    await sink.logged()
    running.cancel("cancelled")
    assert await running.wait() == Stopped(reason="cancelled")
    assert sink.cancels_seen == 1


@pytest.mark.parametrize("kind", ["wait_plain", "wait_async"])
async def test_a_result_stands_despite_a_cancel(bench, kind):
    running, sink = await bench.start(kind, {"then": "finish"})
    await sink.logged()
    running.cancel("cancelled")
    outcome = await running.wait()
    assert msgspec.json.decode(outcome.result) == {"completed": "despite"}


async def test_a_verdict_stands_despite_a_cancel(bench):
    running, sink = await bench.start("wait_plain", {"then": "fatal"})
    await sink.logged()
    running.cancel("cancelled")
    assert (await running.wait()).failure.code == "bad"


async def test_a_plain_handler_may_raise_cancelled_error(bench):
    running, sink = await bench.start("wait_plain", {"then": "cancelled"})
    await sink.logged()
    running.cancel("deadline")
    assert await running.wait() == Stopped(reason="deadline")


async def test_a_handler_that_ignores_a_cancel_is_killed_after_the_grace(bench):
    running, sink = await bench.start("ignore_cancel", cancel_grace_seconds=0.3)
    await sink.logged()
    asked = time.monotonic()
    running.cancel("cancelled")
    assert await running.wait() == Stopped(reason="cancelled")
    assert time.monotonic() - asked >= 0.3
    assert sink.cancels_seen == 0


async def test_the_first_reason_stands_but_for_the_lease(bench):
    running, sink = await bench.start("ignore_cancel")
    await sink.logged()
    running.cancel("deadline")
    running.kill("released")
    assert await running.wait() == Stopped(reason="deadline")
    running, sink = await bench.start("ignore_cancel")
    await sink.logged()
    running.cancel("cancelled")
    running.kill("lease")
    assert await running.wait() == Stopped(reason="lease")


async def test_a_cancel_after_the_end_changes_nothing(bench):
    running, _ = await bench.start("echo")
    outcome = await running.wait()
    running.cancel("cancelled")
    running.kill("released")
    running.renewed(time.monotonic())
    assert await running.wait() == outcome


async def test_a_child_killed_from_outside_has_crashed(bench):
    running, sink = await bench.start("ignore_cancel")
    await sink.logged()
    os.kill(running._ward.child_pid, signal.SIGKILL)
    outcome = await running.wait()
    assert outcome.failure.code == "crashed"
    assert "SIGKILL" in outcome.failure.message
