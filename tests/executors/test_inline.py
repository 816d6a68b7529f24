import asyncio

import msgspec
import pytest
from sinking import RecordingSink, assignment

from outlast.executors.inline import InlineExecutor
from outlast.executors.port import Failed, Finished, Stopped
from outlast.operations.errors import Fatal, LeaseLost, Retry, UnknownKind
from outlast.operations.kind import Kind


class Inline:
    """One inline kind, whose handler each test brings."""

    def __init__(self, folder):
        self.folder = folder
        self.sink = RecordingSink(folder)

    async def start(self, handler, plan=None, *, result=dict, **fields):
        kind = Kind("one", spec=dict, result=result, run=handler, executor="inline")
        self.executor = InlineExecutor([kind], self.folder)
        return await self.executor.start(assignment("one", plan, **fields), self.sink)

    async def run(self, handler, plan=None, **options):
        running = await self.start(handler, plan, **options)
        outcome = await running.wait()
        await running.discard()
        return outcome


@pytest.fixture
def inline(tmp_path):
    return Inline(tmp_path)


async def wait_for_ever(plan, ctx):
    await asyncio.sleep(60)


async def test_a_handler_gets_its_plan_and_its_result_comes_back(inline):
    async def handler(plan, ctx):
        return plan

    assert await inline.run(handler, {"a": 1}) == Finished(result=b'{"a":1}', writes=[])


async def test_what_a_handler_raises_says_how_it_ended(inline):
    def raising(error):
        async def handler(plan, ctx):
            raise error

        return handler

    assert (await inline.run(raising(Retry(3)))).after_seconds == 3
    assert (await inline.run(raising(Fatal("c", "m")))).failure.code == "c"
    assert (await inline.run(raising(ValueError("x")))).failure.code == "handler_error"
    assert await inline.run(raising(LeaseLost())) == Stopped(reason="lease")
    assert isinstance(await inline.run(raising(asyncio.CancelledError())), Failed)


async def test_a_result_that_does_not_fit_is_invalid(inline):
    async def handler(plan, ctx):
        return {"a": "text"}

    outcome = await inline.run(handler, result=dict[str, int])
    assert outcome.failure.code == "result_invalid"


async def test_a_context_reaches_the_worker(inline):
    async def handler(plan, ctx):
        ctx.report(1, 2)
        ctx.log("a\nb")
        ctx.event("e", {"x": 1})
        await ctx.checkpoint({"step": 1})
        await asyncio.to_thread(ctx.files.put, "made", ctx.workdir / "made")
        return {"names": list(await asyncio.to_thread(ctx.files.list))}

    async def with_file(plan, ctx):
        (ctx.workdir / "made").write_text("x")
        return await handler(plan, ctx)

    outcome = await inline.run(with_file)
    assert msgspec.json.decode(outcome.result) == {"names": ["known", "made"]}
    sink = inline.sink
    assert (len(sink.reports), sink.lines, sink.events) == (1, ["a", "b"], [("e", {"x": 1})])
    assert sink.checkpoints == [{"step": 1}]


async def test_a_workdir_is_made_only_for_who_asks_and_is_gone_afterwards(inline):
    async def indifferent(plan, ctx):
        return {}

    async def interested(plan, ctx):
        return {"empty": not list(ctx.workdir.iterdir())}

    await inline.run(indifferent)
    assert list(inline.folder.iterdir()) == []
    running = await inline.start(interested)
    assert msgspec.json.decode((await running.wait()).result) == {"empty": True}
    assert running.workdir.is_dir()
    await running.discard()
    assert list(inline.folder.iterdir()) == []


async def test_files_on_the_loop_itself_are_refused_with_advice(inline):
    async def handler(plan, ctx):
        ctx.files.list()

    assert "asyncio.to_thread" in (await inline.run(handler)).failure.message


async def test_a_cancel_is_delivered_at_once_and_is_acknowledged(inline):
    running = await inline.start(wait_for_ever)
    await asyncio.sleep(0)
    running.cancel("cancelled")
    assert await running.wait() == Stopped(reason="cancelled")
    assert inline.sink.cancels_seen == 1


async def test_a_cancel_before_the_first_step_stops_it(inline):
    running = await inline.start(wait_for_ever)
    running.cancel("deadline")
    assert await running.wait() == Stopped(reason="deadline")


async def test_a_result_stands_despite_a_cancel(inline):
    async def handler(plan, ctx):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return {"cancelled": ctx.cancelled}

    running = await inline.start(handler)
    await asyncio.sleep(0)
    running.cancel("cancelled")
    assert await running.wait() == Finished(result=b'{"cancelled":true}', writes=[])


async def test_a_handler_that_swallows_one_cancel_gets_another_after_the_grace(inline):
    async def handler(plan, ctx):
        for _ in range(2):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                ctx.log("swallowed")
        return {}

    running = await inline.start(handler, cancel_grace_seconds=0.05)
    await asyncio.sleep(0)
    running.cancel("cancelled")
    assert isinstance(await running.wait(), Finished)
    assert inline.sink.lines == ["swallowed", "swallowed"]


async def test_who_waits_may_give_up_without_harm(inline):
    running = await inline.start(wait_for_ever)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await running.wait()
    running.kill("released")
    assert await running.wait() == Stopped(reason="released")


async def test_closing_stops_what_runs(inline):
    running = await inline.start(wait_for_ever)
    await inline.executor.close()
    assert await running.wait() == Stopped(reason="released")


async def test_a_kind_that_the_worker_does_not_have_is_refused(inline):
    running = await inline.start(wait_for_ever)
    running.kill("released")
    await running.wait()
    with pytest.raises(UnknownKind):
        await inline.executor.start(assignment("other"), inline.sink)
