"""Every command against a real server, and how each leaves."""

import json
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from outlast import app
from outlast.datafolder import DataFolder

ID = re.compile(r"[0-9A-Z]{20}\n")


def submit(run, kind="count", spec="{}", *more):
    ended = run("submit", kind, spec, *more)
    assert ended.code == 0, ended.errors
    assert ID.fullmatch(ended.output)
    return ended.output.strip()


def test_submitting_prints_the_id_and_leaves_with_0(run):
    ref = submit(run, "count", '{"steps": 2}', "--label", "team=data", "--priority", "5")
    found = json.loads(run("get", ref, "--json").output)
    assert found["spec"] == {"steps": 2}
    assert found["labels"] == {"team": "data"}
    assert found["priority"] == 5


def test_a_spec_can_come_from_a_file(run, tmp_path):
    (tmp_path / "spec.json").write_text('{"steps": 3}')
    ref = submit(run, "count", "@spec.json")
    assert json.loads(run("wait", ref, "--json").output)["result"] == {"counted": 3}


def test_a_spec_can_come_from_standard_input(server, run):
    done = subprocess.run(
        [sys.executable, "-m", "outlast", "submit", "count", "-", "--wait", "--json"],
        input='{"steps": 4}',
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["result"] == {"counted": 4}


def test_the_same_key_gives_the_same_operation(run):
    first = submit(run, "count", "{}", "--idempotency-key", "once")
    assert submit(run, "count", "{}", "--idempotency-key", "once") == first
    ended = run("submit", "count", '{"steps": 9}', "--idempotency-key", "once")
    assert ended.code == 2
    assert "idempotency_mismatch" in ended.errors


def test_all_that_can_be_said_of_an_operation_arrives(run):
    ref = submit(
        run, "count", "{}",
        "--operation-id", "nightly-1", "--at", "+1h", "--deadline", "+2h",
        "--resource", "table/a/b", "--project", "p",
    )  # fmt: skip
    found = json.loads(run("get", "nightly-1", "--json").output)
    assert (found["id"], found["state"]) == (ref, "pending")
    assert (found["resource_type"], found["resource_id"]) == ("table", "a/b")
    assert found["project"] == "p"
    assert found["available_at"] < found["deadline_at"]
    assert "scheduled" in run("get", ref).output
    assert run("cancel", ref).code == 0


def test_waiting_for_a_success_leaves_with_0(run):
    ended = run("wait", submit(run, "count", '{"steps": 2}'))
    assert ended.code == 0
    assert "Succeeded" in ended.output
    assert "counted  2" in ended.output


def test_waiting_for_a_failure_leaves_with_1_and_says_why(run):
    ended = run("submit", "fail", '{"message": "bad luck"}', "--wait")
    assert ended.code == 1
    assert "no_luck" in ended.output
    assert "bad luck" in ended.output
    assert "yours to mend" in ended.output


def test_waiting_for_what_is_cancelled_leaves_with_3(run):
    ref = submit(run, "count", '{"steps": 1000, "seconds": 0.05}')
    assert run("cancel", ref).code == 0
    ended = run("wait", ref)
    assert ended.code == 3
    assert "Cancelled" in ended.output


def test_a_wait_that_is_too_long_leaves_with_4(run):
    ref = submit(run, "count", '{"steps": 1000, "seconds": 0.05}')
    ended = run("wait", ref, "--timeout", "1s")
    assert ended.code == 4
    assert "goes on" in ended.errors
    assert run("submit", "count", '{"seconds": 30}', "--wait", "--timeout", "1").code == 4
    assert run("cancel", ref).code == 0


def test_watching_tells_every_change_in_plain_text(run):
    ended = run("submit", "count", '{"steps": 4, "seconds": 0.6}', "--watch")
    assert ended.code == 0
    assert re.search(r"running .*\d+%  \d of 4 numbers.*counting", ended.output)
    assert "Succeeded" in ended.output


def test_watching_as_json_gives_a_document_a_line(run):
    ref = submit(run, "count", '{"steps": 3, "seconds": 0.6}')
    ended = run("watch", ref, "--json")
    lines = [json.loads(line) for line in ended.output.splitlines()]
    assert ended.code == 0
    assert lines[-1]["result"] == {"counted": 3}
    revisions = [line["revision"] for line in lines]
    assert revisions == sorted(set(revisions))


@pytest.mark.parametrize(("kind", "code"), [("count", 0), ("fail", 1)])
def test_watching_leaves_as_the_operation_ended(run, kind, code):
    assert run("watch", submit(run, kind)).code == code


def test_watching_goes_on_through_a_restart(own_server, bare, monkeypatch):
    monkeypatch.setenv("OUTLAST_URL", own_server.url)
    monkeypatch.setenv("OUTLAST_DATA", str(own_server.data))
    ref = submit(bare, "count", '{"steps": 8, "seconds": 0.5}')
    restart = threading.Timer(1.5, lambda: (own_server.stop(signal.SIGTERM), own_server.start()))
    restart.start()
    ended = bare("watch", ref, "--json")
    restart.join()
    assert ended.code == 0, ended.errors
    assert json.loads(ended.output.splitlines()[-1])["state"] == "succeeded"


def test_lists_are_filtered(run):
    mine = submit(run, "count", "{}", "--label", "list=yes", "--resource", "table/l")
    run("wait", mine)
    for arguments in (
        ["--label", "list=yes"],
        ["--resource", "table/l"],
        ["--label", "list=yes", "--state", "succeeded", "--kind", "count", "--after", "2026-01-01"],
    ):
        found = json.loads(run("list", "--json", *arguments).output)["operations"]
        assert [one["id"] for one in found] == [mine]
    assert json.loads(run("list", "--json", "--label", "list=no").output) == {"operations": []}


def test_lists_stop_at_the_limit_or_show_all(run):
    for _ in range(3):
        submit(run, "count", "{}", "--label", "many=yes")
    one = json.loads(run("list", "--json", "--label", "many=yes", "--limit", "2").output)
    every = json.loads(run("list", "--json", "--label", "many=yes", "--all").output)
    assert [len(one["operations"]), len(every["operations"])] == [2, 3]


def test_a_list_is_a_table_with_aligned_columns(run):
    submit(run, "count", "{}", "--label", "table=yes")
    heading, row = run("list", "--label", "table=yes").output.splitlines()
    assert heading.split() == ["ID", "KIND", "STATE", "CREATED", "RAN", "FOR", "PROGRESS", "LABELS"]
    assert heading.index("KIND") == row.index("count")


def test_many_are_counted_and_then_cancelled(run):
    refs = [submit(run, "count", "{}", "--at", "+1h", "--label", "bulk=yes") for _ in range(3)]
    arguments = [
        "--filter",
        "label.bulk=yes",
        "--filter",
        "state=pending",
        "--filter",
        "kind=count",
    ]
    counted = json.loads(run("cancel", *arguments, "--dry-run", "--json").output)
    assert (counted["matched"], counted["dry_run"]) == (3, True)
    assert json.loads(run("get", refs[0], "--json").output)["state"] == "pending"
    assert "3 were asked to stop" in run("cancel", *arguments).output
    assert [run("wait", ref).code for ref in refs] == [3, 3, 3]


def test_cancelling_what_has_ended_is_refused_with_2(run):
    ref = submit(run)
    run("wait", ref)
    ended = run("cancel", ref)
    assert ended.code == 2
    assert "illegal_transition" in ended.errors


def test_a_failure_can_be_retried(run):
    old = submit(run, "fail")
    run("wait", old)
    new = json.loads(run("retry", old, "--json").output)
    assert new["parent_id"] == old
    assert run("retry", old, "--watch").code == 1
    found = json.loads(run("list", "--parent", old, "--json").output)["operations"]
    assert new["id"] in [one["id"] for one in found]


def test_what_has_ended_can_be_deleted(run):
    ref = submit(run)
    run("wait", ref)
    assert run("delete", ref).code == 0
    ended = run("get", ref)
    assert ended.code == 2
    assert "not_found" in ended.errors


def test_logs_are_shown_and_followed_to_the_end(run):
    ref = submit(run, "count", '{"steps": 2, "seconds": 0.4}')
    ended = run("logs", ref, "--follow", "--json")
    assert [json.loads(line)["text"] for line in ended.output.splitlines()] == ["counting begins"]
    assert "counting begins" in run("logs", ref).output


def test_events_tell_what_happened(run):
    ref = submit(run)
    run("wait", ref)
    found = json.loads(run("events", ref, "--json").output)["events"]
    assert [one["type"] for one in found] == ["created", "claimed", "succeeded"]
    assert "succeeded" in run("events", ref).output


def test_kinds_are_listed_and_shown(run):
    names = [one["name"] for one in json.loads(run("kinds", "list", "--json").output)["kinds"]]
    assert {"count", "fail", "sql_query"} <= set(names)
    assert "Counts, and says how far it is." in run("kinds", "list").output
    shown = json.loads(run("kinds", "show", "count", "--json").output)
    assert "steps" in json.dumps(shown["spec_schema"])
    assert run("kinds", "show", "nonsense").code == 2


def test_an_unknown_kind_is_refused_at_once(run):
    ended = run("submit", "nonsense", "{}")
    assert ended.code == 2
    assert "unknown_kind" in ended.errors


def test_a_spec_that_does_not_fit_says_which_field(run):
    ended = run("submit", "count", '{"steps": "many"}')
    assert ended.code == 2
    assert "steps" in ended.errors


def test_a_file_from_upload_to_download(run, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"x" * 5000)
    made = json.loads(run("files", "upload", file, "--purpose", "cli", "--json").output)
    assert (made["name"], made["bytes"]) == ("rows.jsonl", 5000)
    other = run("files", "upload", file, "--purpose", "cli", "--name", "b", "--expires", "1d")
    assert "b (4.9 KiB)" in other.output
    listed = json.loads(run("files", "list", "--purpose", "cli", "--json").output)["files"]
    assert [one["name"] for one in listed] == ["b", "rows.jsonl"]
    assert made["id"] in run("files", "list").output
    assert "admin" in run("files", "get", made["id"]).output
    # It is there already, and is not written over unless it is named.
    assert run("files", "download", made["id"]).code == 2
    assert run("files", "download", listed[0]["id"]).code == 0
    assert (tmp_path / "b").read_bytes() == file.read_bytes()
    assert run("files", "download", made["id"], "-o", file).code == 0
    assert run("files", "delete", made["id"]).code == 0
    assert run("files", "get", made["id"]).code == 2


def test_a_dataset_from_upload_to_export(run, tmp_path):
    rows = [{"n": n, "word": f"w{n}"} for n in range(30)]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    uploaded = json.loads(run("datasets", "upload", "words", file, "--name", "v1", "--json").output)
    assert uploaded["rows"] == 30
    assert "30 rows" in run("datasets", "upload", "words", file).output
    listed = json.loads(run("datasets", "list", "--json").output)["datasets"]
    assert "words" in [one["name"] for one in listed]
    assert "words" in run("datasets", "list").output
    assert uploaded["version"] in run("datasets", "versions", "words").output
    shown = run("datasets", "rows", "words", "--limit", "2", "--offset", "5").output.splitlines()
    assert [line.split() for line in shown] == [["N", "WORD"], ["5", "w5"], ["6", "w6"]]
    assert run("datasets", "export", "words", "-o", tmp_path / "out.jsonl").code == 0
    out = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert out == rows
    assert not list(tmp_path.glob(".*.part"))
    assert run("datasets", "delete", "words").code == 0
    assert run("datasets", "rows", "words").code == 2


def test_a_dataset_can_be_created_empty_and_only_once(run):
    assert run("datasets", "create", "empty").code == 0
    ended = run("datasets", "create", "empty")
    assert ended.code == 2
    assert "resource_exists" in ended.errors


def test_tokens_are_made_at_the_server_by_whoever_may(run, server, monkeypatch):
    monkeypatch.setenv("OUTLAST_TOKEN", server.token)
    made = json.loads(run("token", "create", "--role", "viewer", "--member", "v", "--json").output)
    listed = json.loads(run("token", "list", "--json").output)["tokens"]
    assert made["token"]["id"] in [one["id"] for one in listed]
    assert "secret" not in json.dumps(listed)
    monkeypatch.setenv("OUTLAST_TOKEN", made["secret"])
    assert run("list").code == 0
    refused = run("submit", "count", "{}")
    assert refused.code == 2
    assert "forbidden" in refused.errors
    assert run("token", "list").code == 2
    monkeypatch.setenv("OUTLAST_TOKEN", server.token)
    rotated = json.loads(run("token", "rotate", made["token"]["id"], "--json").output)
    assert rotated["secret"] != made["secret"]
    assert run("token", "revoke", made["token"]["id"]).code == 0
    monkeypatch.setenv("OUTLAST_TOKEN", rotated["secret"])
    ended = run("list")
    assert ended.code == 2
    assert "OUTLAST_TOKEN" in ended.errors


def test_tenants_and_their_tokens_are_made_in_the_data_folder(run, monkeypatch, tmp_path):
    made = json.loads(run("tenant", "create", "team-a", "--json").output)
    assert made["name"] == "team-a"
    assert "team-a" in run("tenant", "list").output
    assert run("tenant", "create", "team-a").code == 2
    assert run("token", "create", "--tenant", "nobody", "--role", "viewer").code == 2
    secret = run(
        "token", "create", "--tenant", "team-a", "--role", "admin", "--expires", "1h"
    ).output.strip()
    file = tmp_path / "token"
    file.write_text(secret)
    theirs = json.loads(run("submit", "count", "{}", "--token-file", file, "--json").output)
    assert run("get", theirs["id"], "--token-file", file).code == 0
    assert run("get", theirs["id"]).code == 2


def test_whether_chats_are_logged_is_decided_in_the_data_folder_and_told_by_the_server(
    run, monkeypatch, server
):
    run("tenant", "create", "team-c")
    made = run("token", "create", "--tenant", "team-c", "--role", "admin", "--json")
    assert "not logged" in run("tenant", "chat-log", "off", "--tenant", "team-c").output
    assert run("tenant", "chat-log", "--tenant", "team-c").output == (
        "Chats are not logged: the tenant decided so.\n"
    )

    monkeypatch.setenv("OUTLAST_TOKEN", json.loads(made.output)["secret"])
    assert json.loads(run("tenant", "chat-log", "--json").output) == {
        "is_enabled": False,
        "is_logged": False,
    }
    assert run("tenant", "chat-log", "on").output == "Chats are logged.\n"


def test_root_crosses_tenants_over_http(run, monkeypatch):
    run("tenant", "create", "team-b")
    root = run("token", "create", "--role", "root").output.strip()
    monkeypatch.setenv("OUTLAST_TOKEN", root)
    assert "team-b" in run("tenant", "list").output
    theirs = json.loads(run("submit", "count", "{}", "--tenant", "team-b", "--json").output)
    assert run("get", theirs["id"], "--tenant", "team-b").code == 0
    assert run("get", theirs["id"], "--tenant", "default").code == 2


def test_the_audit_log_tells_who_did_what(run):
    ref = submit(run)
    found = json.loads(run("audit", "--json", "--limit", "5").output)["records"]
    assert "operation.create" in [one["action"] for one in found]
    older = json.loads(run("audit", "--json", "--before", found[0]["number"]).output)["records"]
    assert all(one["number"] < found[0]["number"] for one in older)
    assert "operation.create" in run("audit").output
    assert ref


def test_the_doctor_looks_at_everything(run):
    found = json.loads(run("doctor", "--json").output)["findings"]
    assert [one["check"] for one in found] == [
        "python", "sqlite", "sandbox", "data folder", "object store", "keys",
        "infrastructure", "server",
    ]  # fmt: skip
    assert {one["check"]: one["verdict"] for one in found}["server"] == "ok"


def test_the_doctor_sees_a_data_folder_that_others_can_read(run, tmp_path):
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    (folder / "admin-token").write_text("x")
    ended = run("doctor", "--data", folder)
    assert ended.code == 1
    assert "others can look into" in ended.output


def test_the_doctor_names_the_variables_that_are_missing(run, tmp_path, monkeypatch):
    settings = tmp_path / "outlast.toml"
    settings.write_text(
        '[backends.cloud]\nurl = "https://m.test"\nmodels = ["m"]\napi_key_variable = "CLOUD_KEY"\n'
        '[object_stores.lake]\nurl = "s3://lake"\naccess_key_variable = "LAKE_ID"\n'
    )

    def keys():
        found = json.loads(run("doctor", "--settings", settings, "--json").output)["findings"]
        [finding] = [one for one in found if one["check"] == "keys"]
        return finding["verdict"], finding["detail"]

    monkeypatch.setenv("LAKE_ID", "set")
    assert keys() == ("warning", "not in this environment: CLOUD_KEY")
    monkeypatch.setenv("CLOUD_KEY", "sk-123456")
    assert keys()[0] == "ok"
    monkeypatch.setenv("OUTLAST_SECRET_KEY", "sk-123456")
    verdict, detail = keys()
    assert verdict == "bad"
    assert "OUTLAST_SECRET_KEY" in detail
    assert "sk-123456" not in detail


def test_a_second_server_on_one_data_folder_is_refused(bare, tmp_path, monkeypatch):
    monkeypatch.setattr(app.serving, "_LOCK_WAIT_SECONDS", 0.1)
    folder = DataFolder(tmp_path / "data")
    folder.make()
    held = folder.lock(1)
    try:
        ended = bare("serve", "--port", "0", "--data", folder.root)
    finally:
        os.close(held)
    assert ended.code == 2
    assert "another server" in ended.errors.lower()
    assert ended.output == ""
