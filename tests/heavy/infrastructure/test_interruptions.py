"""Deployments that fail, are cancelled, or lose their worker: what was made is not made again."""

import time
from pathlib import Path

from stack_site import below, kill_worker, statuses


def test_a_failed_apply_keeps_what_it_made_and_the_next_attempt_makes_the_rest(site):
    obstacle = site.root / "obstacle"
    obstacle.touch()
    things = {
        "good": {"seconds": 0},
        "bad": {"seconds": 0.5, "fails_while": str(obstacle)},
    }
    made = site.deploy(things=things)
    failed = site.seen(
        made,
        lambda one: (
            one.attempt == 1
            and one.state == "pending"
            and statuses(one).get(("thing[bad]", "create")) == "failed"
        ),
    )
    assert statuses(failed)["thing[good]", "create"] == "succeeded"
    obstacle.unlink()
    done = site.ended(made)
    assert (done.state, done.attempt) == ("succeeded", 2)
    assert statuses(done) == {
        ("thing[good]", "same"): "unchanged",
        ("thing[bad]", "create"): "succeeded",
    }
    assert site.journal == ["create slow good", "create slow bad"]


def test_what_fails_again_and_again_is_told_and_what_was_made_can_be_destroyed(site):
    (site.root / "obstacle").touch()
    things = {
        "good": {"seconds": 0},
        "bad": {"seconds": 0, "fails_while": str(site.root / "obstacle")},
    }
    done = site.ended(site.deploy(things=things))
    assert (done.state, done.attempt, done.failure.code) == ("failed", 3, "apply_failed")
    assert "told to fail" in done.failure.message
    assert done.failure.details["errors"][0]["address"] == 'workshop_slow.thing["bad"]'
    shown = site.show()
    assert (shown.status, shown.resources) == ("failed", 1)
    gone = site.ended(site.client.stacks.delete(site.name))
    assert (gone.state, gone.result["deleted"]) == ("succeeded", 1)
    assert site.journal == ["create slow good", "delete slow good"]


def test_a_cancelled_deployment_leaves_no_process_and_a_state_to_go_on_from(site, installation):
    things = {"quick": {"seconds": 0}, "slow": {"seconds": 60}}
    made = site.deploy(things=things, lingers=True)
    site.seen(
        made,
        lambda one: (
            statuses(one).get(("thing[quick]", "create")) == "succeeded"
            and statuses(one).get(("thing[slow]", "create")) == "running"
            and (site.root / "pid").exists()
        ),
    )
    site.client.cancel(made.id)
    done = site.ended(made)
    assert done.state == "cancelled"
    left = [command for command in below(installation.process.pid).values() if "sleep" in command]
    assert left == []
    assert not _is_alive(int((site.root / "pid").read_text()))
    assert (site.show().status, site.show().resources) == ("failed", 2)
    again = site.ended(site.update(things=things | {"slow": {"seconds": 0}}, lingers=False))
    assert again.state == "succeeded", again.failure
    assert site.journal == ["create slow quick", "create slow slow"]


def test_when_the_worker_is_killed_the_next_attempt_finishes_the_same_stack(site, installation):
    things = {f"quick-{number}": {"seconds": 0} for number in range(5)}
    things["slow"] = {"seconds": 3}
    made = site.deploy({"password": "known-to-the-first"}, things=things)
    site.seen(made, lambda one: list(statuses(one).values()).count("succeeded") == 6)
    time.sleep(0.3)
    attempt = [
        pid
        for pid, command in below(installation.process.pid).items()
        if any("terraform" in part for part in command)
    ]
    assert attempt
    kill_worker(installation)
    done = site.ended(made)
    assert (done.state, done.attempt) == ("succeeded", 2)
    assert not any(_is_alive(pid) for pid in attempt)
    assert sorted(site.journal) == sorted(
        ["create slow secret", *(f"create slow {name}" for name in things)]
    )
    assert site.show().resources == 7
    assert site.ended(site.client.stacks.delete(site.name)).result["deleted"] == 7


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
