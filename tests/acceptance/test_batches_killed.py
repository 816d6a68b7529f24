"""A batch whose processes are killed: every row once, and nothing durable is paid twice."""

import json
import signal
import time
from pathlib import Path

import process_table
import pytest
from model_double import Fault, ModelDouble
from model_server import KEY, ModelServer

pytestmark = pytest.mark.acceptance

ROWS = 600
CONCURRENCY = 4


@pytest.fixture
def double():
    with ModelDouble(key=KEY) as running:
        running.fault = lambda _: Fault(seconds=0.03)
        yield running


@pytest.fixture
def server(tmp_path, double):
    running = ModelServer(tmp_path, double, concurrency=CONCURRENCY)
    try:
        yield running.start()
    finally:
        running.stop()


def make_batch(client):
    lines = [
        json.dumps(
            {
                "custom_id": f"c{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": "double", "messages": [{"role": "user", "content": f"{number}"}]},
            }
        )
        for number in range(ROWS)
    ]
    file = client.files.create(file=("in.jsonl", "\n".join(lines).encode()), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )


def until(seen, seconds=30):
    ends_at = time.monotonic() + seconds
    while not (found := seen()):
        assert time.monotonic() < ends_at, "it did not happen in time"
        time.sleep(0.02)
    return found


def child_of(server):
    """The process that runs the batch: the one that stands in its attempt's folder."""
    for process in process_table.descendants(server.process.pid):
        try:
            folder = Path(f"/proc/{process.pid}/cwd").readlink()
        except OSError:
            continue
        if folder.is_relative_to(server.data / "work"):
            return process
    return None


def worker_of(server):
    children = process_table.descendants(server.process.pid)
    return next(child for child in children if child.parent == server.process.pid)


def kill_child(server):
    assert process_table.kill(child_of(server))


def kill_worker(server):
    assert process_table.kill(worker_of(server))


def kill_server(server):
    server.stop(signal.SIGKILL)
    server.start()


def test_a_batch_goes_on_after_kills_and_pays_for_nothing_durable_twice(server, double):
    lost = durable = 0
    with server.client() as client:
        batch = make_batch(client)
    for kill in (kill_child, kill_worker, kill_server):
        with server.client() as client:
            durable = until(lambda: completed(client, batch.id, beyond=durable))  # noqa: B023
            time.sleep(0.2)  # some rows more, which no checkpoint counts yet
            kill(server)
        assert durable < ROWS
        lost += len(double.answered) - durable
    with server.client() as client:
        done = until(lambda: ended(client, batch.id))
        assert (done.status, done.request_counts.completed) == ("completed", ROWS)
        output = client.files.content(done.output_file_id).text.splitlines()
    answered = [json.loads(line)["custom_id"] for line in output]
    assert sorted(answered) == sorted(f"c{number}" for number in range(ROWS))
    paid_twice = double.answered.total() - ROWS
    assert 0 < paid_twice <= lost + 3 * CONCURRENCY


def completed(client, batch_id, beyond):
    count = client.batches.retrieve(batch_id).request_counts.completed
    return count if count > beyond else None


def ended(client, batch_id):
    batch = client.batches.retrieve(batch_id)
    return batch if batch.status in {"completed", "failed", "cancelled"} else None
