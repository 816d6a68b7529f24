"""Attempts on nodes, through everything but Ray: it carries bytes, and here a pipe does."""

import asyncio
import os
import time

import msgspec
import pytest
from node_bench import RelayNodes, opened_node_bench, processes_of

# What holds on every executor.
from test_ending import (  # noqa: F401
    test_a_cancel_after_the_end_changes_nothing,
    test_a_handler_that_ignores_a_cancel_is_killed_after_the_grace,
    test_a_handler_that_obeys_a_cancel_is_stopped,
    test_a_kill_ends_daemons_too,
    test_a_plain_handler_may_raise_cancelled_error,
    test_a_renewal_counts_from_when_it_was_sent,
    test_a_result_stands_despite_a_cancel,
    test_a_verdict_stands_despite_a_cancel,
    test_the_first_reason_stands_but_for_the_lease,
    test_what_an_attempt_leaves_behind_ends_with_it,
)
from test_subprocess import (  # noqa: F401
    test_a_checkpoint_is_durable_when_the_call_returns,
    test_a_checkpoint_that_cannot_be_stored_is_an_error_in_the_handler,
    test_a_child_that_dies_is_a_crash_that_says_how,
    test_a_failure_can_be_stored_whatever_it_says,
    test_a_handler_gets_its_plan_and_its_result_comes_back,
    test_a_handler_that_learns_of_its_lost_lease_stops,
    test_a_kind_cannot_take_more_memory_than_it_may,
    test_a_kind_that_the_worker_does_not_have_is_refused,
    test_a_plan_that_does_not_fit_fails_the_attempt,
    test_a_result_that_does_not_fit_is_invalid,
    test_an_async_handler_awaits_its_checkpoint,
    test_any_other_exception_is_a_handler_error,
    test_fatal_is_the_callers_fault,
    test_files_are_put_got_and_listed,
    test_retry_says_when,
    test_what_a_handler_and_its_programs_print_is_logged,
    test_what_a_handler_says_reaches_the_worker_in_order,
    test_writes_come_back_with_their_tags,
)

from outlast.executors.frames import FRAME_BYTES_MAX, Garbage, frame
from outlast.executors.port import Finished, Stopped
from outlast.executors.ray.clocks import NodeClock
from outlast.executors.ray.cluster import RayCluster
from outlast.executors.ray.host import node_folder
from outlast.executors.ray.messages import Beat, FromNode, Part, Unframer
from outlast.executors.ray.placement import describe, placement_of
from outlast.operations.errors import Unavailable
from outlast.operations.kind import Resources
from outlast.settings import SettingsError


@pytest.fixture
def nodes():
    return RelayNodes()


@pytest.fixture
async def bench(tmp_path, monkeypatch, nodes):
    monkeypatch.setenv("OUTLAST_NODE_FOLDER", str(tmp_path / "node"))
    monkeypatch.setenv("WORKER_SECRET", "tell-tale")
    async with opened_node_bench(tmp_path / "data", nodes) as bench:
        yield bench
    assert list((tmp_path / "data" / "work").iterdir()) == []


async def test_a_context_on_a_node_tells_what_the_assignment_says(bench, tmp_path):
    (tmp_path / "source").write_text("input")
    running, _ = await bench.start(
        "facts",
        attempt=3,
        deadline_at=1_500_000,
        checkpoint=b'{"step":7}',
        secrets={"key": "value"},
        inputs={"in1": tmp_path / "source", "in2": tmp_path / "source"},
    )
    # The worker lets go of them as soon as the attempt has begun.
    (tmp_path / "source").unlink()
    told = msgspec.json.decode((await running.wait()).result)
    assert told["id"] == "01J00000000000000000"
    assert (told["attempt"], told["deadline"], told["checkpoint"]) == (3, 1.5, {"step": 7})
    assert told["secrets"] == {"key": "value"}
    assert told["inputs"] == {"in1": "input", "in2": "input"}
    assert told["cwd"].startswith(str(tmp_path / "node"))


