"""Migrations: numbered SQL files, applied once, in order, under a lock."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from outlast.operations.errors import Unavailable
from outlast.store.migrations import Migration
from outlast.store.postgres.transaction import Connection

FOLDER: Final = Path(__file__).parent.parent / "migrations" / "postgres"
_LOCK: Final = "SELECT pg_advisory_xact_lock(7306071901)"
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS schema_migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL,"
    " checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)"
)

_log = logging.getLogger(__name__)


async def migrate(connection: Connection, wanted: Sequence[Migration], now: int) -> list[int]:
    """Apply what is missing; the numbers applied. Safe for any number of processes at once.

    A schema that is newer than `wanted` is served: a migration never takes away what the release
    before it needs. Raises Unavailable for one that was made by other files.
    """
    async with connection.transaction():
        await connection.execute(_LOCK)
        await connection.execute(_TABLE)
        missing = await missing_migrations(connection, wanted)
        for migration in missing:
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migrations VALUES ($1, $2, $3, $4)",
                migration.number,
                migration.name,
                migration.checksum,
                now,
            )
    return [migration.number for migration in missing]


async def missing_migrations(
    connection: Connection, wanted: Sequence[Migration]
) -> list[Migration]:
    """Those that the database has not had. Raises Unavailable as `migrate` does."""
    if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
        return list(wanted)
    rows = await connection.fetch("SELECT number, name, checksum FROM schema_migrations")
    applied = {number: (name, checksum) for number, name, checksum in rows}
    for migration in wanted:
        name, checksum = applied.get(migration.number, ("", migration.checksum))
        if checksum != migration.checksum:
            raise Unavailable(
                f"migration {migration.number} ({name}) is not the one that was applied"
            )
    newer = sorted(set(applied) - {migration.number for migration in wanted})
    if newer:
        _log.warning("the database has schema %d, which is newer than this program", newer[-1])
    return [migration for migration in wanted if migration.number not in applied]
