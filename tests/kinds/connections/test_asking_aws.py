"""An account is asked for so long, and no longer."""

import asyncio
import contextlib

import pytest

from outlast.kinds.connections import aws
from outlast.operations.errors import Unavailable
from outlast.outbound import Gate


async def test_an_answer_that_comes_by_drops_is_given_up(monkeypatch):
    hung_up = asyncio.Event()

    async def drip(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        hung_up.set()

    monkeypatch.setattr(aws, "_SECONDS", 0.3)
    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        account = aws.Account(
            settings={"endpoint": f"http://127.0.0.1:{port}"},
            region="eu-north-1",
            secrets={"access_key": "AKIA", "secret_key": "a-secret-of-ours"},
            gate=Gate(("127.0.0.1",)),
        )
        with pytest.raises(Unavailable, match="in time"):
            await asyncio.wait_for(aws.look_at_account(account), 5)
        await hung_up.wait()
