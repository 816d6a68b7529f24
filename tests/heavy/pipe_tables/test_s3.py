"""Pipe tables over a real S3 server: a million rows, killed at random and resumed."""

import io
import random
import secrets
import time

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from batch_killing import kill_server, kill_worker
from live_server import LiveServer
from pipe_table_killing import kill_attempt, look, query, result, submit

SETTINGS = """
[recovery]
drain_seconds = 0.2
lease_seconds = 2
renew_seconds = 0.3
reap_seconds = 0.1
[object_stores.lake]
url = "s3://outlast/{prefix}"
endpoint = "{endpoint}"
access_key_variable = "LAKE_KEY"
secret_key_variable = "LAKE_SECRET"
"""
FILES, ROWS = 10, 100_000
KILLS = 3  # fewer than an operation has attempts


@pytest.fixture
def prefix():
    return f"pipes/{secrets.token_hex(8)}"


@pytest.fixture
def server(tmp_path, s3_server, prefix):
    settings = SETTINGS.format(prefix=prefix, endpoint=s3_server.endpoint)
    keys = {"LAKE_KEY": s3_server.access_key, "LAKE_SECRET": s3_server.secret_key}
    running = LiveServer(tmp_path, settings, environment=keys)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def write(s3_server, prefix):
    """Puts a file of so many rows, in a folder of its own."""

    def write(number):
        ids = pa.array(range(number * ROWS, (number + 1) * ROWS), pa.int64())
        sink = io.BytesIO()
        pq.write_table(pa.table({"id": ids, "text": ids.cast(pa.string())}), sink)
        key = f"{prefix}/orders/part={number % 3}/{number}.parquet"
        obstore.put(s3_server.store(), key, sink.getvalue())

    return write


def kill_at_random(server, id, chance):
    """Kill processes of an operation that runs, at any time of it."""
    kills = 0
    while kills < KILLS:
        time.sleep(chance.uniform(0.05, 2.5))
        found = look(server, id)
        if found is not None and found["state"] not in {"pending", "running"}:
            break
        kill = chance.choice([lambda one: kill_attempt(one, id), kill_worker, kill_server])
        try:
            kill(server)
        except (AssertionError, StopIteration):
            continue  # there was nobody to kill just then
        kills += 1
    return kills


@pytest.mark.parametrize("seed", [1, 2])
def test_a_million_rows_are_there_once_whatever_is_killed(server, write, seed):
    chance = random.Random(seed)
    for number in range(FILES):
        write(number)
    result(server, submit(server, "provision_database", name="sales", storages=["lake"]))
    table = {"database": "sales", "table": "orders"}
    creating = submit(server, "create_pipe_table", **table, storage="lake", path_prefix="orders")
    kill_at_random(server, creating, chance)
    made = result(server, creating, 180)
    assert (made["files"], made["rows_loaded"]) == (FILES, FILES * ROWS)
    assert [column["name"] for column in made["columns"]] == ["id", "text", "part"]
    for number in (FILES, FILES + 1):
        write(number)
        refreshing = submit(server, "refresh_pipe_table", **table)
        kill_at_random(server, refreshing, chance)
        again = result(server, refreshing, 180)
        assert (again["files"], again["rows_loaded"]) == (1, ROWS)
    count = (FILES + 2) * ROWS
    sql = "SELECT count(*), count(DISTINCT id), sum(id), sum(part) FROM orders"
    [found] = query(server, sql)
    parts = sum(number % 3 for number in range(FILES + 2)) * ROWS
    assert found == (count, count, count * (count - 1) // 2, parts)
    [names] = query(server, "SELECT count(*), count(DISTINCT key) FROM _outlast.pipe_files")
    assert names == (FILES + 2, FILES + 2)


def test_the_keys_of_the_store_are_shown_nowhere(server, write, s3_server):
    write(0)
    result(server, submit(server, "provision_database", name="sales", storages=["lake"]))
    spec = {"database": "sales", "table": "orders", "storage": "lake", "path_prefix": "orders"}
    result(server, submit(server, "create_pipe_table", **spec))
    secret = s3_server.secret_key.encode()
    for path in (server.log, *server.data.rglob("*")):
        if path.is_file():
            assert secret not in path.read_bytes(), path


def test_a_store_that_refuses_is_told(server, write):
    result(server, submit(server, "provision_database", name="sales", storages=["lake"]))
    spec = {"database": "sales", "table": "orders", "storage": "lake", "path_prefix": "nothing"}
    id = submit(server, "create_pipe_table", **spec)
    with server.http() as http:
        failed = http.get(f"/v1/operations/{id}?wait=30").json()
    assert failed["failure"]["code"] == "files_missing", failed
