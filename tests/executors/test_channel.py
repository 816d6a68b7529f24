"""Whatever a child sends, the worker goes on, and the attempt ends."""

import asyncio
import time

import pytest

from outlast.executors.port import Finished, Stopped


@pytest.mark.parametrize("what", ["bytes", "length", "depth", "half", "random"])
@pytest.mark.parametrize("kind", ["talk_garbage", "locked_garbage"])
async def test_garbage_ends_the_attempt_and_nothing_else(bench, kind, what, monkeypatch):
    monkeypatch.setattr("outlast.executors.serving._LEAVE_SECONDS", 0.1)
    other, _ = await bench.start("wait_plain", {"then": "finish"})
    outcome, _ = await bench.run(kind, {"as": what})
    assert outcome.failure.code == "crashed"
    other.cancel("cancelled")
    assert isinstance(await other.wait(), Finished)


async def test_a_flood_of_reports_is_merged_and_leaves_the_loop_alive(bench):
    running, sink = await bench.start("flood", {"with": "frames", "lines": 5000})
    longest = await longest_pause_while(running.wait())
    told = [report.done for report in sink.reports]
    assert told == sorted(told)
    assert told[-1] == 4999
    assert len(told) < 1000
    assert longest < 1


async def test_a_flood_of_output_leaves_the_loop_alive_and_can_be_cancelled(bench):
    running, sink = await bench.start("flood", {"with": "output_for_ever"})
    await sink.logged()
    asyncio.get_running_loop().call_later(0.3, running.kill, "cancelled")
    longest = await longest_pause_while(running.wait())
    assert await running.wait() == Stopped(reason="cancelled")
    assert longest < 1


async def longest_pause_while(waiting):
    """How long the loop was away at most, until something has happened."""
    task = asyncio.ensure_future(waiting)
    longest = 0.0
    while not task.done():
        before = time.monotonic()
        await asyncio.sleep(0.001)
        longest = max(longest, time.monotonic() - before)
    return longest
