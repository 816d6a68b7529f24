import io
import json


def test_a_stack_is_deployed_shown_changed_and_destroyed(run, monkeypatch):
    assert "password?" in run("stack", "modules").output
    monkeypatch.setattr("sys.stdin", io.StringIO("open-sesame\n"))
    made = run(
        *("stack", "deploy", "web", "site", "--var", "nodes=3"),
        *("--secret-name", "password", "--watch"),
    )
    assert made.code == 0, made.errors
    assert "site" in run("stack", "list").output
    told = json.loads(run("stack", "show", "site", "--json").output)
    assert (told["status"], told["resources"], told["variables"]) == ("ready", 3, {"nodes": 3})
    shown = run("stack", "show", "site").output
    assert "address=10.0.0.1" in shown
    assert "password=(sensitive)" in shown
    assert "open-sesame" not in shown
    assert "correct-horse" in run("stack", "outputs", "site").output
    assert run("stack", "update", "site", "--var", "nodes=null", "--watch").code == 0
    changed = json.loads(run("stack", "show", "site", "--json").output)
    assert (changed["variables"], changed["secret_names"]) == ({}, ["password"])
    assert run("stack", "drift", "site", "--watch").code == 0
    assert "none" in run("stack", "show", "site").output
    operation = run("stack", "destroy", "site").output.strip()
    assert run("wait", operation).code == 0
    assert "no stack 'site'" in run("stack", "show", "site").errors


def test_what_is_wrong_with_a_stack_is_said(run):
    refused = run("stack", "deploy", "web", "other", "--var", "colour=red")
    assert (refused.code, "no such variable" in refused.errors) == (2, True)
    planned = run("stack", "deploy", "web", "other", "--plan-only", "--watch")
    assert planned.code == 0
    assert json.loads(run("stack", "list", "--json").output)["stacks"] == []
