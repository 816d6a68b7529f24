"""outlast schedule, against a real server."""

import json


def test_a_schedule_from_its_creation_to_its_end(run):
    ended = run("schedule", "create", "hourly", "count", '{"steps": 2}', "--every", "1h",
                "--label", "a=b", "--deadline", "10m", "--priority", "3")  # fmt: skip
    assert (ended.code, ended.output[:22]) == (0, "hourly is due next at ")
    found = json.loads(run("schedule", "get", "hourly", "--json").output)
    assert (found["every_seconds"], found["deadline_seconds"]) == (3600, 600)
    assert (found["labels"], found["priority"]) == ({"a": "b"}, 3)
    listed = run("schedule", "list", "--kind", "count").output
    assert "every 1 h" in listed
    changed = run("schedule", "update", "hourly", "--cron", "0 3 * * *",
                  "--time-zone", "Europe/Berlin")  # fmt: skip
    assert changed.code == 0
    shown = run("schedule", "get", "hourly").output
    assert "0 3 * * * (Europe/Berlin)" in shown
    assert run("schedule", "pause", "hourly").output == "hourly is paused.\n"
    assert "paused" in run("schedule", "list").output
    assert run("schedule", "resume", "hourly").code == 0
    ref = run("schedule", "trigger", "hourly").output.strip()
    assert run("wait", ref).code == 0
    made = json.loads(run("list", "--schedule", "hourly", "--json").output)["operations"]
    assert [one["id"] for one in made] == [ref]
    assert ref in run("schedule", "get", "hourly").output
    assert run("schedule", "delete", "hourly").code == 0
    assert run("schedule", "get", "hourly").code == 2


def test_what_is_wrong_is_said(run):
    for arguments, said in (
        (("create", "x", "count", "{}"), "--every and --cron"),
        (("create", "x", "count", "{}", "--every", "1h", "--cron", "* * * * *"), "--every and"),
        (("create", "x", "count", "{}", "--every", "0.5"), "whole number"),
        (("create", "x", "count", "{}", "--cron", "61 * * * *"), "bad minute"),
        (("create", "x", "count", '{"steps": "a"}', "--every", "5"), "invalid_spec"),
        (("update", "x", "--every", "1h", "--cron", "* * * * *"), "--every and"),
        (("pause", "nobody"), "no such schedule"),
    ):
        ended = run("schedule", *arguments)
        assert ended.code == 2
        assert said in ended.errors, ended.errors


def test_every_command_speaks_json(run):
    made = json.loads(
        run("schedule", "create", "spoken", "count", "{}", "--every", "1d", "--json").output
    )
    for command in ("pause", "resume"):
        assert json.loads(run("schedule", command, "spoken", "--json").output)["id"] == made["id"]
    listed = json.loads(run("schedule", "list", "--member", "admin", "--json").output)
    assert "spoken" in [one["name"] for one in listed["schedules"]]
    operation = json.loads(run("schedule", "trigger", "spoken", "--json").output)
    assert operation["labels"] == {"schedule": made["id"]}
    deleted = json.loads(run("schedule", "delete", "spoken", "--json").output)
    assert deleted == {"deleted": ["spoken"]}
