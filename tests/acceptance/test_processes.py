"""The server as processes: what ends, what goes on and what is refused."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import postgres_server
import process_table
import pytest
from chaos_installation import SHORT_RECOVERY, Installation

pytestmark = pytest.mark.acceptance

LONG = {"steps": 2000, "step_seconds": 0.05}
SHORT = {"steps": 3, "step_seconds": 0.02}


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Installation]:
    database = postgres_server.new_database_now() if request.param == "postgresql" else None
    made = Installation(tmp_path, database=database)
    made.make_outside()
    made.start()
    try:
        made.wait_until_ready()
        yield made
    finally:
        made.clear()


@pytest.fixture
def http(installation: Installation) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=installation.url,
        headers={"Authorization": f"Bearer {installation.token}"},
        limits=httpx.Limits(max_keepalive_connections=0),
        timeout=30,
    ) as client:
        yield client


def submit(
    installation: Installation, http: httpx.Client, kind: str = "chaos_work", **spec: Any
) -> str:
    body = {"kind": kind, "spec": {"outside": str(installation.outside), **spec}}
    answer = http.post("/v1/operations", json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])


def get(http: httpx.Client, operation_id: str, seconds: float = 0) -> dict[str, Any]:
    answer = http.get(f"/v1/operations/{operation_id}", params={"wait": seconds})
    answer.raise_for_status()
    return dict(answer.json())


def history(http: httpx.Client, operation_id: str) -> list[str]:
    events = http.get(f"/v1/operations/{operation_id}/events").json()["events"]
    return [event["type"] for event in events if event["type"] != "step"]


def until(seen: Callable[[], Any], seconds: float = 20) -> Any:
    ends_at = time.monotonic() + seconds
    while not (found := seen()):
        assert time.monotonic() < ends_at, "it did not happen in time"
        time.sleep(0.02)
    return found


def running(installation: Installation, operation_id: str, attempt: int = 1) -> int:
    """Wait until the attempt has made a step; its process."""

    def seen() -> Any:
        return [
            line["pid"]
            for line in installation.lines()
            if (line["operation"], line["attempt"]) == (operation_id, attempt)
            and line["what"] == "report"
        ]

    return int(until(seen)[0])


def nonces(installation: Installation, operation_id: str) -> set[str]:
    """The attempts that have written so far, also those with the same number."""
    lines = installation.lines()
    return {str(line["nonce"]) for line in lines if line["operation"] == operation_id}


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    process = process_table.find(pid)
    assert process is not None
    assert process_table.kill(process, number)


def test_sigterm_lets_what_is_short_finish_releases_the_rest_and_leaves_nothing(installation, http):
    short = submit(installation, http, steps=20, step_seconds=0.05)
    long = submit(installation, http, grandchild=True, **LONG)
    running(installation, short)
    running(installation, long)
    assert installation.stop() == 0
    assert installation.survivors(1) == []
    installation.start()
    installation.wait_until_ready()
    assert get(http, short)["state"] == "succeeded"
    assert history(http, long)[:3] == ["created", "claimed", "released"]
    until(lambda: len(nonces(installation, long)) == 2)
    assert get(http, long)["attempt"] == 1


def test_an_operation_whose_child_is_killed_runs_again_from_its_checkpoint(installation, http):
    operation_id = submit(installation, http, steps=60, step_seconds=0.05)
    until(lambda: [line for line in installation.lines() if line["what"] == "checkpointed"])
    kill(running(installation, operation_id))
    running(installation, operation_id, attempt=2)
    [start] = [
        line for line in installation.lines() if line["what"] == "start" and line["attempt"] == 2
    ]
    assert start["checkpoint"]["step"] >= 2
    assert get(http, operation_id, 20)["state"] == "succeeded"


def test_an_operation_whose_worker_is_killed_runs_again_and_the_old_attempt_is_gone(
    installation, http
):
    operation_id = submit(installation, http, grandchild=True, steps=80, step_seconds=0.05)
    old = running(installation, operation_id)
    [worker] = installation.processes()["worker"]
    assert process_table.kill(worker)
    until(lambda: process_table.find(old) is None, 2)
    running(installation, operation_id, attempt=2)
    written = [line["attempt"] for line in installation.lines()]
    assert written == sorted(written)
    assert "lease_lost" in history(http, operation_id)
    assert get(http, operation_id, 30)["state"] == "succeeded"


def test_when_the_server_is_killed_its_worker_guards_and_children_go_and_a_restart_goes_on(
    installation, http
):
    operation_id = submit(installation, http, grandchild=True, **LONG)
    running(installation, operation_id)
    installation.kill()
    assert installation.survivors(5) == []
    installation.start()
    installation.wait_until_ready()
    until(lambda: len(nonces(installation, operation_id)) == 2)
    assert get(http, operation_id)["state"] == "running"


def test_a_worker_that_stands_still_loses_its_attempts_and_is_replaced(installation, http):
    operation_id = submit(installation, http, **LONG)
    child = running(installation, operation_id)
    [worker] = installation.processes()["worker"]
    # It may hold the database at this very moment: nobody else can write then until it is gone.
    assert process_table.kill(worker, signal.SIGSTOP)
    # Its guard counts for itself: the child is gone before the lease has run out.
    until(lambda: process_table.find(child) is None, SHORT_RECOVERY["lease_seconds"])
    until(lambda: process_table.find(worker) is None, 30)
    running(installation, operation_id, attempt=2)
    assert history(http, operation_id) == ["created", "claimed", "lease_lost", "claimed"]


def test_a_handler_that_is_deaf_to_a_cancel_is_killed_and_only_then_cancelled(installation, http):
    operation_id = submit(installation, http, "chaos_deaf", **LONG)
    child = running(installation, operation_id)
    assert http.post(f"/v1/operations/{operation_id}/cancel").status_code == 202
    ended = get(http, operation_id, 20)
    assert ended["state"] == "cancelled"
    assert process_table.find(child) is None


def test_a_second_server_on_the_same_data_folder_is_refused(installation):
    second = subprocess.run(
        [
            *(sys.executable, "-m", "outlast", "serve", "--port", "0"),
            *("--data", str(installation.data)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 2
    assert "another server uses" in second.stderr


def test_an_idempotent_resend_after_a_crash_finds_the_first_operation(installation, http):
    body = {"kind": "chaos_work", "spec": {"outside": str(installation.outside), **SHORT}}
    headers = {"Idempotency-Key": "the-same"}
    first = http.post("/v1/operations", json=body, headers=headers).json()["id"]
    installation.kill()
    installation.start()
    installation.wait_until_ready()
    assert http.post("/v1/operations", json=body, headers=headers).json()["id"] == first
    assert get(http, first, 20)["state"] == "succeeded"


def test_workers_without_a_server_share_what_it_accepts_and_outlive_each_other(tmp_path):
    installation = Installation(tmp_path, slots=0, database=postgres_server.new_database_now())
    installation.make_outside()
    installation.start()
    installation.slots = 2
    try:
        installation.wait_until_ready()
        workers = [installation.start_worker() for _ in range(2)]
        headers = {"Authorization": f"Bearer {installation.token}"}
        with httpx.Client(base_url=installation.url, headers=headers, timeout=30) as http:
            made = [submit(installation, http, steps=60, step_seconds=0.05) for _ in range(4)]
            for operation_id in made:
                running(installation, operation_id)
            workers[0].kill()
            workers[0].wait()
            assert {get(http, operation_id, 30)["state"] for operation_id in made} == {"succeeded"}
            attempts = [get(http, operation_id)["attempt"] for operation_id in made]
            assert sorted(attempts) == [1, 1, 2, 2]
            workers[1].terminate()
            assert workers[1].wait(20) == 0
        assert installation.stop() == 0
        assert installation.survivors(1) == []
    finally:
        installation.clear()
