"""Fine-tuning that is killed or cancelled at half, on a live server: the same losses again."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from animal_chats import chats

SPEC = {
    "model": "tiny",
    "train": {"dataset": "talks", "messages": "messages"},
    "hyperparameters": {
        "epochs": 12,
        "batch_size": 4,
        "learning_rate": 3e-3,
        "lora_dropout": 0.1,
        "weight_decay": 0.01,
        "warmup_ratio": 0.1,
    },
    "seed": 11,
    "is_deterministic": True,
}
STEPS = 96


@pytest.fixture(scope="module")
def client(server, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "talks.jsonl"
    path.write_text("".join(json.dumps(chat) + "\n" for chat in chats(32)))
    with server.client() as client:
        client.datasets.create("talks")
        client.datasets.upload("talks", path)
        yield client


@pytest.fixture(scope="module")
def whole(client):
    """The losses of a training that nobody disturbed."""
    handle = client.submit("fine_tuning", SPEC)
    assert handle.result(180)["steps"] == STEPS
    return losses(client, handle.id)


def test_an_attempt_that_is_killed_is_followed_by_one_that_goes_on(client, server, whole):
    handle = client.submit("fine_tuning", SPEC)
    wait_for_step(client, handle, STEPS // 2)
    kill(server, handle.id)
    result = handle.result(240)
    assert handle.operation.attempt == 2
    found = losses(client, handle.id)
    assert found == whole
    assert result["train_loss"] == whole[STEPS]


def test_one_whose_server_is_killed_goes_on_when_it_is_back(client, server, whole):
    handle = client.submit("fine_tuning", SPEC)
    wait_for_step(client, handle, STEPS // 2)
    server.process.end()
    server.start()
    assert handle.result(240)["train_loss"] == whole[STEPS]
    assert losses(client, handle.id) == whole


def test_one_that_is_cancelled_at_half_goes_on_when_it_is_retried(client, whole):
    handle = client.submit("fine_tuning", SPEC)
    wait_for_step(client, handle, STEPS // 2)
    handle.cancel()
    assert handle.wait(60).state == "cancelled"
    before = losses(client, handle.id)
    again = client.retry(handle.id)
    result = again.result(240)
    after = losses(client, again.id)
    assert STEPS // 2 <= max(before) < STEPS
    assert min(after) == max(before) + 1
    assert before | after == whole
    assert result["model"].endswith(again.id)


def losses(client, id):
    """Step -> loss as the events have it: the same wherever a step was made twice."""
    found = {}
    for event in client.events(id):
        if event.type == "training_metrics":
            step, loss = event.data["step"], event.data["train_loss"]
            assert found.setdefault(step, loss) == loss
    return found


def wait_for_step(client, handle, step):
    end = time.monotonic() + 180
    while time.monotonic() < end:
        progress = handle.refresh().progress
        assert not handle.operation.is_terminal
        if progress is not None and (progress.done or 0) >= step:
            return
        time.sleep(0.05)
    raise TimeoutError(handle.operation)


def kill(server, id):
    """Kill -9 every process of an operation's attempt."""
    victims = [process for process in Path("/proc").glob("[0-9]*") if works_on(process, id)]
    assert victims
    for process in victims:
        os.kill(int(process.name), signal.SIGKILL)


def works_on(process, id):
    try:
        return id in str((process / "cwd").readlink())
    except OSError:
        return False
