"""Hosts whose clocks are minutes apart: the database's clock rules, and nothing else changes."""

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import postgres_server
import pytest
from background import Background
from chaos_installation import SHORT_RECOVERY
from live_server import LiveServer

pytestmark = pytest.mark.acceptance

HERE = Path(__file__).parent
SKEW_SECONDS = 600
SKEW = """
import os, time
_time, _time_ns, _skew = time.time, time.time_ns, float(os.environ.get("TEST_SKEW_SECONDS", "0"))
time.time = lambda: _time() + _skew
time.time_ns = lambda: _time_ns() + int(_skew * 1e9)
"""


@pytest.fixture
def http(tmp_path):
    """A server that is ten minutes ahead, and a worker that is ten minutes behind."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "sitecustomize.py").write_text(SKEW)
    environment = {
        "OUTLAST_DATABASE": postgres_server.new_database_now(),
        "OUTLAST_DATA_IS_SHARED": "true",
        "PYTHONPATH": os.pathsep.join([str(modules), str(HERE)]),
    }
    settings = "[recovery]\n" + "".join(f"{k} = {v}\n" for k, v in SHORT_RECOVERY.items())
    ahead = LiveServer(
        tmp_path,
        settings,
        environment=environment | {"TEST_SKEW_SECONDS": str(SKEW_SECONDS)},
        arguments=["--kinds", "chaos_kinds", "--workers", "0"],
    )
    ahead.start()
    inherited = {name: value for name, value in os.environ.items() if "OUTLAST_" not in name}
    behind = Background(
        [
            *(sys.executable, "-m", "outlast", "worker", "--data", ahead.data, "--workers", 3),
            *("--settings", tmp_path / "settings.toml", "--kinds", "chaos_kinds"),
        ],
        tmp_path / "worker.log",
        environment=inherited | environment | {"TEST_SKEW_SECONDS": str(-SKEW_SECONDS)},
    )
    try:
        with ahead.http("/v1") as client:
            yield client
    finally:
        behind.end(grace_seconds=20)
        ahead.stop()


def test_clocks_that_are_minutes_apart_change_nothing(http: httpx.Client, tmp_path):
    outside = tmp_path / "outside.jsonl"
    outside.touch(mode=0o666)
    outside.chmod(0o666)
    tmp_path.chmod(0o711)

    def submit(steps, **more):
        spec = {"outside": str(outside), "steps": steps, "step_seconds": 0.1}
        answer = http.post("/operations", json={"kind": "chaos_work", "spec": spec} | more)
        answer.raise_for_status()
        return answer.json()["id"]

    def end_of(operation_id):
        seen = http.get(f"/operations/{operation_id}?wait=30").json()
        return seen, [instant(seen[name]) for name in ("created_at", "started_at", "finished_at")]

    began = time.time()  # noqa: TID251  the true time, to compare with
    told = parsedate_to_datetime(http.get("/kinds").headers["date"]).timestamp()
    assert told > began + SKEW_SECONDS - 2, "the server's own clock is not ahead"
    # Longer than a lease, later than at once, and cut short.
    long = submit(34)
    later = submit(1, available_at=stamp(began + 1.5))
    short = submit(300, deadline_at=stamp(began + 2.5))

    seen, (created, started, finished) = end_of(long)
    assert (seen["state"], seen["attempt"]) == ("succeeded", 1)
    assert began - 1 < created <= started < finished < began + 30
    assert finished - started >= 3.4
    seen, (created, started, _) = end_of(later)
    assert seen["state"] == "succeeded"
    assert created < began + 1.4
    assert started >= began + 1.49
    seen, (_, started, finished) = end_of(short)
    assert (seen["state"], seen["failure"]["code"]) == ("failed", "deadline_exceeded")
    assert started < began + 2.49 <= finished


def stamp(seconds):
    return (datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)).isoformat()


def instant(text):
    return datetime.fromisoformat(text).timestamp()
