"""Both ports on one PostgreSQL database, and its life."""

import asyncio
import contextlib
from typing import Final

import asyncpg

from outlast.clock import Clock
from outlast.operations.errors import Unavailable
from outlast.store.migrations import migrations
from outlast.store.postgres.catalog import PostgresCatalog
from outlast.store.postgres.connecting import Connections
from outlast.store.postgres.counting import Folder
from outlast.store.postgres.migrate import FOLDER, migrate
from outlast.store.postgres.notices import Notices
from outlast.store.postgres.operations import PostgresOperations
from outlast.store.postgres.outage import OUTAGE_SECONDS
from outlast.store.postgres.pruning import Pruner
from outlast.store.postgres.reading import Reader
from outlast.store.postgres.refusals import refusal_for
from outlast.store.postgres.timekeeping import CLOCK, SYNC_SECONDS, DatabaseClock
from outlast.store.postgres.transaction import Connection
from outlast.store.postgres.writer import Writer

_CHANNEL: Final = "outlast"
_PATIENTLY: Final = "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0"


class PostgresStore:
    """A store in one database, for any number of processes on any number of hosts.

    `clock` None: the database's own, which is what several hosts agree by. `is_pooled`: behind a
    pooler in transaction mode; what other processes change is then not heard of, but looked for.
    Calls wait `outage_seconds` for a database that is away before they raise Unavailable.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        is_pooled: bool = False,
        outage_seconds: float = OUTAGE_SECONDS,
    ) -> None:
        self._clock: Clock = DatabaseClock() if clock is None else clock
        self._connections = Connections(
            url, is_pooled=is_pooled, greet=self._sync, outage_seconds=outage_seconds
        )
        self._notices = Notices(self._connections, _CHANNEL)
        self._writer: Writer | None = None
        self._operations: PostgresOperations | None = None
        self._catalog: PostgresCatalog | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def operations(self) -> PostgresOperations:
        """See Store."""
        if self._operations is None:
            raise Unavailable("the store is not open")
        return self._operations

    @property
    def catalog(self) -> PostgresCatalog:
        """See Store."""
        if self._catalog is None:
            raise Unavailable("the store is not open")
        return self._catalog

    async def open(self) -> None:
        """See Store."""
        try:
            await self._open()
        except Exception as error:
            await self.close()
            refusal = refusal_for(error)
            if refusal is None:
                raise
            raise refusal from error

    async def close(self) -> None:
        """See Store."""
        if self._writer is not None:
            await self._writer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._notices.close()
        await self._connections.close()
        self._writer = self._operations = self._catalog = None

    async def _open(self) -> None:
        connections = self._connections
        await connections.open()
        await self._migrate()
        await self._notices.open()
        reader = Reader(connections)
        writer = Writer(connections, self._clock, self._notices)
        self._writer = writer
        pruner = Pruner(connections, self._clock, self._notices)
        self._operations = PostgresOperations(writer, reader, pruner, self._notices, self._clock)
        self._catalog = PostgresCatalog(writer, reader)
        tending = (self._keep_in_sync(), Folder(connections).run())
        self._tasks = [asyncio.create_task(each) for each in tending]

    async def _migrate(self) -> None:
        # A migration may take its time, and so may another process's.
        connection = await self._connections.connect(command_timeout=None)
        try:
            async with connection.transaction():
                await connection.execute(_PATIENTLY)
                await migrate(connection, migrations(FOLDER), self._clock())
        finally:
            await connection.close()

    async def _sync(self, connection: Connection) -> None:
        # A host that takes over may have another clock: each new connection is asked.
        if isinstance(self._clock, DatabaseClock):
            await self._clock.sync(lambda: connection.fetchval(CLOCK))

    async def _keep_in_sync(self) -> None:
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            # The next look will tell; until then the clock goes on by itself.
            with contextlib.suppress(
                OSError, asyncpg.PostgresError, asyncpg.InterfaceError, Unavailable
            ):
                async with self._connections.acquire() as connection:
                    await self._sync(connection)