async def test_large_inputs_and_outputs_cross_whole(bench, tmp_path):
    content = os.urandom(5 << 20)
    (tmp_path / "large").write_bytes(content)
    (tmp_path / "empty").touch()
    inputs = {"in/large": tmp_path / "large", "in/empty": tmp_path / "empty"}
    running, _ = await bench.start("publish", {"files": ["in/large", "in/empty"]}, inputs=inputs)
    assert isinstance(await running.wait(), Finished)
    assert (running.workdir / "in/large").read_bytes() == content
    assert (running.workdir / "in/empty").read_bytes() == b""


async def test_only_what_writes_name_comes_back(bench, tmp_path):
    (tmp_path / "secret").write_text("secret")
    names = ["made", "sub/made", "missing", "../made", "link", "x" * 5000, "nul\0"]
    plan = {"files": names, "make": ["made", "sub/made", "other"]}
    running, _ = await bench.start("publish", {**plan, "link": str(tmp_path / "secret")})
    assert isinstance(await running.wait(), Finished)
    found = sorted(path for path in running.workdir.rglob("*") if path.is_file())
    assert [str(path.relative_to(running.workdir)) for path in found] == ["made", "sub/made"]


async def test_nothing_is_left_on_the_node(bench, tmp_path, until):
    await bench.run("use_files")
    await until(lambda: not list((tmp_path / "node" / "work").iterdir()))


async def test_a_declared_variable_comes_from_the_worker_and_devices_from_the_node(
    bench, monkeypatch
):
    monkeypatch.setenv("DECLARED", "the node's")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    seen = await bench.result("environment")
    assert seen["environ"]["DECLARED"] == "declared"
    assert seen["environ"]["CUDA_VISIBLE_DEVICES"] == "1,3"
    assert "tell-tale" not in str(seen)


async def test_an_attempt_without_a_place_says_what_it_waits_for(bench, nodes, until):
    nodes.free.clear()
    running, sink = await bench.start("echo", {"a": 1})
    await until(lambda: sink.reports)
    assert sink.reports[0].stage == "waiting"
    assert sink.reports[0].message == "for a Ray node with 1 CPU"
    nodes.free.set()
    assert isinstance(await running.wait(), Finished)
    assert sink.reports[-1].stage == "running"


async def test_a_place_that_is_lost_before_anything_ran_there_is_asked_for_again(
    bench, nodes, monkeypatch
):
    monkeypatch.setattr("outlast.executors.ray.attempt._PLACE_AGAIN_SECONDS", 0.01)
    nodes.failing = 2
    assert await bench.result("echo", {"a": 1}) == {"a": 1}
    assert len(nodes.pipes) == 3
    nodes.failing = 100
    outcome, _ = await bench.run("echo")
    assert outcome.failure.code == "unavailable"
    assert outcome.failure.message == "no place on a Ray node: this node is no more"


@pytest.mark.parametrize("how", ["cancel", "kill"])
async def test_an_attempt_that_waits_for_a_place_can_be_stopped(bench, nodes, how):
    nodes.free.clear()
    running, _ = await bench.start("echo")
    await asyncio.sleep(0)
    getattr(running, how)("cancelled")
    assert await running.wait() == Stopped(reason="cancelled")


async def test_a_lost_node_is_told_when_its_guard_must_have_ended_the_attempt(bench, nodes, alive):
    began = time.monotonic()
    running, sink = await bench.start("brood", {"then": "stay"}, lease_seconds=2)
    pids = [int(pid) for pid in (await begun(running, sink.logged())).split()]
    nodes.pipes[0].kill()
    outcome = await running.wait()
    assert outcome.failure.code == "node_lost"
    assert outcome.failure.retryable
    assert time.monotonic() - began > 2
    assert alive(pids) == []


