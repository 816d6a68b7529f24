"""Operations whose attempts run on the nodes of a cluster, as a caller sees them."""

import os
import signal
import time
from pathlib import Path

import pytest

from outlast.client import Filter

SLOTS = 4

pytestmark = pytest.mark.timeout(120)


def saved(handle):
    """How many steps the operation has told of."""
    progress = handle.refresh().progress
    return (progress and progress.done) or 0


def test_progress_checkpoints_and_the_result_come_back(client, begun):
    handle = client.submit("steps", {"steps": 5})
    ended = handle.wait(60)
    assert (ended.state, handle.result()) == ("succeeded", {"first": 0, "attempt": 1})
    assert (ended.progress.done, ended.progress.total) == (5, 5)


def test_what_a_handler_publishes_comes_from_its_node(client):
    assert client.submit("write", {}).wait(60).state == "succeeded"


def test_a_handler_that_obeys_is_cancelled_softly(client, begun):
    handle = client.submit("steps", {"steps": 2000, "seconds": 0.05})
    begun(client, handle)
    handle.cancel()
    ended = handle.wait(30)
    assert (ended.state, ended.cancel_seen_at is not None) == ("cancelled", True)


def test_a_handler_that_ignores_a_cancel_is_killed_on_its_node(client, begun, alive):
    handle = client.submit("deaf", {})
    pid = begun(client, handle)["pid"]
    handle.cancel()
    assert handle.wait(30).state == "cancelled"
    assert not alive([pid])


def test_a_handler_that_holds_the_interpreter_keeps_its_lease(client):
    handle = client.submit("hog", {"seconds": 8})
    assert handle.wait(60).result == {"attempt": 1}


def test_an_attempt_is_placed_where_its_resources_are(client, ray_nodes):
    result = client.submit("gadget", {}).result(60)
    assert ray_nodes.named(result["ancestors"]) == "one"


def test_an_attempt_sees_the_devices_that_ray_gives_it(client):
    result = client.submit("devices", {}).result(60)
    assert result["CUDA_VISIBLE_DEVICES"] in {"0", "1"}


def test_what_has_no_place_waits_and_can_be_cancelled(client, until, begun):
    first = client.submit("steps_gadget", {"steps": 1000, "seconds": 0.05})
    begun(client, first)
    second = client.submit("gadget", {})
    waiting = until(lambda: (now := second.refresh()).progress and now)
    assert (waiting.state, waiting.progress.stage) == ("running", "waiting")
    assert waiting.progress.message == "for a Ray node with 1 CPU, 1 gadget"
    second.cancel()
    assert second.wait(10).state == "cancelled"
    third = client.submit("gadget", {})
    first.cancel()
    assert third.wait(60).state == "succeeded"


def test_a_worker_has_no_more_attempts_than_slots(client):
    handles = [client.submit("steps", {"steps": 20, "seconds": 0.05}) for _ in range(7)]
    most = 0
    while not all(handle.refresh().is_terminal for handle in handles):
        most = max(most, len(list(client.list(Filter(states=["running"])))))
        time.sleep(0.2)
    assert 1 < most <= SLOTS


def test_a_killed_host_process_of_rays_leaves_nothing_and_is_retried(client, begun, alive, until):
    handle = client.submit("steps", {"steps": 100, "seconds": 0.05})
    said = begun(client, handle)
    until(lambda: saved(handle) > 2)
    guard, host, relay = said["ancestors"][:3]
    os.kill(relay, signal.SIGKILL)
    until(lambda: not alive([said["pid"], guard, host]), 5)
    assert begun(client, handle, 2)["first"] > 0
    assert handle.wait(60).result["attempt"] == 2


def test_a_killed_node_ends_in_a_retry_elsewhere_from_the_last_checkpoint(
    client, begun, alive, until, ray_nodes
):
    handle = client.submit("steps", {"steps": 120, "seconds": 0.05})
    said = begun(client, handle)
    lost = ray_nodes.named(said["ancestors"])
    until(lambda: saved(handle) > 2)
    began = time.monotonic()
    ray_nodes.kill(lost)
    again = begun(client, handle, 2)
    seconds = time.monotonic() - began
    ray_nodes.start(lost)
    assert ray_nodes.named(again["ancestors"]) != lost
    assert again["first"] > 0
    assert not alive([said["pid"]])
    ended = handle.wait(60)
    failures = [
        event.data["failure"] for event in client.events(handle.id) if "failure" in event.data
    ]
    assert [failure["code"] for failure in failures] == ["node_lost"], failures
    assert ended.result == {"first": again["first"], "attempt": 2}
    assert seconds < 40


def test_a_worker_that_comes_back_late_changes_nothing(installation, client, begun, alive, until):
    late = installation.workers[0]
    handle = client.submit("steps", {"steps": 250, "seconds": 0.05})
    said = begun(client, handle)
    until(lambda: saved(handle) > 2)
    late.signal(signal.SIGSTOP)
    other = installation.start_worker()
    try:
        # Its guard counts for itself: the handler is gone before the lease has run out.
        until(lambda: not alive([said["pid"]]), 8)
        again = begun(client, handle, 2)
        assert again["first"] > 0
        late.signal(signal.SIGCONT)
        assert handle.wait(60).result["attempt"] == 2
        history = [event.type for event in client.events(handle.id)]
        assert history.count("claimed") == 2
        assert history.count("lease_lost") == 1
    finally:
        late.signal(signal.SIGCONT)
        other.end(grace_seconds=30)


def test_a_worker_whose_own_node_is_gone_ends(installation, descendants, until):
    # Found out by Ray itself, within seconds.
    health = ("initial_delay_ms", "period_ms", "timeout_ms")
    fast = {f"RAY_health_check_{name}": "1000" for name in health}
    fast |= {"RAY_health_check_failure_threshold": "3", "RAY_AUTH_MODE": "disabled"}
    worker = installation.start_worker(is_alone=True, environment=fast)
    raylets = [pid for pid in descendants(worker.pid) if b"/raylet\0" in command(pid)]
    assert len(raylets) == 1
    os.kill(raylets[0], signal.SIGKILL)
    until(lambda: worker.has_ended, 60)
    assert "this worker's own Ray node is gone" in worker.tail()


def command(pid):
    """What a process was started with, unless it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
