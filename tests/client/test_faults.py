"""Lost connections and broken streams, which a real server cannot be made to give on demand.

The transport is httpx's mock: these tests say nothing of the server.
"""

import asyncio
import time

import httpx
import pytest
from playing import operation, streamed

from outlast.client import (
    AsyncClient,
    Client,
    InvalidRequest,
    OperationCancelled,
    OperationFailed,
    Unreachable,
)

FAST = {"retries_max": 3}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    really = asyncio.sleep

    async def sleep(seconds):
        pauses.append(seconds)
        await really(0)

    monkeypatch.setattr("outlast.client.stepping.asyncio.sleep", sleep)
    return pauses


class Script:
    """Answers requests in order; an exception is raised in place of an answer."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def client(self):
        return Client("http://outlast.test", "olt_x_y", transport=httpx.MockTransport(self), **FAST)

    def async_client(self):
        return AsyncClient(
            "http://outlast.test", "olt_x_y", transport=httpx.MockTransport(self), **FAST
        )


def ok(state="running", revision=1, **fields):
    return httpx.Response(200, json=operation(state, revision, **fields))


class Breaking(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that gives some bytes and then breaks."""

    def __init__(self, *pieces):
        self.pieces = pieces

    def __iter__(self):
        yield from self.pieces
        raise httpx.ReadError("broken")

    async def __aiter__(self):
        for piece in self.pieces:
            yield piece
        raise httpx.ReadError("broken")


def test_a_lost_answer_to_a_submission_is_sent_again_with_the_same_key(no_pauses):
    script = Script(httpx.ReadError("gone"), httpx.Response(503), ok())
    with script.client() as client:
        handle = client.submit("count", {})
    keys = {request.headers["idempotency-key"] for request in script.requests}
    assert len(script.requests) == 3
    assert len(keys) == 1
    assert len(no_pauses) == 2
    assert handle.id == operation()["id"]


def test_two_submissions_have_two_keys():
    script = Script(ok(), ok())
    with script.client() as client:
        client.submit("count", {})
        client.submit("count", {})
    assert len({request.headers["idempotency-key"] for request in script.requests}) == 2


def test_the_server_sets_the_pause_with_retry_after(no_pauses):
    script = Script(httpx.Response(503, headers={"Retry-After": "3"}), ok())
    with script.client() as client:
        client.get("x")
    assert 3 <= no_pauses[0] <= 3.3


def test_a_server_that_is_not_there_is_unreachable():
    script = Script(*[httpx.ConnectError("refused")] * 4)
    with script.client() as client, pytest.raises(Unreachable, match="refused"):
        client.get("x")


def test_whoever_wants_to_know_is_told_of_every_new_try():
    told = []
    script = Script(httpx.ConnectError("refused"), ok())
    transport = httpx.MockTransport(script)
    with Client(
        "http://o.test", transport=transport, on_retry=lambda *all_: told.append(all_)
    ) as c:
        c.get("x")
    assert [reason for reason, _ in told] == ["refused"]


def test_a_broken_stream_is_taken_up_where_it_broke():
    script = Script(
        ok(revision=1),
        httpx.Response(200, stream=Breaking(streamed(operation(revision=2)))),
        httpx.Response(304),
        httpx.Response(200, content=streamed(operation("succeeded", 3))),
        ok("succeeded", 3, result={"counted": 1}),
    )
    with script.client() as client:
        seen = list(client.watch("x"))
    assert [one.revision for one in seen] == [1, 2, 3]
    assert script.requests[3].headers["last-event-id"] == "2"


def test_a_watch_that_is_given_up_lets_go_of_its_stream():
    body = Breaking(streamed(operation(revision=2)), streamed(operation(revision=3)))
    script = Script(ok(revision=1), httpx.Response(200, stream=body))
    with script.client() as client:
        changes = client.watch("x")
        assert [next(changes).revision, next(changes).revision] == [1, 2]
        changes.close()


async def test_the_asynchronous_client_does_the_same():
    script = Script(
        httpx.ConnectError("refused"),
        ok(revision=1),
        httpx.Response(200, stream=Breaking(streamed(operation(revision=2)))),
        httpx.Response(304),
        httpx.Response(200, content=streamed(operation("failed", 3))),
        ok("failed", 3, failure={"code": "no_luck", "message": "no", "fault": "user"}),
    )
    async with script.async_client() as client:
        seen = [one.revision async for one in client.watch("x")]
    assert seen == [1, 2, 3]


def test_a_result_is_what_the_operation_gave():
    script = Script(ok("succeeded", result={"counted": 3}))
    with script.client() as client:
        assert client.submit("count", {}).result() == {"counted": 3}


def test_asking_for_the_result_of_a_failure_raises_it():
    failure = {"code": "no_luck", "message": "no", "fault": "user", "field_errors": {"a": "b"}}
    script = Script(ok("failed", failure=failure, request_id="r"))
    with script.client() as client, pytest.raises(OperationFailed, match="no") as raised:
        client.submit("count", {}).result()
    error = raised.value
    assert (error.code, error.failure.fault) == ("no_luck", "user")
    assert (error.field_errors, error.request_id) == ({"a": "b"}, "r")


def test_asking_for_the_result_of_what_was_cancelled_raises_that():
    script = Script(ok("cancelled"))
    with script.client() as client, pytest.raises(OperationCancelled):
        client.submit("count", {}).result()


def test_a_token_never_shows_in_what_is_printed():
    with Client("http://o.test", "olt_x_secret", transport=httpx.MockTransport(ok)) as client:
        assert "secret" not in repr(client._connection)


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("ftp://somewhere", None),
        ("somewhere", None),
        ("http://olt_x_y@somewhere", None),
        ("http://somewhere", "olt\n"),
        ("http://somewhere", "olté"),
    ],
)
def test_an_address_or_a_token_that_cannot_be_is_refused(url, token):
    with pytest.raises(InvalidRequest):
        Client(url, token)


def test_a_proxy_of_the_environment_is_not_used_on_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test:3128")
    with Client("http://127.0.0.1:1") as client:
        assert client._http._mounts == {}


def test_an_upload_is_streamed_with_its_length_and_tells_how_far_it_is(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"x" * 600_000)
    version = {
        "dataset_id": "d", "version": "v", "rows": 1, "bytes": 2,
        "created_at": "2026-11-22T10:00:00.123Z",
    }  # fmt: skip

    def answer(request):
        assert request.headers["content-length"] == "600000"
        assert len(request.read()) == 600_000
        return httpx.Response(201, json=version)

    told = []
    with Client("http://o.test", transport=httpx.MockTransport(answer)) as client:
        made = client.datasets.upload("d", file, progress=lambda *all_: told.append(all_))
    assert made.version == "v"
    assert told[-1] == (600_000, 600_000)
    assert len(told) == 3