async def test_the_host_leaves_nothing_running_when_its_relay_is_gone(bench, nodes, until, alive):
    running, sink = await bench.start("brood", {"then": "stay"}, lease_seconds=2)
    pids = [int(pid) for pid in (await begun(running, sink.logged())).split()]
    nodes.pipes[0].kill()
    await until(lambda: not alive(pids), 2)
    await running.wait()


async def test_a_host_whose_worker_is_gone_waits_for_no_answer(bench, nodes, until):
    sink = bench.sink()
    asked = asyncio.Event()

    async def never(_):
        asked.set()
        await asyncio.Event().wait()

    sink.checkpoint = never
    running, _ = await bench.start("checkpoint", sink=sink, lease_seconds=2)
    await begun(running, asked.wait())
    assert processes_of("outlast.executors.ray.host")
    nodes.pipes[0].kill()
    await until(lambda: not processes_of("outlast.executors.ray.host"), 3)
    running.kill("lease")
    running._outcome.cancel()


async def test_a_killed_host_leaves_nothing_running(bench, until, alive):
    running, sink = await bench.start("brood", {"then": "stay"}, lease_seconds=2)
    pids = [int(pid) for pid in (await begun(running, sink.logged())).split()]
    (host,) = processes_of("outlast.executors.ray.host")
    os.kill(host, 9)
    await until(lambda: not alive(pids), 2)
    outcome = await running.wait()
    assert "its host ended" in outcome.failure.message


async def test_a_node_that_is_cut_off_ends_its_attempt_by_itself(bench, nodes, until, alive):
    running, sink = await bench.start("brood", {"then": "stay"}, lease_seconds=1.8)
    pids = [int(pid) for pid in (await begun(running, sink.logged())).split()]
    running.renewed(time.monotonic())
    await asyncio.sleep(0.1)
    nodes.pipes[0].passing.clear()
    cut_at = time.monotonic()
    renewing = asyncio.create_task(_renew(running))
    await until(lambda: not alive(pids), 3)
    assert 0.6 < time.monotonic() - cut_at < 1.8
    outcome = await running.wait()
    renewing.cancel()
    assert outcome.failure.code == "node_lost"
    assert "nothing was heard of it" in outcome.failure.message
    nodes.pipes[0].passing.set()
    nodes.pipes[0].kill()


async def test_a_renewed_lease_holds_on_a_node(bench):
    running, sink = await bench.start("wait_plain", {"then": "finish"}, lease_seconds=1.5)
    renewing = asyncio.create_task(_renew(running))
    await sink.logged()
    await asyncio.sleep(1.6)
    running.cancel("cancelled")
    assert isinstance(await running.wait(), Finished)
    renewing.cancel()


async def begun(running, seen):
    """What is seen of an attempt. Its lease is renewed until then, however slow the machine is."""
    renewing = asyncio.create_task(_renew(running))
    try:
        async with asyncio.timeout(60):
            return await seen
    finally:
        renewing.cancel()


async def _renew(running):
    while True:
        running.renewed(time.monotonic())
        await asyncio.sleep(0.05)


async def test_a_start_that_comes_too_late_does_not_run(bench, nodes):
    running, _ = await bench.start("echo", lease_seconds=3)
    running.renewed(time.monotonic() - 2)
    assert await running.wait() == Stopped(reason="lease")


async def test_an_attempt_on_a_lost_node_that_was_cancelled_has_stopped(bench, nodes):
    running, sink = await bench.start("ignore_cancel", lease_seconds=1.5)
    await begun(running, sink.logged())
    running.cancel("cancelled")
    nodes.pipes[0].kill()
    assert await running.wait() == Stopped(reason="cancelled")


