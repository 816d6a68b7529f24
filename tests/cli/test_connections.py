import io
import json


def test_a_connection_is_made_shown_changed_and_deleted(run, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("open-sesame\n"))
    settings = ["--set", "host=127.0.0.1", "--set", "database=sales", "--set", "user=ada"]
    made = run(
        *("connection", "create", "sales", "postgresql"),
        *settings,
        *("--secret-name", "password", "--watch"),
    )
    assert (made.code, "outbound_refused" in made.output) == (1, True)
    assert "sales" in run("connection", "list").output
    shown = run("connection", "get", "sales").output
    assert "failed" in shown
    assert "password" in shown
    assert "open-sesame" not in shown
    wrong = run("connection", "update", "sales", "--set", "host=other.example.com")
    assert (wrong.code, "given again" in wrong.errors) == (2, True)
    again = run("connection", "validate", "sales", "--json")
    operation = json.loads(again.output)["operation_id"]
    assert run("wait", operation).code == 1
    deleted = run("connection", "delete", "sales")
    assert (deleted.code, deleted.output) == (0, "sales is deleted.\n")
    assert "no connection 'sales'" in run("connection", "get", "sales").errors
    refused = run("connection", "create", "tmp", "local", "--set", "folder=/tmp")
    assert (refused.code, "connections.folders" in refused.errors) == (2, True)
