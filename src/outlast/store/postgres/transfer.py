"""All rows of a PostgreSQL database, out or in."""
# ruff: noqa: S608  statements are put together from constants and the schema's own names

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from outlast.clock import Clock, system_clock
from outlast.operations.errors import Conflict
from outlast.store.migrations import migrations
from outlast.store.postgres.connecting import Connections
from outlast.store.postgres.migrate import FOLDER, migrate, missing_migrations
from outlast.store.postgres.refusals import refusal_for
from outlast.store.rows import Row
from outlast.store.transfer import BATCH_ROWS, KEYS, Table, Upgrade

_COLUMNS: Final = (
    "SELECT column_name FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"
)
_RESTART: Final = (
    "SELECT setval(pg_get_serial_sequence('audit', 'number'),"
    " coalesce((SELECT max(number) FROM audit), 0) + 1, false)"
)
_SETTINGS: Final = {"application_name": "outlast", "jit": "off"}


class PostgresTransfer:
    """A PostgreSQL database, opened for something else than serving."""

    def __init__(self, url: str, *, clock: Clock = system_clock) -> None:
        self._url = url
        self._clock = clock

    async def upgrades(self) -> list[Upgrade]:
        """See Transfer."""
        async with self._connected() as connection:
            missing = await missing_migrations(connection, migrations(FOLDER))
        return [Upgrade(number=one.number, name=one.name, sql=one.sql) for one in missing]

    async def upgrade(self) -> list[int]:
        """See Transfer."""
        async with self._connected() as connection:
            return await migrate(connection, migrations(FOLDER), self._clock())

    @asynccontextmanager
    async def reading(self) -> AsyncIterator["_Rows"]:
        """See Transfer."""
        async with (
            self._connected() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield _Rows(connection, await _tables(connection))

    @asynccontextmanager
    async def filling(self) -> AsyncIterator["_Rows"]:
        """See Transfer."""
        async with self._connected() as connection, connection.transaction():
            tables = await _tables(connection)
            names = ", ".join(table.name for table in tables)
            await connection.execute(f"LOCK TABLE {names} IN EXCLUSIVE MODE")
            for table in tables:
                if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table.name})"):
                    raise Conflict(f"the database is not empty: it has {table.name}")
            yield _Rows(connection, tables)
            await connection.fetchval(_RESTART)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        connection = await self._connect()
        try:
            yield connection
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise refusal_for(error) or error from error
        finally:
            await connection.close()

    async def _connect(self) -> Any:
        connections = Connections(self._url, is_pooled=False, greet=_nobody)
        try:
            # No limits of time: a table may be large.
            return await connections.connect(command_timeout=None, server_settings=_SETTINGS)
        except Exception as error:
            refusal = refusal_for(error)
            if refusal is None:
                raise
            raise refusal from error


class _Rows:
    def __init__(self, connection: Any, tables: Sequence[Table]) -> None:
        self._connection = connection
        self.tables = tables

    async def rows(self, table: Table) -> AsyncIterator[Sequence[Row]]:
        wanted, order = ", ".join(table.columns), ", ".join(KEYS[table.name])
        cursor = await self._connection.cursor(
            f"SELECT {wanted} FROM {table.name} ORDER BY {order}"
        )
        while batch := await cursor.fetch(BATCH_ROWS):
            yield batch

    async def insert(self, table: Table, rows: Sequence[Row]) -> None:
        await self._connection.copy_records_to_table(
            table.name, records=[tuple(row) for row in rows], columns=table.columns
        )


async def _tables(connection: Any) -> list[Table]:
    tables = [
        Table(name, tuple(row[0] for row in await connection.fetch(_COLUMNS, name)))
        for name in KEYS
    ]
    return [table for table in tables if table.columns]


async def _nobody(_: Any) -> None:
    """Nobody wants to know of a new connection."""