async def test_a_sandbox_holds_on_a_node_as_well(bench, tmp_path):
    (tmp_path / "source").write_text("input")
    told = await bench.result("locked_facts", inputs={"in1": tmp_path / "source"})
    assert told["inputs"] == {"in1": "input"}
    assert (await bench.result("locked_files"))["fetched"] == "content"
    seen = await bench.result("look_around", {"read": [str(tmp_path / "source")]})
    assert {what for what, came in seen.items() if came.startswith("refused")} >= {
        f"read {tmp_path / 'source'}",
        "datagram",
        "program",
    }


async def test_a_node_that_cannot_run_an_attempt_says_why(bench, tmp_path):
    (tmp_path / "node").mkdir()
    (tmp_path / "node").chmod(0o777)
    outcome, _ = await bench.run("echo")
    assert outcome.failure.code == "unavailable"
    assert "is not a folder of this user's alone" in outcome.failure.message


async def test_a_node_with_another_version_is_refused(bench, monkeypatch):
    monkeypatch.setattr("outlast.executors.ray.attempt.VERSION", "0.0.0")
    outcome, _ = await bench.run("echo")
    assert outcome.failure.code == "unavailable"
    assert "its worker 0.0.0" in outcome.failure.message


def test_a_clock_elsewhere_is_never_taken_to_be_ahead_of_itself():
    clock = NodeClock()
    # The node's clock is at 1000 when ours is at 10; this took 2 seconds to get here.
    clock.hear(1000, 12)
    assert clock.there(20) == 1008
    # This took none, and is believed for a while after.
    clock.hear(1011, 21)
    assert clock.there(20) == 1010
    clock.hear(1020, 40)
    assert 1009.9 < clock.there(20) < 1010
    clock.hear(20_000, 20_000)
    assert clock.there(20_000) >= 20_000


def test_messages_come_whole_out_of_any_cut():
    told = [Beat(now=1.5), Part(data=b"x" * 1000), Beat(now=2.5)]
    sent = b"".join(map(frame, told))
    for size in (1, 7, 300, len(sent)):
        unframer = Unframer(FromNode)
        heard = []
        for start in range(0, len(sent), size):
            heard += unframer.feed(sent[start : start + size])
        assert heard == told


@pytest.mark.parametrize(
    "sent", [b"\xff\xff\xff\xff", b"\0\0\0\7garbage", b"\0\0\0\x63" + b"\x91" * 99]
)
def test_what_is_no_message_is_garbage(sent):
    with pytest.raises(Garbage):
        Unframer(FromNode).feed(sent)
    assert FRAME_BYTES_MAX < 2**32 - 1


def test_a_kinds_resources_are_asked_of_ray_and_no_second_try():
    resources = Resources(cpus=0.5, gpus=2, memory_bytes=2**30, custom={"gadget": 1})
    assert placement_of(resources) == {
        "num_cpus": 0.5,
        "num_gpus": 2,
        "memory": 2**30,
        "resources": {"gadget": 1},
        "max_restarts": 0,
        "max_task_retries": 0,
    }
    assert describe(resources) == "0.5 CPU, 2 GPU, 1 gadget, 1024 MiB of memory"
    assert describe(Resources(cpus=0)) == "a place"


@pytest.mark.parametrize("wrong", [{"cpus": -1}, {"custom": {"x": -1}}, {"custom": {"GPU": 1}}])
def test_resources_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=r"less than nothing|fields of their own"):
        Resources(**wrong)


def test_a_node_folder_that_others_can_write_is_refused(tmp_path):
    folder = tmp_path / "node"
    assert node_folder({"OUTLAST_NODE_FOLDER": str(folder)}) == folder
    folder.chmod(0o777)
    with pytest.raises(Unavailable, match="OUTLAST_NODE_FOLDER names another"):
        node_folder({"OUTLAST_NODE_FOLDER": str(folder)})
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(Unavailable):
        node_folder({"OUTLAST_NODE_FOLDER": str(tmp_path / "link")})


def test_without_ray_the_executor_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"outlast\[ray\]"):
        RayCluster(None, lambda: None)
