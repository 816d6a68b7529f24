import asyncio
import time
from typing import Any

import msgspec
import pytest
from installation import MEMBER, until

from outlast.operations import transitions
from outlast.operations.errors import Fatal, Invalid, Retry
from outlast.operations.failure import platform_failure
from outlast.operations.kind import CatalogWrite, Finish, Kind, Prepared
from outlast.operations.model import SECOND
from outlast.operations.retry import RetryPolicy
from outlast.operations.states import State
from outlast.store.port import Change
from outlast.worker.leases import LeaseKeeper

FAST = RetryPolicy(attempts_max=3, delay_seconds=0.01, jitter=0)


def inline(name, run, **options):
    options.setdefault("retry", FAST)
    return Kind(name, spec=Any, result=Any, run=run, executor="inline", **options)


async def test_an_operation_runs_and_its_result_is_kept(installation, work):
    async def double(plan, _context):
        return {"twice": plan["n"] * 2}

    installation.add(inline("double", double))
    work()
    operation = await installation.end_of(await installation.submit("double", {"n": 21}))
    assert operation.state is State.SUCCEEDED
    assert msgspec.json.decode(operation.result) == {"twice": 42}
    assert await installation.history(operation) == ["created", "claimed", "succeeded"]


async def test_no_more_attempts_run_at_once_than_there_are_slots(installation, work):
    running = most = 0

    async def count(_plan, _context):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1

    installation.add(inline("count", count))
    operations = [await installation.submit("count") for _ in range(12)]
    work(slots=3)
    for operation in operations:
        assert (await installation.end_of(operation)).state is State.SUCCEEDED
    assert most == 3


async def test_a_handler_that_asks_for_another_attempt_gets_one_from_its_checkpoint(
    installation, work
):
    async def flaky(_plan, context):
        if context.last_checkpoint is None:
            await context.checkpoint({"reached": 7})
            raise Retry
        return context.last_checkpoint

    installation.add(inline("flaky", flaky))
    work()
    operation = await installation.end_of(await installation.submit("flaky"))
    assert msgspec.json.decode(operation.result) == {"reached": 7}
    assert operation.attempt == 2
    assert "retry_scheduled" in await installation.history(operation)


async def test_a_fatal_failure_is_the_callers_and_is_not_retried(installation, work):
    async def refuse(_plan, _context):
        raise Fatal("bad_row", "row 3 has no price", field_errors={"rows.3": "no price"})

    installation.add(inline("refuse", refuse))
    work()
    operation = await installation.end_of(await installation.submit("refuse"))
    assert (operation.state, operation.attempt) == (State.FAILED, 1)
    assert (operation.failure.code, operation.failure.fault) == ("bad_row", "user")
    assert operation.failure.field_errors == {"rows.3": "no price"}


async def test_an_unexpected_exception_is_retried_until_the_attempts_are_exhausted(
    installation, work
):
    async def broken(_plan, _context):
        raise ZeroDivisionError("nothing to divide")

    installation.add(inline("broken", broken))
    work()
    operation = await installation.end_of(await installation.submit("broken"))
    assert (operation.state, operation.attempt) == (State.FAILED, 3)
    assert operation.failure.code == "attempts_exhausted"
    assert operation.failure.cause.code == "handler_error"
    assert "nothing to divide" in operation.failure.message


async def test_a_failure_code_that_the_kind_calls_fatal_is_not_retried(installation, work):
    async def broken(_plan, _context):
        raise ValueError("no")

    policy = RetryPolicy(attempts_max=3, fatal_codes=frozenset({"handler_error"}))
    installation.add(inline("broken", broken, retry=policy))
    work()
    operation = await installation.end_of(await installation.submit("broken"))
    assert (operation.attempt, operation.failure.code) == (1, "handler_error")


async def test_progress_is_seen_while_the_handler_runs(installation, work):
    go_on = asyncio.Event()

    async def slow(_plan, context):
        context.report(3, 10, unit="rows", stage="loading")
        await go_on.wait()

    installation.add(inline("slow", slow))
    work()
    operation = await installation.submit("slow")

    async def reported():
        return (await installation.get(operation)).progress

    progress = await until(reported)
    assert (progress.done, progress.total, progress.unit) == (3, 10, "rows")
    go_on.set()
    assert (await installation.end_of(operation)).state is State.SUCCEEDED


