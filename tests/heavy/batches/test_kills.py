"""Batches whose processes are killed at random: whatever falls when, every row is there once."""

import json
import random
import time

import pytest
from batch_killing import ended, kill_child, kill_server, kill_worker, make_batch, until
from model_double import Fault, ModelDouble
from model_server import KEY, ModelServer

ROWS = 1500
KILLS = 8  # fewer than a batch has attempts


@pytest.mark.parametrize("seed", [1, 2])
def test_every_row_is_there_once_after_random_kills(tmp_path, seed):
    chance = random.Random(seed)
    with ModelDouble(key=KEY) as double:
        double.fault = lambda _: Fault(seconds=chance.uniform(0, 0.08))
        server = ModelServer(tmp_path, double, concurrency=8)
        try:
            server.start()
            _kill_at_random(server, chance)
        finally:
            server.stop()


def _kill_at_random(server, chance):
    with server.openai() as client:
        batch = make_batch(client, ROWS)
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.2, 4))
        kill = chance.choice([kill_child, kill_worker, kill_server])
        try:
            kill(server)
        except (AssertionError, StopIteration):
            continue  # there was nobody to kill just then
    with server.openai() as client:
        done = until(lambda: ended(client, batch.id), seconds=120)
        assert (done.status, done.request_counts.completed) == ("completed", ROWS), done
        output = client.files.content(done.output_file_id).text.splitlines()
    answered = [json.loads(line)["custom_id"] for line in output]
    assert sorted(answered) == sorted(f"c{number}" for number in range(ROWS))
