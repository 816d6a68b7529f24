"""Pipe tables of a PostgreSQL database: written as the role that owns it, in one transaction.

In that transaction the tables `_outlast.pipe_files` and `_outlast.pipe_tables` say what was loaded,
and they decide: an attempt that was killed after the commit finds there that nothing is left to do.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg
import msgspec

from outlast.kinds.databases.postgres import connected_to
from outlast.kinds.pipe_tables.calls import LocalFile
from outlast.operations.errors import Fatal, Retry
from outlast.resources.databases.model import PostgresPlace
from outlast.resources.pipe_tables.column_types import parse_type
from outlast.resources.pipe_tables.model import Aggregation, Contents, Definition

if TYPE_CHECKING:
    _Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_INCOMING: Final = "_outlast_incoming"
_SETUP: Final = """
CREATE SCHEMA IF NOT EXISTS _outlast;
CREATE TABLE IF NOT EXISTS _outlast.pipe_tables (
    table_name text PRIMARY KEY, operation_id text NOT NULL, contents text NOT NULL
);
CREATE TABLE IF NOT EXISTS _outlast.pipe_files (
    table_name text NOT NULL,
    key text NOT NULL,
    identity text NOT NULL,
    bytes bigint NOT NULL,
    operation_id text NOT NULL,
    PRIMARY KEY (table_name, key)
)
"""
_MERGES: Final[Mapping[Aggregation, str]] = MappingProxyType(
    {
        "SUM": "coalesce(t.{0} + excluded.{0}, t.{0}, excluded.{0})",
        "MIN": "least(t.{0}, excluded.{0})",
        "MAX": "greatest(t.{0}, excluded.{0})",
        "REPLACE": "excluded.{0}",
        "REPLACE_IF_NOT_NULL": "coalesce(excluded.{0}, t.{0})",
    }
)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a database tells of a pipe table: who made it, what is there, and from which files."""

    operation_id: str
    contents: Contents
    identities: Mapping[str, str]


