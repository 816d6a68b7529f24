import asyncio
import logging
import os
import signal

import handlers_for_tests
import msgspec

from outlast.executors.port import Finished

ECHO = [kind for kind in handlers_for_tests.kinds if kind.name in {"echo", "facts"}]
DECLARING = [kind for kind in handlers_for_tests.kinds if kind.name in {"facts", "environment"}]


def waiting(bench):
    """The children that wait ready."""
    return bench.executor._pool.ready


async def test_an_attempt_starts_in_a_child_that_was_there_before(tmp_path, open_bench, until):
    async with open_bench(tmp_path / "data", warm=1, kinds=ECHO) as bench:
        (ward,) = await until(lambda: waiting(bench))
        pid = ward.child_pid
        told = await bench.result("facts")
        assert (told["pid"], told["guard"]) == (pid, ward.guard_pid)


async def test_no_child_serves_two_attempts(tmp_path, open_bench, until):
    async with open_bench(tmp_path / "data", warm=2, kinds=ECHO) as bench:
        await until(lambda: len(waiting(bench)) == 2)
        told = [await bench.result("facts") for _ in range(6)]
        assert len({one["pid"] for one in told}) == 6


async def test_the_pool_fills_up_again(tmp_path, open_bench, until):
    async with open_bench(tmp_path / "data", warm=1, kinds=ECHO) as bench:
        (first,) = await until(lambda: waiting(bench))
        await bench.result("echo")
        (second,) = await until(lambda: waiting(bench))
        assert first is not second


async def test_kinds_share_a_warm_child_unless_their_children_differ(tmp_path, open_bench, until):
    async with open_bench(tmp_path / "data", warm=1, kinds=ECHO + DECLARING[:1]) as bench:
        await until(lambda: len(waiting(bench)) == 1)
    async with open_bench(tmp_path / "data", warm=1, kinds=DECLARING) as bench:
        await until(lambda: len(waiting(bench)) == 2)


async def test_a_child_that_dies_while_it_waits_is_replaced(tmp_path, open_bench, until):
    async with open_bench(tmp_path / "data", warm=1, kinds=ECHO) as bench:
        (ward,) = await until(lambda: waiting(bench))
        os.kill(ward.child_pid, signal.SIGKILL)
        await until(lambda: [other for other in waiting(bench) if other is not ward])
        assert waiting(bench)[0].child_pid != ward.child_pid
        assert not ward.workdir.exists()


async def test_a_module_that_cannot_be_imported_is_tried_again(tmp_path, open_bench, until, caplog):
    module = tmp_path / "mended_for_tests.py"
    module.write_text("raise RuntimeError('not yet')")
    caplog.set_level(logging.WARNING)
    async with open_bench(
        tmp_path / "data", warm=1, kinds=ECHO, module="mended_for_tests"
    ) as bench:
        await until(lambda: "RuntimeError: not yet" in caplog.text)
        outcome, _ = await bench.run("echo")
        assert "RuntimeError: not yet" in outcome.failure.message
        module.write_text("from handlers_for_tests import kinds")
        await until(lambda: waiting(bench))
        assert isinstance((await bench.run("echo"))[0], Finished)


async def test_many_attempts_at_once(tmp_path, open_bench):
    async with open_bench(tmp_path / "data", warm=1, kinds=ECHO) as bench:
        outcomes = await asyncio.gather(*(bench.run("echo", {"n": n}) for n in range(12)))
        results = [msgspec.json.decode(outcome.result)["n"] for outcome, _ in outcomes]
        assert results == list(range(12))


async def test_closing_ends_the_children_that_wait(tmp_path, open_bench, until, alive):
    async with open_bench(tmp_path / "data", warm=2, kinds=ECHO) as bench:
        await until(lambda: len(waiting(bench)) == 2)
        pids = [pid for ward in waiting(bench) for pid in (ward.guard_pid, ward.child_pid)]
    assert alive(pids) == []
    assert list((tmp_path / "data" / "work").iterdir()) == []
