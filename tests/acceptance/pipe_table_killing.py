"""Loads pipe tables, and kills what loads them."""

import json
import sqlite3
from pathlib import Path

import duckdb
import httpx
import process_table
from batch_killing import until


def kill_attempt(server, id):
    """Kill what an attempt of the operation has started last: it, or what reads files for it."""
    work = server.data / "work"
    for process in reversed(process_table.descendants(server.process.pid)):
        try:
            folder = Path(f"/proc/{process.pid}/cwd").readlink()
        except OSError:
            continue
        if folder.is_relative_to(work) and folder.relative_to(work).parts[0].startswith(id):
            return process_table.kill(process)
    return False


def submit(server, kind, **spec):
    with server.http() as http:
        answer = http.post("/v1/operations", json={"kind": kind, "spec": spec})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]


def look(server, id):
    """The operation, if the server answers."""
    try:
        with server.http() as http:
            return http.get(f"/v1/operations/{id}").json()
    except httpx.HTTPError:
        return None


def is_loading(server, id, stages=("fetching", "loading")):
    found = look(server, id)
    assert found is None or found["state"] in {"pending", "running"}, found
    return found is not None and (found["progress"] or {}).get("stage") in stages


def result(server, id, seconds=60):
    def ended():
        found = look(server, id)
        return found if found and found["state"] not in {"pending", "running"} else None

    found = until(ended, seconds)
    assert found["state"] == "succeeded", found
    return found["result"]


def query(server, sql):
    """A query over the file that is the database `sales` now."""
    with sqlite3.connect(f"file:{server.data}/outlast.db?mode=ro", uri=True) as catalog:
        [[document]] = catalog.execute(
            "SELECT document FROM resources WHERE type = 'database' AND name = 'sales'"
        ).fetchall()
    file = server.data / "objects" / json.loads(document)["file"]
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(sql).fetchall()
