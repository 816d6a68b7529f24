"""What was answered is in the chat log, whatever happens to the server right afterwards."""

import os
import signal
import time

import openai
import pytest
from live_server import LiveServer
from model_double import ModelDouble

pytestmark = pytest.mark.acceptance

SETTINGS = """
[backends.acme]
url = "{url}"
models = ["double"]

[chat_log]
redact = "hiding:hide"
"""
HOOK = """
def hide(entry):
    text = entry["messages"][0]["content"].replace("7654321", "[number]")
    return entry | {"messages": [{"role": "user", "content": text}], "choices": []}
"""

HISTORY = {"type": "materialize_history", "src": [], "params": {}, "dst": [{"id": "said"}]}


def say(server, text, **fields):
    with openai.OpenAI(base_url=f"{server.url}/nebius/v1", api_key=server.token) as client:
        messages = [{"role": "user", "content": text}]
        answer = client.chat.completions.create(model="double", messages=messages, **fields)
        if fields.get("stream"):
            for _ in answer:
                pass


def history(server):
    """What was said, as an operation makes a dataset of it."""
    with server.http("/nebius/v1") as http:
        operation = http.post("/operations", json=HISTORY).raise_for_status().json()
        ends_at = time.monotonic() + 30
        while operation["status"] in {"queued", "running"}:
            assert time.monotonic() < ends_at
            time.sleep(0.05)
            operation = http.get(f"/operations/{operation['id']}").raise_for_status().json()
        assert operation["status"] == "succeeded"
        rows = http.get("/datasets/said/content").raise_for_status().json()["rows"]
    return [row["prompt"][0]["content"] for row in rows]


def refuse_a_submitter(server):
    with server.client() as client:
        secret = client.tokens.create("submitter", member="curious").secret
    with server.http("/nebius/v1") as http:
        http.headers["Authorization"] = f"Bearer {secret}"
        answer = http.post("/operations", json=HISTORY)
    assert answer.status_code == 403
    assert "read_history" in answer.json()["detail"]


def test_a_server_that_is_killed_after_an_answer_has_it_in_the_log_once_and_redacted(tmp_path):
    with ModelDouble() as double:
        (tmp_path / "hiding.py").write_text(HOOK)
        settings = SETTINGS.format(url=double.url)
        server = LiveServer(tmp_path, settings, environment={"PYTHONPATH": str(tmp_path)}).start()
        try:
            say(server, "first")
            time.sleep(1.5)
            say(server, "second 7654321", stream=True)
            os.kill(server.process.pid, signal.SIGKILL)
            server.stop()
            server.start()
            say(server, "third")
            # At once: what has been answered is there.
            assert history(server) == ["first", "second [number]", "third"]
            kept = [path for path in server.data.rglob("*") if path.is_file()]
            assert not [path for path in kept if b"7654321" in path.read_bytes()]
            refuse_a_submitter(server)
        finally:
            server.stop()
