"""Callers that go away, or do not read: the server of the model hears of it."""

import asyncio
import json

import pytest
from asking import BODY
from installation import until


class Endless:
    """A backend that never ends an answer, and remembers whether it was left."""

    def __init__(self, *, is_streaming):
        self._is_streaming = is_streaming
        self.is_asked = asyncio.Event()
        self.is_left = asyncio.Event()
        self.sent = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _answer(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        self.is_asked.set()
        try:
            if self._is_streaming:
                await self._stream(writer)
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass
        finally:
            self.is_left.set()
            writer.close()

    async def _stream(self, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = {"choices": [{"index": 0, "delta": {"content": "x" * 10_000}}]}
        data = b"data: " + json.dumps(chunk).encode() + b"\n\n"
        while True:
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()
            self.sent += len(data)


@pytest.mark.parametrize("is_streaming", [False, True], ids=["whole", "streamed"])
async def test_a_client_that_goes_away_stops_the_backend(make_serving, is_streaming):
    async with Endless(is_streaming=is_streaming) as endless:
        serving = await make_serving(url=endless.url)
        async with serving.listening() as port:
            writer = await post(serving, port, stream=is_streaming)
            await endless.is_asked.wait()
            writer.close()
            async with asyncio.timeout(5):
                await endless.is_left.wait()
            [entry] = await until(serving.chatting.logged)

    assert entry.status == "incomplete"


async def test_a_client_that_reads_slowly_slows_the_backend_down(make_serving):
    async with Endless(is_streaming=True) as endless:
        serving = await make_serving(url=endless.url)
        async with serving.listening() as port:
            writer = await post(serving, port, stream=True)
            await endless.is_asked.wait()
            sent = -1
            while sent != endless.sent:
                sent = endless.sent
                await asyncio.sleep(0.2)
            writer.close()
    # What the buffers of three sockets take, and not one answer without end.
    assert sent < 40_000_000


async def test_a_client_that_never_reads_is_taken_for_gone(make_serving, monkeypatch):
    monkeypatch.setattr("outlast.http.edge.STALLED_SECONDS", 0.3)
    async with Endless(is_streaming=True) as endless:
        serving = await make_serving(url=endless.url)
        async with serving.listening() as port:
            writer = await post(serving, port, stream=True)
            async with asyncio.timeout(10):
                await endless.is_left.wait()
            writer.close()


async def post(serving, port, **fields):
    """Ask, and do not read the answer."""
    body = json.dumps(BODY | fields)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        (
            "POST /nebius/v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {serving.texts['default', 'submitter']}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
    )
    await writer.drain()
    return writer
