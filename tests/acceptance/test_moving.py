"""An installation moves from SQLite to PostgreSQL, and back, by the commands that a user has."""

import base64
import json
import os
import secrets as random
import subprocess
import sys

import postgres_server
import pytest
from live_server import LiveServer

pytestmark = pytest.mark.acceptance

ROWS = [{"id": n, "name": f"row {n}"} for n in range(500)]


def outlast(*arguments, environment=(), fails=False):
    """Run a command: what it printed with --json, or its words if it fails as it should."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("OUTLAST_")}
    done = subprocess.run(
        [sys.executable, "-m", "outlast", *map(str, arguments)],
        env=inherited | dict(environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if fails:
        assert done.returncode == 1, done
        assert "Traceback" not in done.stderr
        return done.stderr
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def make_history(server, folder):
    """A dataset, an operation that has ended and one that waits; their ids."""
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    known = {"OUTLAST_URL": server.url, "OUTLAST_TOKEN": server.token}
    outlast("datasets", "upload", "things", file, "--json", environment=known)
    query = {
        "dialect": "duckdb",
        "query": "SELECT count(*) AS n FROM {src_0}",
        "src": [{"dataset": "things"}],
        "dst": {"dataset": "counted"},
    }
    done = outlast(
        "submit", "sql_query", json.dumps(query), "--wait", "--json", "--label", "a=b",
        environment=known,
    )  # fmt: skip
    assert done["state"] == "succeeded"
    waiting = outlast(
        "submit", "sql_query", json.dumps(query), "--at", "+1d", "--operation-id", "tomorrow",
        "--json", environment=known,
    )  # fmt: skip
    return done["id"], waiting["id"]


def everything(server, ids):
    """What the API tells: the operations, their histories, the rows, the tenant's audit log."""
    with server.http("/v1") as http:
        paths = [f"/operations/{one}" for one in (*ids, "tomorrow")]
        paths += [f"/operations/{one}/events" for one in ids]
        paths += ["/operations?label.a=b", "/datasets/things/rows?limit=500"]
        paths += ["/datasets/counted/rows", "/audit"]
        answers = [http.get(path) for path in paths]
        assert [answer.status_code for answer in answers] == [200] * len(paths)
        return [answer.json() for answer in answers]


def move(source, target, folder, environment):
    exported = outlast(
        "export", folder, "--data", source.data, "--json", environment=environment[source]
    )
    imported = outlast(
        "import", folder, "--data", target.data, "--json", environment=environment[target]
    )
    assert imported == exported
    return imported


def test_a_move_to_postgresql_and_back_changes_nothing_that_can_be_seen(tmp_path):
    database = {
        "OUTLAST_DATABASE": postgres_server.new_database_now(),
        "OUTLAST_DATA_IS_SHARED": "true",
    }
    servers = []
    for name, environment in (("one", {}), ("two", database), ("three", {})):
        (tmp_path / name).mkdir()
        servers.append(LiveServer(tmp_path / name, environment=environment))
    first, second, third = servers
    environment = {first: {}, second: database, third: {}}
    first.start()
    try:
        ids = make_history(first, tmp_path)
        expected, token = everything(first, ids), first.token
    finally:
        first.stop()
    for number, (source, target) in enumerate([(first, second), (second, third)]):
        moved = move(source, target, tmp_path / f"export-{number}", environment)
        assert moved["rows"]["operations"] == len(ids)
        assert moved["objects"] > 0
        target.start()
        try:
            assert target.token == token
            assert everything(target, ids) == expected
        finally:
            target.stop()


def test_nothing_is_exported_beside_a_server_or_into_a_folder_with_something_in_it(tmp_path):
    server = LiveServer(tmp_path).start()
    try:
        assert "another server uses" in outlast(
            "export", tmp_path / "out", "--data", server.data, fails=True
        )
    finally:
        server.stop()
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out" / "mine").touch()
    words = outlast("export", tmp_path / "out", "--data", server.data, fails=True)
    assert "is not empty" in words


def test_an_export_that_was_changed_or_lacks_its_key_is_refused_and_nothing_is_kept(tmp_path):
    server = LiveServer(tmp_path).start()
    server.stop()
    out, target = tmp_path / "out", tmp_path / "target"
    outlast("export", out, "--data", server.data, "--json")

    table = out / "tables" / "audit.msgpack"
    whole = table.read_bytes()
    table.write_bytes(whole.replace(b"token", b"TOKEN", 1))
    assert "is not what was exported" in outlast("import", out, "--data", target, fails=True)
    table.write_bytes(whole[:-1])
    assert "cut off" in outlast("import", out, "--data", target, fails=True)
    table.write_bytes(whole)

    other = random.token_bytes(32)
    key = {"OUTLAST_SECRET_KEY": base64.b64encode(other).decode()}
    words = outlast("import", out, "--data", tmp_path / "keyless", environment=key, fails=True)
    assert "OUTLAST_SECRET_KEY" in words

    assert outlast("import", out, "--data", target, "--json")["rows"]["audit"] > 0
    assert "not empty" in outlast("import", out, "--data", target, fails=True)
    (out / "manifest.json").unlink()
    assert "no whole export" in outlast("import", out, "--data", tmp_path / "new", fails=True)


def test_migrate_says_what_it_would_do_then_does_it(tmp_path):
    at = ("--data", tmp_path / "data", "--json")
    planned = outlast("migrate", "--dry-run", *at)
    assert planned["migrations"][0]["name"] == "operations"
    assert not (tmp_path / "data").exists()
    assert outlast("migrate", *at)["migrations"] == planned["migrations"]
    assert outlast("migrate", "--dry-run", *at)["migrations"] == []
