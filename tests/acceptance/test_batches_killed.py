"""A batch whose processes are killed: every row once, and nothing durable is paid twice."""

import json
import time

import pytest
from batch_killing import (
    completed,
    ended,
    kill_child,
    kill_server,
    kill_worker,
    make_batch,
    until,
)
from model_double import Fault, ModelDouble
from model_server import KEY, ModelServer

pytestmark = pytest.mark.acceptance

ROWS = 1000
CONCURRENCY = 4


@pytest.fixture
def double():
    with ModelDouble(key=KEY) as running:
        running.fault = lambda _: Fault(seconds=0.06)
        yield running


@pytest.fixture
def server(tmp_path, double):
    running = ModelServer(tmp_path, double, concurrency=CONCURRENCY)
    try:
        yield running.start()
    finally:
        running.stop()


def test_a_batch_goes_on_after_kills_and_pays_for_nothing_durable_twice(server, double):
    lost = durable = 0
    with server.openai() as client:
        batch = make_batch(client, ROWS)
    for kill in (kill_child, kill_worker, kill_server):
        with server.openai() as client:
            durable = until(lambda: completed(client, batch.id, beyond=durable))  # noqa: B023
            time.sleep(0.2)  # some rows more, which no checkpoint counts yet
            kill(server)
        assert durable < ROWS
        lost += len(double.answered) - durable
    double.fault = lambda _: None
    with server.openai() as client:
        done = until(lambda: ended(client, batch.id))
        assert (done.status, done.request_counts.completed) == ("completed", ROWS)
        output = client.files.content(done.output_file_id).text.splitlines()
    answered = [json.loads(line)["custom_id"] for line in output]
    assert sorted(answered) == sorted(f"c{number}" for number in range(ROWS))
    paid_twice = double.answered.total() - ROWS
    assert 0 < paid_twice <= lost + 3 * CONCURRENCY
