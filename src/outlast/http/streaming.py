"""Answers that take their time: whoever waits is let go as soon as the client is gone."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final, TypeVar

from starlette.types import Receive

from outlast.engine import Engine, Principal
from outlast.http.errors import ClientGone
from outlast.http.rendering import encode, view
from outlast.http.routing import Stream
from outlast.operations.errors import OutlastError
from outlast.operations.model import Operation

KEEP_ALIVE_SECONDS: Final = 15.0

T = TypeVar("T")


async def while_connected(receive: Receive, work: Awaitable[T]) -> T:
    """What `work` returns; it is cancelled, and ClientGone raised, when the client disconnects."""
    leaving = asyncio.ensure_future(_disconnected(receive))
    is_waiting = True
    try:
        # The work stays in this task: generators that it goes on with were begun here.
        async with asyncio.timeout(None) as scope:

            def leave(_: object) -> None:
                if is_waiting:
                    scope.reschedule(asyncio.get_running_loop().time())

            leaving.add_done_callback(leave)
            try:
                return await work
            finally:
                is_waiting = False
    except TimeoutError:
        if scope.expired():
            raise ClientGone from None
        raise
    finally:
        await _drop(leaving)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _drop(task: asyncio.Future[T]) -> None:
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        # Looked at, so that asyncio does not report it as never retrieved.
        task.exception()


async def begin(pieces: AsyncIterator[bytes]) -> Stream:
    """A stream of pieces, the first of which is there. Raises what stands in its way."""
    return _Begun(await anext(pieces, b""), pieces)


class _Begun:
    """Unlike a generator that has not been started, it lets go of what it holds when closed."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        self._first: bytes | None = first
        self._rest = rest

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._first is None:
            return await anext(self._rest)
        first, self._first = self._first, None
        return first

    async def aclose(self) -> None:
        if isinstance(self._rest, AsyncGenerator):
            await self._rest.aclose()


class OperationStream:
    """Server-sent events: an operation now, then after every change until it has ended."""

    def __init__(self, engine: Engine, allow: Callable[[], Awaitable[object]]) -> None:
        """`allow` raises once the caller's token is no longer good; it is asked now and then."""
        self._engine = engine
        self._allow = allow

    async def open(self, principal: Principal, ref: str, last_seen: int | None) -> Stream | None:
        """The events, or None when the client has seen the end. Raises what the engine does."""
        changes = self._engine.watch(principal, ref)
        operation = await anext(changes)
        if last_seen == operation.revision and operation.state.is_terminal:
            await changes.aclose()
            return None
        return await begin(self._events(changes, operation, last_seen))

    async def _events(
        self,
        changes: AsyncGenerator[Operation, None],
        operation: Operation,
        last_seen: int | None,
    ) -> AsyncGenerator[bytes, None]:
        async with aclosing(changes):
            # Bytes at once, also when there is nothing to tell: the client is connected.
            yield b": connected\n\n" if last_seen == operation.revision else _event(operation)
            async for change in self._paced(changes):
                yield b": keep-alive\n\n" if change is None else _event(change)

    async def _paced(
        self, changes: AsyncGenerator[Operation, None]
    ) -> AsyncGenerator[Operation | None, None]:
        """The changes, and None whenever there was none for a while."""
        loop = asyncio.get_running_loop()
        ask_at = loop.time() + KEEP_ALIVE_SECONDS
        coming = asyncio.ensure_future(anext(changes, None))
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=KEEP_ALIVE_SECONDS)
                if loop.time() >= ask_at:
                    await self._allow()
                    ask_at = loop.time() + KEEP_ALIVE_SECONDS
                if not done:
                    yield None
                    continue
                change = coming.result()
                if change is None:
                    return
                yield change
                coming = asyncio.ensure_future(anext(changes, None))
        except OutlastError:
            # Deleted, revoked, or a store that is away: the client asks again and is told.
            return
        finally:
            await _drop(coming)


def _event(operation: Operation) -> bytes:
    return b"event: operation\nid: %d\ndata: %b\n\n" % (
        operation.revision,
        encode(view(operation, is_full=False)),
    )