async def test_the_last_report_and_all_log_lines_are_kept_when_the_handler_ends_at_once(
    installation, work
):
    async def quick(_plan, context):
        context.report(1, 2)
        context.log("first")
        context.event("half_way", {"share": 0.5})
        context.report(2)
        context.log("second")

    installation.add(inline("quick", quick))
    work()
    operation = await installation.end_of(await installation.submit("quick"))
    assert (operation.progress.done, operation.progress.total) == (2, 2)
    lines = await installation.store.operations.log(operation.id)
    assert [line.text for line in lines] == ["first", "second"]
    history = await installation.history(operation)
    assert history == ["created", "claimed", "half_way", "succeeded"]


async def test_a_running_operation_is_cancelled_and_says_when_its_code_saw_it(installation, work):
    started = asyncio.Event()

    async def endless(_plan, _context):
        started.set()
        await asyncio.Event().wait()

    installation.add(inline("endless", endless))
    work()
    operation = await installation.submit("endless")
    await started.wait()
    asked = await installation.engine.cancel(MEMBER, operation.id)
    assert asked.state is State.RUNNING
    ended = await installation.end_of(operation)
    assert ended.state is State.CANCELLED
    assert ended.cancel_seen_at is not None
    assert ended.cancel_requested_at <= ended.cancel_seen_at <= ended.finished_at


async def test_a_handler_that_completes_despite_a_cancel_has_succeeded(installation, work):
    started = asyncio.Event()

    async def stubborn(_plan, _context):
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done anyway"

    installation.add(inline("stubborn", stubborn))
    work()
    operation = await installation.submit("stubborn")
    await started.wait()
    await installation.engine.cancel(MEMBER, operation.id)
    assert (await installation.end_of(operation)).state is State.SUCCEEDED


async def test_an_operation_past_its_deadline_is_stopped_and_failed(installation, work):
    async def endless(_plan, _context):
        await asyncio.Event().wait()

    installation.add(inline("endless", endless))
    work()
    deadline = installation.store.operations.now() + SECOND // 5
    operation = await installation.submit("endless", deadline_at=deadline)
    ended = await installation.end_of(operation)
    assert (ended.state, ended.failure.code) == (State.FAILED, "deadline_exceeded")
    assert ended.finished_at >= deadline


async def test_draining_releases_what_does_not_end_in_time_and_it_does_not_count(installation):
    started = asyncio.Event()

    async def endless(_plan, _context):
        started.set()
        await asyncio.Event().wait()

    installation.add(inline("endless", endless))
    worker = installation.worker()
    task = asyncio.create_task(worker.run())
    operation = await installation.submit("endless")
    await started.wait()
    worker.drain(wait_seconds=0.05)
    await task
    released = await installation.get(operation)
    assert (released.state, released.attempt, released.lease) == (State.PENDING, 0, None)
    assert (await installation.history(operation))[-1] == "released"


async def test_draining_claims_nothing_more(installation):
    installation.add(inline("quick", _nothing))
    worker = installation.worker()
    task = asyncio.create_task(worker.run())
    worker.drain()
    await task
    operation = await installation.submit("quick")
    assert (await installation.get(operation)).state is State.PENDING


async def test_an_attempt_whose_lease_was_taken_is_stopped_and_writes_nothing(installation, work):
    attempts = []

    async def slow(_plan, context):
        attempts.append(context.attempt)
        if context.attempt == 1:
            await asyncio.Event().wait()
        return context.attempt

    installation.add(inline("slow", slow))
    work()
    operation = await installation.submit("slow")
    running = await until(lambda: _running(installation, operation))
    # As if this worker had been cut off and another process had reaped it.
    change = _taking_away(running)
    await installation.store.operations.apply([change])
    ended = await installation.end_of(operation)
    assert (ended.state, ended.attempt) == (State.SUCCEEDED, 2)
    assert msgspec.json.decode(ended.result) == 2
    assert attempts == [1, 2]


async def test_leases_are_renewed_while_a_handler_blocks_the_loop(installation, work):
    async def blocks(_plan, _context):
        time.sleep(2.5)  # noqa: ASYNC251  longer than the lease: what a handler must not do
        return "fine"

    installation.add(inline("blocks", blocks))
    work()
    operation = await installation.submit("blocks")
    ended = await installation.end_of(operation)
    assert await installation.store.operations.reap(10) == []
    assert (ended.state, ended.attempt) == (State.SUCCEEDED, 1)


