import asyncio

import pytest


class Echo:
    """A server that says what it was asked, or answers with what it was given."""

    def __init__(self, context=None):
        self.heads = []
        self.answer = None
        self.context = context

    async def open(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context)
        self.port = self.server.sockets[0].getsockname()[1]

    async def close(self):
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head.decode())
                answer = self.answer
                if answer is None:
                    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def start_echo():
    started = []

    async def start(context=None):
        echo = Echo(context)
        await echo.open()
        started.append(echo)
        return echo

    yield start
    for echo in started:
        await echo.close()


@pytest.fixture
async def echo(start_echo):
    return await start_echo()


@pytest.fixture
def redirect():
    """An answer that sends the client elsewhere."""
    return lambda url: (
        f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode()
    )
