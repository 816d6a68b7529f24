import asyncio
import logging
import os
import signal

import handlers_for_tests
import msgspec

from outlast.executors import pool
from outlast.executors.launching import Blueprint
from outlast.executors.pool import WarmPool
from outlast.executors.port import Finished

ECHO = [kind for kind in handlers_for_tests.kinds if kind.name in {"echo", "facts"}]
DECLARING = [kind for kind in handlers_for_tests.kinds if kind.name in {"facts", "environment"}]


def waiting(bench):
    """The children that wait ready."""
    return bench.executor._pool.ready


async def test_an_attempt_starts_in_a_child_that_was_there_before(tmp_path, open_bench, until):
    async with open_bench(tmp_path / "data", warm=1, kinds=ECHO) as bench:
        await bench.result("echo")
        (ward,) = await until(lambda: waiting(bench))
        pid = ward.child_pid
        told = await bench.result("facts")
        assert (told["pid"], told["guard"]) == (pid, ward.guard_pid)


async def test_nothing_waits_for_what_nobody_asked_for(tmp_path, open_bench, until):
    async with open_bench(tmp_path / "data", warm=2, kinds=ECHO) as bench:
        assert bench.executor._pool._shelves == {}
        await bench.result("echo")
        await until(lambda: len(waiting(bench)) == 2)


async def test_no_child_serves_two_attempts(tmp_path, open_bench):
    async with open_bench(tmp_path / "data", warm=2, kinds=ECHO) as bench:
        told = [await bench.result("facts") for _ in range(6)]
        assert len({one["pid"] for one in told}) == 6


async def test_the_pool_fills_up_again(tmp_path, open_bench, until):
    async with open_bench(tmp_path / "data", warm=1, kinds=ECHO) as bench:
        await bench.result("echo")
        (first,) = await until(lambda: waiting(bench))
        await bench.result("echo")
        (second,) = await until(lambda: waiting(bench))
        assert first is not second


async def test_kinds_share_a_warm_child_unless_their_children_differ(tmp_path, open_bench, until):
    async with open_bench(tmp_path / "data", warm=1, kinds=ECHO + DECLARING[:1]) as bench:
        await bench.result("echo")
        await bench.result("facts")
        await until(lambda: len(waiting(bench)) == 1)
    async with open_bench(tmp_path / "data", warm=1, kinds=DECLARING) as bench:
        await bench.result("facts")
        await bench.result("environment")
        await until(lambda: len(waiting(bench)) == 2)


async def test_a_child_that_dies_while_it_waits_is_buried(tmp_path, open_bench, until):
    async with open_bench(tmp_path / "data", warm=1, kinds=ECHO) as bench:
        await bench.result("echo")
        (ward,) = await until(lambda: waiting(bench))
        os.kill(ward.child_pid, signal.SIGKILL)
        await until(lambda: not waiting(bench) and not ward.workdir.exists())
        assert (await bench.result("facts"))["pid"] != ward.child_pid
        await until(lambda: waiting(bench))


async def test_a_module_that_cannot_be_imported_is_tried_again(tmp_path, open_bench, until, caplog):
    module = tmp_path / "mended_for_tests.py"
    module.write_text("from handlers_for_tests import kinds")
    caplog.set_level(logging.WARNING)
    async with open_bench(
        tmp_path / "data", warm=1, kinds=ECHO, module="mended_for_tests"
    ) as bench:
        await bench.result("echo")
        await until(lambda: waiting(bench))
        module.write_text("raise RuntimeError('not now')")
        await bench.result("echo")
        await until(lambda: "RuntimeError: not now" in caplog.text)
        outcome, _ = await bench.run("echo")
        assert "RuntimeError: not now" in outcome.failure.message
        module.write_text("from handlers_for_tests import kinds")
        assert isinstance((await bench.run("echo"))[0], Finished)
        await until(lambda: waiting(bench))


async def test_many_attempts_at_once(tmp_path, open_bench):
    async with open_bench(tmp_path / "data", warm=1, kinds=ECHO) as bench:
        outcomes = await asyncio.gather(*(bench.run("echo", {"n": n}) for n in range(12)))
        results = [msgspec.json.decode(outcome.result)["n"] for outcome, _ in outcomes]
        assert results == list(range(12))


async def test_closing_ends_the_children_that_wait(tmp_path, open_bench, until, alive):
    async with open_bench(tmp_path / "data", warm=2, kinds=ECHO) as bench:
        await bench.result("echo")
        await until(lambda: len(waiting(bench)) == 2)
        pids = [pid for ward in waiting(bench) for pid in (ward.guard_pid, ward.child_pid)]
    assert alive(pids) == []
    assert list((tmp_path / "data" / "work").iterdir()) == []


async def test_what_nobody_asks_for_any_more_is_ended(
    tmp_path, open_bench, until, alive, monkeypatch
):
    monkeypatch.setattr(pool, "_SHELVES_MAX", 2)
    async with open_bench(tmp_path / "data", kinds=ECHO) as bench:
        idle = WarmPool(bench.launcher, 1, kept_seconds=0.05)
        plain = Blueprint(modules=())
        await (await idle.take(plain)).dispose()
        await until(lambda: not idle._shelves and not idle._burials)
        crowded = WarmPool(bench.launcher, 1)
        pids = []
        for number in range(3):
            ward = await crowded.take(Blueprint(modules=(), environment=(f"V{number}",)))
            await ward.dispose()
            await until(lambda number=number: len(crowded.ready) == min(number + 1, 2))
            pids.append(crowded.ready[-1].child_pid)
        await until(lambda: alive(pids[:1]) == [])
        assert sorted(alive(pids)) == sorted(pids[1:])
        await crowded.close()
        assert alive(pids) == []
        await idle.close()
