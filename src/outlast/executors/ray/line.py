"""Messages to and from the host of an attempt."""

import asyncio
from collections import deque

from outlast.executors.frames import frame
from outlast.executors.ray.messages import FromNode, ToNode, Unframer
from outlast.executors.ray.pipes import Lost, Pipe


class Line:
    """The worker's end of a pipe."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._unframer = Unframer[FromNode](FromNode)
        self._arrived: deque[FromNode] = deque()
        self._writing = asyncio.Lock()
        self._sayings: set[asyncio.Task[None]] = set()

    async def receive(self, seconds: float | None = None) -> FromNode:
        """The next message. Raises Garbage; Lost, also when nothing comes for so many seconds."""
        try:
            while not self._arrived:
                async with asyncio.timeout(seconds):
                    data = await self._pipe.read()
                self._arrived.extend(self._unframer.feed(data))
        except TimeoutError as error:
            raise Lost(f"nothing was heard of it for {seconds:g} s") from error
        return self._arrived.popleft()

    async def write(self, message: ToNode) -> None:
        """Send a message after those before it. Raises Lost."""
        async with self._writing:
            await self._pipe.write(frame(message))

    def say(self, message: ToNode) -> None:
        """Send a message soon. If it does not get there, `receive` tells why."""
        saying = asyncio.create_task(self._say(message))
        self._sayings.add(saying)
        saying.add_done_callback(self._sayings.discard)

    async def close(self) -> None:
        """Hang up. May be repeated."""
        for saying in tuple(self._sayings):
            saying.cancel()
        await self._pipe.close()

    async def _say(self, message: ToNode) -> None:
        try:
            await self.write(message)
        except Lost:
            return