class PostgresTable:
    """One pipe table of a database. Calls raise Fatal for what the database refuses, and Retry."""

    def __init__(self, place: PostgresPlace, password: str, table: str) -> None:
        self._place = place
        self._password = password
        self._table = table

    async def look(self) -> Known | None:
        """What is there, if it is a pipe table."""
        async with self._changing() as connection:
            return await self._known(connection)

    async def drop(self) -> None:
        """Remove the table and what is known of it, if it is a pipe table."""
        async with self._changing() as connection:
            await self._drop(connection)

    async def load(
        self,
        rows: Path,
        files: Sequence[LocalFile],
        contents: Contents,
        definition: Definition,
        operation_id: str,
    ) -> Contents:
        """Load rows of CSV, and note the files: all of it or nothing.

        `contents` is what will be there, but for the number of rows. A table that is not there is
        made. Raises Retry where somebody was faster.
        """
        async with self._changing() as connection:
            if await self._known(connection) is None:
                await self._make(connection, contents, definition)
                await connection.execute(
                    "INSERT INTO _outlast.pipe_tables VALUES ($1, $2, '')",
                    *(self._table, operation_id),
                )
            await connection.executemany(
                "INSERT INTO _outlast.pipe_files VALUES ($1, $2, $3, $4, $5)",
                [(self._table, f.key, f.identity, f.bytes, operation_id) for f in files],
            )
            await self._bring(connection, rows, contents, definition)
            count = await connection.fetchval(f"SELECT count(*) FROM {self._name}")  # noqa: S608  a checked name
            made = msgspec.structs.replace(contents, rows=count)
            await connection.execute(
                "UPDATE _outlast.pipe_tables SET contents = $2 WHERE table_name = $1",
                *(self._table, msgspec.json.encode(made).decode()),
            )
            return made

    @property
    def _name(self) -> str:
        return f"public.{_quoted(self._table)}"

    @contextlib.asynccontextmanager
    async def _changing(self) -> "AsyncIterator[_Connection]":
        """A transaction that nobody else has on the table at the same time."""
        try:
            async with (
                connected_to(self._place, self._password) as connection,
                connection.transaction(),
            ):
                # Also those who are about to make the schema wait for each other here.
                await connection.execute("SELECT pg_advisory_xact_lock(hashtext('_outlast'))")
                await connection.execute(_SETUP)
                yield connection
        except asyncpg.UniqueViolationError as error:
            raise Retry(code="files_changed", message="the files were loaded meanwhile") from error
        except asyncpg.DataError as error:
            raise Fatal("invalid_file", f"the rows do not fit: {_said(error)}") from error
        except (asyncpg.SyntaxOrAccessError, asyncpg.IntegrityConstraintViolationError) as error:
            raise Fatal("database_failed", _said(error)) from error

    async def _known(self, connection: "_Connection") -> Known | None:
        found = await connection.fetchrow(
            "SELECT operation_id, contents FROM _outlast.pipe_tables WHERE table_name = $1",
            self._table,
        )
        if found is None:
            return None
        files = await connection.fetch(
            "SELECT key, identity FROM _outlast.pipe_files WHERE table_name = $1", self._table
        )
        return Known(
            operation_id=found["operation_id"],
            contents=msgspec.json.decode(found["contents"], type=Contents),
            identities={one["key"]: one["identity"] for one in files},
        )

    async def _drop(self, connection: "_Connection") -> None:
        gone = await connection.fetchval(
            "DELETE FROM _outlast.pipe_tables WHERE table_name = $1 RETURNING 1", self._table
        )
        await connection.execute(
            "DELETE FROM _outlast.pipe_files WHERE table_name = $1", self._table
        )
        if gone is not None:
            await connection.execute(f"DROP TABLE IF EXISTS {self._name}")

    async def _make(
        self, connection: "_Connection", contents: Contents, definition: Definition
    ) -> None:
        columns = [
            f"{_quoted(column.name)} {parse_type(column.type).postgres}"
            for column in contents.columns
        ]
        await connection.execute(f"CREATE TABLE {self._name} ({', '.join(columns)})")
        keys = _keys(definition)
        if keys and definition.key is not None and definition.key.type == "primary":
            await connection.execute(f"ALTER TABLE {self._name} ADD PRIMARY KEY ({keys})")
        elif keys:
            await connection.execute(
                f"ALTER TABLE {self._name} ADD UNIQUE NULLS NOT DISTINCT ({keys})"
            )

    async def _bring(
        self, connection: "_Connection", rows: Path, contents: Contents, definition: Definition
    ) -> None:
        names = [column.name for column in contents.columns]
        keys = _keys(definition)
        if not keys:
            await connection.copy_to_table(
                self._table, schema_name="public", source=rows, columns=names, format="csv"
            )
            return
        await connection.execute(
            f"CREATE TEMP TABLE {_INCOMING} (LIKE {self._name}) ON COMMIT DROP"
        )
        await connection.copy_to_table(_INCOMING, source=rows, columns=names, format="csv")
        key = definition.key.columns if definition.key is not None else ()
        wanted = definition.aggregation_overrides
        merges = [
            f"{name} = {_MERGES[wanted.get(plain, 'REPLACE')].format(name)}"
            for plain, name in zip(names, map(_quoted, names), strict=True)
            if plain not in key
        ]
        then = f"UPDATE SET {', '.join(merges)}" if merges else "NOTHING"
        await connection.execute(
            f"INSERT INTO {self._name} AS t SELECT * FROM {_INCOMING}"  # noqa: S608  checked and quoted names
            f" ON CONFLICT ({keys}) DO {then}"
        )


def _keys(definition: Definition) -> str:
    key = definition.key
    if key is None or key.type == "duplicate":
        return ""
    return ", ".join(map(_quoted, key.columns))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _said(error: asyncpg.PostgresError) -> str:
    return str(error).split("\n", 1)[0][:500]
