"""What a cancelled operation leaves, and its retry takes along, on a real server."""

import time
from pathlib import Path

import pytest
from live_server import LiveServer

pytestmark = pytest.mark.acceptance


@pytest.fixture
def server(tmp_path):
    environment = {"PYTHONPATH": str(Path(__file__).parent)}
    server = LiveServer(
        tmp_path, environment=environment, arguments=["--kinds", "leaving_kinds"]
    ).start()
    yield server
    server.stop()


def lines(http):
    """The published files, oldest first: whether each is partial, and what it holds."""
    found = http.get("/v1/files", params={"purpose": "lines"}).json()["files"]
    contents = [http.get(f"/v1/files/{one['id']}/content").text.split() for one in found]
    return [(one["is_partial"], text) for one, text in zip(found, contents, strict=True)][::-1]


def test_a_cancelled_operation_leaves_a_partial_file_and_its_retry_goes_on_from_there(server):
    with server.http() as http:
        body = {"kind": "collect", "spec": {"parts": 4}}
        first = http.post("/v1/operations", json=body).json()["id"]
        ends_at = time.monotonic() + 30
        progress = None
        while (progress or {"done": 0})["done"] != 2:
            assert time.monotonic() < ends_at
            progress = http.get(f"/v1/operations/{first}").json()["progress"]
            time.sleep(0.05)
        assert lines(http) == []
        http.post(f"/v1/operations/{first}/cancel")
        cancelled = http.get(f"/v1/operations/{first}", params={"wait": 20}).json()
        assert cancelled["state"] == "cancelled"
        assert lines(http) == [(True, [first] * 2)]
        retry = http.post(f"/v1/operations/{first}/retry").json()["id"]
        assert http.delete(f"/v1/operations/{first}").status_code == 204
        ended = http.get(f"/v1/operations/{retry}", params={"wait": 20}).json()
        assert (ended["state"], ended["result"]) == ("succeeded", 4), ended
        assert lines(http) == [(True, [first] * 2), (False, [first, first, retry, retry])]
