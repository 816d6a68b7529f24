"""Connections: how the database file is opened, and which thread reads through which."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from outlast.operations.errors import Unavailable
from outlast.store.sqlite.refusals import refusal_for

VERSION_MIN: Final = (3, 51, 3)
"""Earlier releases can corrupt a WAL database when two connections checkpoint at once."""
BUSY_SECONDS: Final = 20.0
_WAL_PAGES: Final = 4_000
_WAL_BYTES_MAX: Final = 64 * 2**20
_CACHE_KIB: Final = 32 * 2**10
_STATEMENTS_MAX: Final = 200
_THREADS: Final = 2
_CEDE_EVERY_SECONDS: Final = 0.0005
_CEDE_SECONDS: Final = 0.00005
_T = TypeVar("_T")


def check_version(version: str) -> None:
    """Refuse a SQLite library that cannot be trusted with a WAL: Unavailable."""
    if tuple(int(part) for part in version.split(".")[:3]) < VERSION_MIN:
        wanted = ".".join(str(part) for part in VERSION_MIN)
        raise Unavailable(
            f"SQLite {version} can corrupt a database that several connections write; "
            f"{wanted} or newer is needed (pip install --upgrade apsw)"
        )


def create_file(path: Path) -> None:
    """Make the database file, readable by its owner alone, if there is none."""
    # Never open a file that exists: closing it would drop the locks that SQLite holds on it.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return


def connect(path: Path) -> apsw.Connection:
    """A connection to a file in WAL mode whose commits survive a power cut."""
    connection = apsw.Connection(
        str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=_STATEMENTS_MAX
    )
    connection.set_busy_timeout(int(BUSY_SECONDS * 1000))
    for pragma in (
        "synchronous = FULL",
        f"wal_autocheckpoint = {_WAL_PAGES}",
        f"journal_size_limit = {_WAL_BYTES_MAX}",
        f"cache_size = -{_CACHE_KIB}",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def fetch_all(connection: apsw.Connection, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    """All rows. The statement is finished, and so holds no snapshot back."""
    return connection.execute(sql, values).fetchall()


def fetch_one(connection: apsw.Connection, sql: str, values: Sequence[Any] = ()) -> Any:
    """The first row, or None."""
    rows = connection.execute(sql, values).fetchall()
    return rows[0] if rows else None


class Readers:
    """Connections that only read: one for each thread that asks, and a few threads that wait.

    `is_writing` says whether the writer of this process has work.
    """

    def __init__(self, path: Path, is_writing: Callable[[], bool]) -> None:
        self._path = path
        self._is_writing = is_writing
        self._ceded_at = 0.0
        self._local = threading.local()
        self._all: list[apsw.Connection] = []
        self._lock = threading.Lock()
        self._is_closed = False
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="outlast-reader")

    def read_here(self, act: Callable[..., _T], *values: Any) -> _T:
        """What `act` finds through a connection, with these values; at once, on this thread."""
        self._cede()
        return self._read(act, *values)

    async def read(self, act: Callable[..., _T], *values: Any) -> _T:
        """The same on a thread of our own, for what takes longer than a few microseconds."""
        if self._is_closed:
            raise Unavailable("the store is closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._read, act, *values)

    def close(self) -> None:
        """Let what was begun end, then close every connection. Blocks."""
        self._pool.shutdown()
        self._is_closed = True
        with self._lock:
            while self._all:
                self._all.pop().close()

    def _cede(self) -> None:
        # A loop that reads lets go of the interpreter often, but never for as long as the writer
        # needs to wake up and take it: beside a busy loop, batches took a hundred times longer.
        if self._is_writing() and time.perf_counter() - self._ceded_at > _CEDE_EVERY_SECONDS:
            time.sleep(_CEDE_SECONDS)
            self._ceded_at = time.perf_counter()

    def _read(self, act: Callable[..., _T], *values: Any) -> _T:
        try:
            return act(self._connection(), *values)
        except apsw.Error as error:
            refusal = refusal_for(error)
            if refusal is None:
                raise
            raise refusal from error

    def _connection(self) -> apsw.Connection:
        if self._is_closed:
            raise Unavailable("the store is closed")
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = connect(self._path)
            connection.execute("PRAGMA query_only = ON").fetchall()
            with self._lock:
                self._all.append(connection)
            self._local.connection = connection
        return connection
