"""Who hears of changes: of our own commits at once, of other processes' through NOTIFY.

NOTIFY is sent after the commit, by the connection that listens. In the transaction itself it would
hold a lock of the whole server until the commit is on disk, so that no two commits could share a
sync. A process that dies between the two is made up for by whoever looks once a second.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import asyncpg

from outlast.store.port import Changed
from outlast.store.postgres.connecting import Connections
from outlast.store.postgres.refusals import refusal_for
from outlast.store.postgres.transaction import Transaction

_PAUSE_SECONDS: Final = 1.0
_BETWEEN_SECONDS: Final = 0.01
"""How long what follows a NOTIFY gathers for the next one: every other process wakes for each."""
_SNAPSHOT: Final = "SELECT pg_current_snapshot()::text"
"""Another one whenever a transaction that wrote has begun or ended."""
_ANYTHING: Final = Changed(ids=None, claimable=True)

_log = logging.getLogger(__name__)


class Notices:
    """Subscribers, and a connection that listens for them.

    Behind a pooler nobody can listen: there it looks once a second whether anything has happened.
    """

    def __init__(self, connections: Connections, channel: str) -> None:
        self._connections = connections
        self._channel = channel
        self._has_news = asyncio.Event()
        self._subscribers: dict[object, Callable[[Changed], None]] = {}
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to listen."""
        if self._connections.is_pooled:
            self._listening = asyncio.create_task(self._look())
            return
        is_ready = asyncio.Event()
        self._listening = asyncio.create_task(self._listen(is_ready))
        await is_ready.wait()

    async def close(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    def subscribe(self, notice: Callable[[Changed], None]) -> Callable[[], None]:
        """See OperationStore."""
        key = object()
        self._subscribers[key] = notice
        return lambda: self._subscribers.pop(key, None) and None

    def committed(self, transaction: Transaction) -> None:
        """Tell of a commit of this process."""
        if transaction.changed or transaction.claimable:
            self._has_news.set()
            self._tell(Changed(frozenset(transaction.changed), transaction.claimable))

    def _tell(self, changed: Changed) -> None:
        for notice in list(self._subscribers.values()):
            try:
                notice(changed)
            except Exception:  # noqa: BLE001  an edge: the other subscribers are still told
                _log.exception("a subscriber failed")

    async def _listen(self, is_ready: asyncio.Event) -> None:
        while True:
            ended = asyncio.Event()
            connection: asyncpg.Connection | None = None
            try:
                connection = await self._connections.connect()
                connection.add_termination_listener(lambda *_, ended=ended: self._end(ended))
                own = connection.get_server_pid()
                await connection.add_listener(
                    self._channel, lambda _, pid, *__, own=own: self._heard(is_own=pid == own)
                )
                is_ready.set()
                # What was told while nobody listened is not told again; nor is what we told nobody.
                self._tell(_ANYTHING)
                self._has_news.set()
                await self._pass_on(connection, ended)
                _log.warning("the connection that listens for changes was lost")
            except (
                OSError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
            ) as error:
                _log.warning("cannot listen for changes: %s", error)
            finally:
                is_ready.set()
                if connection is not None and not connection.is_closed():
                    connection.terminate()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _look(self) -> None:
        last = None
        while True:
            await asyncio.sleep(_PAUSE_SECONDS)
            try:
                [[seen]] = await self._connections.fetch(_SNAPSHOT)
            except Exception as error:
                if refusal_for(error) is None:
                    raise
                seen = None
            if seen is None or seen != last:
                self._tell(_ANYTHING)
            last = seen

    def _end(self, ended: asyncio.Event) -> None:
        ended.set()
        self._has_news.set()

    async def _pass_on(self, connection: asyncpg.Connection, ended: asyncio.Event) -> None:
        """Tell other processes of our commits, until the connection has ended."""
        try:
            while True:
                await self._has_news.wait()
                if ended.is_set():
                    return
                self._has_news.clear()
                await connection.execute(f"NOTIFY {self._channel}")
                await asyncio.sleep(_BETWEEN_SECONDS)
        except asyncio.CancelledError:
            if self._has_news.is_set():
                await connection.execute(f"NOTIFY {self._channel}")
            raise

    def _heard(self, *, is_own: bool) -> None:
        if not is_own:
            self._tell(_ANYTHING)