async def test_writes_of_a_finish_take_effect_with_the_success(installation, work):
    async def publish(_plan, _context):
        write = CatalogWrite(type="thing", id="T1", name="one", document=b'{"a":1}')
        return Finish(result=None, writes=[write])

    installation.add(inline("publish", publish))
    work()
    operation = await installation.end_of(await installation.submit("publish"))
    thing = await installation.store.catalog.read("default", "thing", "one")
    assert operation.state is State.SUCCEEDED
    assert thing.document == b'{"a":1}'


async def test_a_write_that_is_refused_fails_the_operation_and_leaves_nothing(installation, work):
    async def publish(_plan, _context):
        writes = [
            CatalogWrite(type="thing", id="T2", name="two", document=b"{}"),
            CatalogWrite(type="thing", id="T1", name="one", document=b"{}", expected_revision=0),
        ]
        return Finish(result=None, writes=writes)

    await installation.store.catalog.write(
        "default", [CatalogWrite(type="thing", id="T1", name="one", document=b"{}")]
    )
    installation.add(inline("publish", publish))
    work()
    operation = await installation.end_of(await installation.submit("publish"))
    assert (operation.state, operation.failure.code) == (State.FAILED, "resource_exists")
    assert await installation.store.catalog.read("default", "thing", "two") is None


async def test_prepare_runs_again_when_the_attempt_starts(installation, work):
    prepared = []

    async def prepare(spec, catalog):
        prepared.append(spec)
        if await catalog.get("thing", "gone") is None and len(prepared) > 1:
            raise Invalid("the thing is gone")
        return Prepared(plan={"ready": True})

    installation.add(inline("careful", _nothing, prepare=prepare))
    work()
    operation = await installation.end_of(await installation.submit("careful", {"n": 1}))
    assert prepared == [{"n": 1}, {"n": 1}]
    assert (operation.state, operation.failure.code) == (State.FAILED, "invalid_request")
    assert operation.failure.fault == "user"


async def test_a_result_that_is_too_large_fails_the_operation_clearly(installation, work):
    async def large(_plan, _context):
        return "x" * (1 << 20)

    installation.add(inline("large", large))
    work()
    operation = await installation.end_of(await installation.submit("large"))
    assert operation.failure.code == "result_invalid"


@pytest.mark.parametrize("count", [300])
async def test_many_short_operations_all_end_once(installation, work, count):
    installation.add(inline("quick", _nothing))
    work(slots=32)
    operations = await asyncio.gather(*[installation.submit("quick") for _ in range(count)])
    ended = await asyncio.gather(*[installation.end_of(one) for one in operations])
    assert {one.state for one in ended} == {State.SUCCEEDED}
    assert {one.attempt for one in ended} == {1}


async def _nothing(_plan, _context):
    return None


async def _running(installation, operation):
    found = await installation.get(operation)
    return found if found.state is State.RUNNING else None


def _taking_away(running):
    def decide(stored, now):
        lost = platform_failure("lease_expired", "as if reaped")
        return transitions.fail(stored, running.lease.token, lost, 0, now)

    return Change(id=running.id, tenant=None, decide=decide)


async def test_the_thread_that_renews_survives_whatever_goes_wrong_in_a_round(
    installation, work, monkeypatch
):
    go_on = asyncio.Event()

    async def slow(_plan, _context):
        await go_on.wait()

    installation.add(inline("slow", slow))
    renew = LeaseKeeper._renew
    rounds = []

    async def stumble(self, store):
        rounds.append(store)
        if len(rounds) == 1:
            raise AttributeError("nobody foresaw this")
        await renew(self, store)

    monkeypatch.setattr(LeaseKeeper, "_renew", stumble)
    work()
    operation = await installation.submit("slow")
    await until(lambda: len(rounds) > 2)
    go_on.set()
    assert (await installation.end_of(operation)).attempt == 1


@pytest.mark.parametrize("write", [5, {"no": "type"}, {"type": "catalog_write", "write": {}}])
async def test_a_publication_that_is_none_fails_the_attempt_at_once(installation, work, write):
    async def publish(_plan, _context):
        return Finish(result=None, writes=[write])

    installation.add(inline("publish", publish))
    work()
    operation = await installation.end_of(await installation.submit("publish"))
    assert (operation.state, operation.attempt) == (State.FAILED, 1)
    assert operation.failure.code == "conflict"
    assert "malformed" in operation.failure.message
