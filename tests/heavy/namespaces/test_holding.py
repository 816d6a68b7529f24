"""Handlers and prepares that hold the interpreter's lock for long: nobody is rescued for it."""

import os
import time
from pathlib import Path

import pytest
from own_postgres import OwnPostgres

SECONDS = int(os.environ.get("OUTLAST_TEST_HOLD_SECONDS", "60"))


@pytest.fixture
def shared():
    server = OwnPostgres().start()
    try:
        yield server
    finally:
        server.remove()


def test_nobody_is_rescued_while_a_handler_or_a_prepare_holds_the_lock(serve, shared):
    environment = {
        "OUTLAST_DATABASE": shared.url(),
        "OUTLAST_DATA_IS_SHARED": "true",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    server = serve(environment=environment, arguments=["--kinds", "holding_kinds"])
    with server.http("/v1") as http:

        def submit(kind, **spec):
            answer = http.post("/operations", json={"kind": kind, "spec": spec})
            answer.raise_for_status()
            return answer.json()["id"]

        def end_of(operation_id):
            ends_at = time.monotonic() + SECONDS + 60
            while (seen := http.get(f"/operations/{operation_id}?wait=60").json())["state"] in {
                "pending",
                "running",
            }:
                assert time.monotonic() < ends_at, seen
            return seen

        def history(operation_id):
            events = http.get(f"/operations/{operation_id}/events").json()["events"]
            return [event["type"] for event in events]

        held = submit("hold", seconds=SECONDS)
        prepared = submit("hold_prepared", seconds=1, prepare_seconds=SECONDS)
        # Its prepare is given a moment, in a child that can be killed, and no more.
        failed = end_of(prepared)
        assert (failed["state"], failed["attempt"]) == ("failed", 1)
        assert "took more than" in failed["failure"]["message"]
        for _ in range(max(1, SECONDS // 10)):
            assert end_of(submit("hold", seconds=2))["state"] == "succeeded"
        ended = end_of(held)
        assert (ended["state"], ended["attempt"]) == ("succeeded", 1)
        assert history(held) == ["created", "claimed", "succeeded"]
        assert "lease_lost" not in history(prepared)
