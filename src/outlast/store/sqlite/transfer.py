"""All rows of a SQLite file, out or in."""
# ruff: noqa: S608  statements are put together from constants and the schema's own names

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import apsw

from outlast.clock import Clock, system_clock
from outlast.operations.errors import Conflict
from outlast.store.migrations import migrations
from outlast.store.rows import DOCUMENTS, Row
from outlast.store.sqlite.bulk import insert_many
from outlast.store.sqlite.connections import connect, create_file, fetch_all
from outlast.store.sqlite.migrate import FOLDER, migrate, missing_migrations
from outlast.store.sqlite.transaction import APART_BITS, INLINE_BYTES_MAX
from outlast.store.transfer import BATCH_ROWS, KEYS, Table, Upgrade

_APART = "apart"


class SqliteTransfer:
    """A SQLite file, opened for something else than serving."""

    def __init__(self, path: Path, *, clock: Clock = system_clock) -> None:
        self._path = path
        self._clock = clock

    async def upgrades(self) -> list[Upgrade]:
        """See Transfer."""
        return await asyncio.to_thread(self._upgrades)

    async def upgrade(self) -> list[int]:
        """See Transfer."""
        return await asyncio.to_thread(self._upgrade)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator["_Rows"]:
        """See Transfer."""
        connection = connect(self._path)
        try:
            connection.execute("BEGIN")
            yield _Rows(connection)
        finally:
            connection.close()

    @asynccontextmanager
    async def filling(self) -> AsyncIterator["_Rows"]:
        """See Transfer."""
        connection = connect(self._path)
        try:
            connection.execute("BEGIN IMMEDIATE")
            rows = _Rows(connection)
            rows.check_empty()
            yield rows
            await asyncio.to_thread(connection.execute, "COMMIT")
        finally:
            connection.close()

    def _upgrades(self) -> list[Upgrade]:
        wanted = migrations(FOLDER)
        if self._path.exists():
            connection = connect(self._path)
            try:
                wanted = missing_migrations(connection, wanted)
            finally:
                connection.close()
        return [Upgrade(number=one.number, name=one.name, sql=one.sql) for one in wanted]

    def _upgrade(self) -> list[int]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_file(self._path)
        connection = connect(self._path)
        try:
            return migrate(connection, migrations(FOLDER), self._clock())
        finally:
            connection.close()


class _Rows:
    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        tables = [self._table(name) for name in KEYS]
        self.tables = [table for table in tables if table.columns]

    def check_empty(self) -> None:
        for table in self.tables:
            if fetch_all(self._connection, f"SELECT 1 FROM {table.name} LIMIT 1"):
                raise Conflict(f"the database is not empty: it has {table.name}")

    async def rows(self, table: Table) -> AsyncIterator[Sequence[Row]]:
        wanted = ", ".join(_value(table, column) for column in table.columns)
        order = ", ".join(KEYS[table.name])
        sql = f"SELECT {wanted} FROM {table.name} ORDER BY {order}"
        cursor = await asyncio.to_thread(self._connection.execute, sql)
        while batch := await asyncio.to_thread(lambda: list(islice(cursor, BATCH_ROWS))):
            yield batch

    async def insert(self, table: Table, rows: Sequence[Row]) -> None:
        if table.name == "operations":
            rows = [self._set_apart(table, row) for row in rows]
            table = Table(table.name, (*table.columns, _APART))
        await asyncio.to_thread(insert_many, self._connection, table.name, table.columns, rows)

    def _table(self, name: str) -> Table:
        columns = fetch_all(self._connection, "SELECT name FROM pragma_table_info(?)", (name,))
        return Table(name, tuple(column for (column,) in columns if column != _APART))

    def _set_apart(self, table: Table, row: Row) -> Row:
        """Where a document stands is this adapter's own business."""
        values: list[Any] = list(row)
        apart = 0
        for name in DOCUMENTS:
            position = table.columns.index(name)
            body = values[position]
            if body is not None and len(body) > INLINE_BYTES_MAX:
                document = (values[table.columns.index("id")], name, body)
                insert_many(
                    self._connection, "documents", ("operation_id", "name", "body"), [document]
                )
                apart |= APART_BITS[name]
                values[position] = None
        return [*values, apart]


def _value(table: Table, column: str) -> str:
    if table.name != "operations" or column not in DOCUMENTS:
        return column
    body = f"SELECT body FROM documents WHERE operation_id = operations.id AND name = '{column}'"
    return f"CASE WHEN apart & {APART_BITS[column]} THEN ({body}) ELSE {column} END"
