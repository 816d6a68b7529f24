"""What holds on every executor holds with Ray in between."""

import asyncio
import os
import sys
import time

import pytest
from node_bench import HANDLERS, opened_node_bench

from outlast.executors.port import Finished, Stopped
from outlast.executors.ray import RayCluster
from outlast.operations.kind import Resources

sys.path.append(str(HANDLERS))

from test_ending import (  # noqa: F401
    test_a_cancel_after_the_end_changes_nothing,
    test_a_handler_that_ignores_a_cancel_is_killed_after_the_grace,
    test_a_handler_that_obeys_a_cancel_is_stopped,
    test_a_kill_ends_daemons_too,
    test_a_renewal_counts_from_when_it_was_sent,
    test_a_result_stands_despite_a_cancel,
    test_a_verdict_stands_despite_a_cancel,
    test_the_first_reason_stands_but_for_the_lease,
    test_what_an_attempt_leaves_behind_ends_with_it,
)
from test_subprocess import (  # noqa: F401
    test_a_checkpoint_is_durable_when_the_call_returns,
    test_a_checkpoint_that_cannot_be_stored_is_an_error_in_the_handler,
    test_a_handler_gets_its_plan_and_its_result_comes_back,
    test_a_kind_that_the_worker_does_not_have_is_refused,
    test_a_result_that_does_not_fit_is_invalid,
    test_fatal_is_the_callers_fault,
    test_files_are_put_got_and_listed,
    test_retry_says_when,
    test_what_a_handler_and_its_programs_print_is_logged,
    test_what_a_handler_says_reaches_the_worker_in_order,
    test_writes_come_back_with_their_tags,
)


class Joined:
    """A cluster that was joined before, and is left later."""

    def __init__(self, cluster):
        self._cluster = cluster
        self.place = cluster.place

    async def open(self):
        pass

    async def close(self):
        pass


@pytest.fixture(scope="module")
def joined(ray_nodes):
    cluster = RayCluster(ray_nodes.address, lambda: None)
    with asyncio.Runner() as runner:
        runner.run(cluster.open())
        yield Joined(cluster)
        runner.run(cluster.close())


@pytest.fixture
async def bench(tmp_path, joined):
    async with opened_node_bench(tmp_path / "data", joined) as bench:
        yield bench


async def test_large_inputs_and_outputs_cross_whole(bench, tmp_path):
    content = os.urandom(20 << 20)
    (tmp_path / "large").write_bytes(content)
    began = time.monotonic()
    running, _ = await bench.start(
        "publish", {"files": ["large"]}, inputs={"large": tmp_path / "large"}
    )
    assert isinstance(await running.wait(), Finished)
    assert (running.workdir / "large").read_bytes() == content
    assert time.monotonic() - began < 20


async def test_a_sandbox_holds_on_a_node_of_rays(bench, tmp_path):
    (tmp_path / "source").write_text("input")
    told = await bench.result("locked_facts", inputs={"in1": tmp_path / "source"})
    assert told["inputs"] == {"in1": "input"}
    seen = await bench.result("look_around", {"read": ["/etc/passwd"], "list": ["/tmp/ray"]})
    assert {what for what, came in seen.items() if came.startswith("refused")} >= {
        "read /etc/passwd",
        "list /tmp/ray",
        "datagram",
        "program",
    }


async def test_what_no_node_has_is_waited_for_until_it_is_given_up(tmp_path, joined):
    resources = {"echo": Resources(custom={"unicorn": 1})}
    async with opened_node_bench(tmp_path / "data", joined, resources=resources) as bench:
        running, sink = await bench.start("echo")
        while not sink.reports:  # noqa: ASYNC110  the sink sets no event for them
            await asyncio.sleep(0.05)
        assert sink.reports[0].message == "for a Ray node with 1 CPU, 1 unicorn"
        running.cancel("deadline")
        assert await running.wait() == Stopped(reason="deadline")
