"""Stacks of real things: made, changed, checked, destroyed, and how each resource is seen."""

import subprocess
import time
from pathlib import Path

from stack_site import below, statuses

from outlast.clock import system_clock
from outlast.operations.model import SECOND


def test_each_resource_is_seen_on_its_way_and_a_stack_is_made_changed_checked_and_destroyed(site):
    made = site.deploy(things={"a": {"seconds": 0}, "b": {"seconds": 1.5}})
    moving = site.seen(made, lambda one: statuses(one).get(("thing[b]", "create")) == "running")
    assert moving.progress.stage == "applying"
    assert site.show().status == "deploying"
    done = site.ended(made)
    assert done.state == "succeeded", done.failure
    assert statuses(done) == {
        ("thing[a]", "create"): "succeeded",
        ("thing[b]", "create"): "succeeded",
    }
    assert done.progress.summary["succeeded"] == done.progress.summary["total"] == 2
    [slow] = [row for row in done.progress.resources if row.name == "thing[b]"]
    assert 1.4 < slow.duration_seconds < 5
    assert slow.urn == f'urn:outlast:stack:{done.resource_id}:workshop_slow.thing["b"]'
    shown = site.show()
    assert (shown.status, shown.resources, shown.created_by) == ("ready", 2, "admin")
    assert shown.outputs["things"].value == [str(site.root / "a"), str(site.root / "b")]

    planned = site.ended(
        site.client.submit(
            "deploy", {"stack": site.name, "variables": {"things": {}}, "plan_only": True}
        )
    )
    assert planned.result["changes"] == {"created": 0, "updated": 0, "deleted": 2}
    assert {one["change"] for one in planned.result["planned"]} == {"delete"}
    assert (site.root / "a").exists()
    assert site.show().operation_id == made.id

    (site.root / "a").write_text("changed by hand")
    (site.root / "b").unlink()
    drifted = site.ended(site.client.stacks.check_drift(site.name))
    assert drifted.result["has_drifted"]
    assert {one["address"]: one["change"] for one in drifted.result["resources"]} == {
        'workshop_slow.thing["a"]': "update",
        'workshop_slow.thing["b"]': "delete",
    }
    assert len(site.show().drift.resources) == 2

    # What was not named stays as it was: only what differs is touched.
    mended = site.ended(site.update())
    assert statuses(mended) == {
        ("thing[a]", "update"): "succeeded",
        ("thing[b]", "create"): "succeeded",
    }
    assert site.show().drift is None

    gone = site.ended(site.client.stacks.delete(site.name))
    assert gone.result["deleted"] == 2
    assert not (site.root / "a").exists()
    assert site.name not in {one.name for one in site.client.stacks.list()}
    assert site.journal == [
        "create slow a", "create slow b", "update slow a", "create slow b",
        *sorted(["delete slow a", "delete slow b"], key=site.journal[4:].index),
    ]  # fmt: skip


def test_a_replacement_is_two_changes_of_one_resource(site):
    assert site.ended(site.deploy(things={"a": {"seconds": 0}})).state == "succeeded"
    other = site.root / "other"
    other.mkdir()
    done = site.ended(
        site.client.submit("deploy", {"stack": site.name, "variables": {"root": str(other)}})
    )
    assert done.state == "succeeded", done.failure
    assert statuses(done) == {
        ("thing[a]", "delete"): "succeeded",
        ("thing[a]", "create"): "succeeded",
    }
    assert site.ended(site.client.stacks.delete(site.name)).state == "succeeded"


def test_five_hundred_resources_are_seen_within_a_second(site):
    things = {f"t{number}": {"seconds": number * 0.5} for number in range(8)}
    made = site.deploy(many=492, things=things)
    first_seen = {}
    while not (found := site.client.get(made.id)).finished_at:
        now, summary = system_clock() / SECOND, _summary(found)
        assert sum(summary[name] for name in summary if name != "total") == summary["total"]
        for (name, _), status in statuses(found).items():
            if status == "succeeded":
                first_seen.setdefault(name, now)
        time.sleep(0.1)
    assert found.state == "succeeded", found.failure
    assert (_summary(found)["succeeded"], found.progress.message) == (500, "")
    # A file is as old as the change; what ends with the operation is seen with its end.
    late = sorted(
        first_seen[f"thing[{name}]"] - (site.root / name).stat().st_mtime
        for name in things
        if f"thing[{name}]" in first_seen
    )
    assert len(late) >= 6
    assert late[len(late) // 2] < 1, late
    assert site.show().resources == 500


def test_operations_on_one_stack_wait_for_each_other(site):
    first = site.deploy(things={"a": {"seconds": 2}})
    second = site.update(things={"b": {"seconds": 0}})
    site.seen(first, lambda one: statuses(one).get(("thing[a]", "create")) == "running")
    assert site.client.get(second.id).state == "pending"
    assert site.ended(first).state == site.ended(second).state == "succeeded"
    assert site.journal[0] == "create slow a"
    assert sorted(site.journal[1:]) == ["create slow b", "delete slow a"]
    assert site.show().status == "ready"


def test_what_is_wrong_with_the_module_or_its_variables_is_said(site, installation, client):
    refused = site.ended(site.deploy(things="not a map"))
    assert (refused.state, refused.failure.code) == ("failed", "plan_failed")
    assert refused.failure.fault == "user"
    assert "variables.things" in refused.failure.field_errors
    assert site.show().status == "failed"
    wish = {"module": "network", "name": "n", "variables": {"root": "/", "name": "n", "cidr": "x"}}
    wrong = client.submit("deploy", wish).wait(60)
    assert wrong.failure.code == "plan_failed"
    assert "The range of a network is like" in wrong.failure.message
    assert list(wrong.failure.field_errors) == ["variables.cidr"]
    with installation.http() as http:
        assert http.get("/v1/stacks/n").status_code == 404
        assert http.get("/v1/stacks/n?word=network").json()["word"] == "network"


def test_no_secret_is_seen_anywhere_but_where_it_belongs(site, installation):
    password = "correct-horse-battery"
    made = site.deploy({"password": password}, things={"slow": {"seconds": 1.5}})
    site.seen(made, lambda one: statuses(one).get(("thing[slow]", "create")) == "running")
    for pid in below(installation.process.pid):
        for file in ("cmdline", "environ"):
            try:
                shown = Path(f"/proc/{pid}/{file}").read_bytes()
            except OSError:
                continue
            assert password.encode() not in shown
    done = site.ended(made)
    assert done.state == "succeeded", done.failure
    told = site.show()
    assert told.secret_names == ["password"]
    assert told.outputs["password"].is_sensitive
    assert told.outputs["told"].is_sensitive
    assert site.client.stacks.outputs(site.name)["password"].value == password
    # It is kept with the state: who changes something else need not know it.
    assert site.ended(site.update(things={})).state == "succeeded"
    assert site.ended(site.client.stacks.delete(site.name)).state == "succeeded"
    command = ["grep", "-rl", password, str(installation.data), str(installation.log)]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == ""


def _summary(operation):
    none = dict.fromkeys(("total", "succeeded"), 0)
    return operation.progress.summary if operation.progress is not None else none
