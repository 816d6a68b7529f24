"""Both ports on one PostgreSQL database, and its life."""

import asyncio
import contextlib
from typing import Any, Final

import asyncpg

from outlast.clock import Clock
from outlast.operations.errors import Unavailable
from outlast.store.migrations import migrations
from outlast.store.postgres.catalog import PostgresCatalog
from outlast.store.postgres.migrate import FOLDER, migrate
from outlast.store.postgres.notices import Notices
from outlast.store.postgres.operations import PostgresOperations
from outlast.store.postgres.reading import Reader
from outlast.store.postgres.refusals import refusal_for
from outlast.store.postgres.timekeeping import CLOCK, SYNC_SECONDS, DatabaseClock
from outlast.store.postgres.writer import Writer

_CHANNEL: Final = "outlast"
_CONNECTIONS_MAX: Final = 10
_SETTINGS: Final = {
    # A list with a rare filter needs a plan of its own: a generic one walks the primary key.
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
    "statement_timeout": "30000",
    "idle_in_transaction_session_timeout": "30000",
    "application_name": "outlast",
}


class PostgresStore:
    """A store in one database, for any number of processes on any number of hosts.

    `clock` None: the database's own, which is what several hosts agree by.
    """

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._url = url
        self._clock: Clock = DatabaseClock() if clock is None else clock
        self._pool: asyncpg.Pool | None = None
        self._notices = Notices(self._connect, _CHANNEL)
        self._writer: Writer | None = None
        self._operations: PostgresOperations | None = None
        self._catalog: PostgresCatalog | None = None
        self._syncing: asyncio.Task[None] | None = None

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
        if self._syncing is not None:
            self._syncing.cancel()
            await asyncio.gather(self._syncing, return_exceptions=True)
        await self._notices.close()
        if self._pool is not None:
            await self._pool.close()
        self._pool = self._writer = self._operations = self._catalog = self._syncing = None

    async def _open(self) -> None:
        pool = await asyncpg.create_pool(
            self._url,
            min_size=1,
            max_size=_CONNECTIONS_MAX,
            server_settings=_SETTINGS,
            command_timeout=60,
            timeout=10,
        )
        self._pool = pool
        await self._sync()
        async with pool.acquire() as connection:
            await migrate(connection, migrations(FOLDER), self._clock())
        await self._notices.open()
        reader = Reader(pool)
        writer = Writer(pool, self._clock, self._notices, channel=_CHANNEL)
        self._writer = writer
        self._operations = PostgresOperations(writer, reader, self._notices, self._clock)
        self._catalog = PostgresCatalog(writer, reader)
        self._syncing = asyncio.create_task(self._keep_in_sync())

    async def _connect(self) -> Any:
        return await asyncpg.connect(self._url, server_settings=_SETTINGS, timeout=10)

    async def _sync(self) -> None:
        if isinstance(self._clock, DatabaseClock) and self._pool is not None:
            pool = self._pool
            await self._clock.sync(lambda: pool.fetchval(CLOCK))

    async def _keep_in_sync(self) -> None:
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            # The next look will tell; until then the clock goes on by itself.
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._sync()
