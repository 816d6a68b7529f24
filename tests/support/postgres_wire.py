"""A wire between a store and its database that can be cut, and that can lose a commit."""

import asyncio
import contextlib
from urllib.parse import parse_qs, urlsplit


class Wire:
    """Listens on the loopback interface and carries bytes to the server behind a URL.

    `answers_to_lose`: so many commits reach the database, and their answers do not come back.
    `commits_to_lose`: so many do not even reach it.
    """

    def __init__(self, url):
        self._target = urlsplit(url)
        self._carrying = set()
        self._writers = set()
        self._server = None
        self.answers_to_lose = 0
        self.commits_to_lose = 0
        self.connections = 0

    async def start(self):
        """Begin to carry."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    @property
    def url(self):
        """The database at the other end."""
        return f"postgresql://postgres@127.0.0.1:{self.port}{self._target.path}"

    async def cut(self):
        """End every connection, and refuse new ones."""
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def heal(self):
        """Listen again, at the same port."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def stop(self):
        """End for good."""
        await self.cut()
        for task in list(self._carrying):
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _carry(self, reader, writer):
        self.connections += 1
        task = asyncio.current_task()
        self._carrying.add(task)
        folder = parse_qs(self._target.query)["host"][0]
        there = None
        try:
            from_there, there = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
            self._writers |= {writer, there}
            is_lost = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._asks(reader, there, writer, is_lost))
                group.create_task(self._answers(from_there, writer, is_lost))
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for end in (writer, there):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()
            self._carrying.discard(task)

    async def _asks(self, reader, there, writer, is_lost):
        while data := await reader.read(1 << 16):
            if b"COMMIT" in data and self.commits_to_lose:
                self.commits_to_lose -= 1
                writer.transport.abort()
                break
            if b"COMMIT" in data and self.answers_to_lose:
                self.answers_to_lose -= 1
                is_lost.set()
            there.write(data)
            await there.drain()
        with contextlib.suppress(OSError):
            there.close()

    async def _answers(self, from_there, writer, is_lost):
        while data := await from_there.read(1 << 16):
            if is_lost.is_set():
                writer.transport.abort()
                return
            writer.write(data)
            await writer.drain()
        writer.close()
