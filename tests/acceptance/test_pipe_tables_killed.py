"""A pipe table whose processes are killed while it is loaded: every row is there once."""

import pytest
from batch_killing import kill_server, until
from live_server import LiveServer
from pipe_table_killing import is_loading, kill_attempt, look, query, result, submit

pytestmark = pytest.mark.acceptance

SETTINGS = """
[recovery]
drain_seconds = 0.2
lease_seconds = 2
renew_seconds = 0.3
reap_seconds = 0.1
[object_stores.files]
url = "file://{folder}"
"""
FILES, ROWS = 3, 80_000


def write(folder, number):
    """A file of so many rows, which appears whole. Texts of many kinds take a while to read."""
    rows = range(number * ROWS, (number + 1) * ROWS)
    lines = [f"{id},{id}.5,2026-01-01 00:00:00,text {id},{id % 7},no" for id in rows]
    aside = folder / f".{number}.csv"
    aside.write_text("\n".join(["id,half,at,text,rest,last", *lines]))
    aside.replace(folder / f"{number}.csv")


@pytest.fixture
def server(tmp_path):
    (tmp_path / "files" / "in").mkdir(parents=True)
    running = LiveServer(tmp_path, SETTINGS.format(folder=tmp_path / "files"))
    try:
        yield running.start()
    finally:
        running.stop()


def test_every_row_is_there_once_after_kills(server, tmp_path):
    folder = tmp_path / "files" / "in"
    for number in range(FILES):
        write(folder, number)
    made = submit(server, "provision_database", name="sales", storages=["files"])
    result(server, made)
    table = {"database": "sales", "table": "orders"}
    creating = submit(server, "create_pipe_table", **table, storage="files", path_prefix="in")
    for kill in (lambda server: kill_attempt(server, creating), kill_server):
        attempt = until(lambda: is_loading(server, creating) and look(server, creating)["attempt"])
        kill(server)
        until(lambda: _is_past(server, creating, attempt))  # noqa: B023
    assert result(server, creating)["rows_loaded"] == FILES * ROWS
    write(folder, FILES)
    again = submit(server, "refresh_pipe_table", **table)
    assert result(server, again)["rows_loaded"] == ROWS
    count = (FILES + 1) * ROWS
    [found] = query(server, "SELECT count(*), count(DISTINCT id), sum(id) FROM orders")
    assert found == (count, count, count * (count - 1) // 2)
    assert not list((server.data / "work").glob("*-*-*"))


def _is_past(server, id, attempt):
    found = look(server, id)
    return found is not None and (found["state"] == "pending" or found["attempt"] > attempt)
