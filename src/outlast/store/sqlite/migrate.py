"""Migrations: numbered SQL files, applied once, in order, under a lock."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import apsw

from outlast.operations.errors import Unavailable
from outlast.store.migrations import Migration
from outlast.store.sqlite.connections import BUSY_SECONDS, fetch_all

FOLDER: Final = Path(__file__).parent.parent / "migrations" / "sqlite"
_T = TypeVar("_T")

_log = logging.getLogger(__name__)


def migrate(connection: apsw.Connection, wanted: Sequence[Migration], now: int) -> list[int]:
    """Apply what is missing; the numbers applied. Safe for any number of processes at once.

    A schema that is newer than `wanted` is served: a migration never takes away what the release
    before it needs. Raises Unavailable for one that was made by other files.
    """
    _when_free(lambda: connection.execute("PRAGMA journal_mode = WAL").fetchall())
    if not missing_migrations(connection, wanted):
        return []
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY,"
            " name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT"
        )
        missing = missing_migrations(connection, wanted)
        for migration in missing:
            connection.execute(migration.sql).fetchall()
            connection.execute(
                "INSERT INTO schema_migrations VALUES (?, ?, ?, ?)",
                (migration.number, migration.name, migration.checksum, now),
            )
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return [migration.number for migration in missing]


def dump_schema(connection: apsw.Connection) -> str:
    """The SQL of every table and index, in a stable order."""
    rows = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
        " ORDER BY tbl_name, type DESC, name"
    ).fetchall()
    return "".join(f"{sql};\n\n" for (sql,) in rows)


def missing_migrations(connection: apsw.Connection, wanted: Sequence[Migration]) -> list[Migration]:
    """Those that the database has not had. Raises Unavailable as `migrate` does."""
    applied = _applied(connection)
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


def _applied(connection: apsw.Connection) -> dict[int, tuple[str, str]]:
    exists = connection.execute(
        "SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'"
    ).fetchall()
    if not exists:
        return {}
    rows = fetch_all(connection, "SELECT number, name, checksum FROM schema_migrations")
    return {number: (name, checksum) for number, name, checksum in rows}


def _when_free(act: Callable[[], _T]) -> _T:
    # SQLite does not wait by itself when it switches to WAL while others do the same.
    give_up_at = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return act()
        except apsw.BusyError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)
