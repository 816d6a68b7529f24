"""Both ports on one SQLite file, and its life."""

import asyncio
from functools import partial
from pathlib import Path

import apsw

from outlast.clock import Clock, system_clock
from outlast.operations.errors import Unavailable
from outlast.store.migrations import migrations
from outlast.store.sqlite.catalog import SqliteCatalog
from outlast.store.sqlite.connections import Readers, check_version, connect, create_file
from outlast.store.sqlite.migrate import FOLDER, migrate
from outlast.store.sqlite.operations import SqliteOperations
from outlast.store.sqlite.wakeup import Neighbours, Notices
from outlast.store.sqlite.writer import Writer


class SqliteStore:
    """A store in one file, for the processes of one machine.

    `run_folder` is where the processes on this file find each other; `run` beside the file if None.
    """

    def __init__(
        self, path: Path | str, *, clock: Clock = system_clock, run_folder: Path | None = None
    ) -> None:
        self._path = Path(path)
        self._clock = clock
        folder = self._path.parent / "run" if run_folder is None else run_folder
        self._neighbours = Neighbours(folder, self._path.name)
        self._notices = Notices(self._neighbours)
        self._readers: Readers | None = None
        self._writer: Writer | None = None
        self._operations: SqliteOperations | None = None
        self._catalog: SqliteCatalog | None = None

    @property
    def operations(self) -> SqliteOperations:
        """See Store."""
        if self._operations is None:
            raise Unavailable("the store is not open")
        return self._operations

    @property
    def catalog(self) -> SqliteCatalog:
        """See Store."""
        if self._catalog is None:
            raise Unavailable("the store is not open")
        return self._catalog

    async def open(self) -> None:
        """See Store."""
        check_version(apsw.sqlite_lib_version())
        await asyncio.to_thread(self._prepare)
        self._neighbours.open(self._notices.overheard)
        writer = Writer(partial(connect, self._path), self._clock, self._notices)
        readers = Readers(self._path, lambda: writer.is_busy)
        self._writer, self._readers = writer, readers
        self._operations = SqliteOperations(writer, readers, self._notices, self._clock)
        self._catalog = SqliteCatalog(writer, readers)

    async def close(self) -> None:
        """See Store."""
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)
        if self._readers is not None:
            await asyncio.to_thread(self._readers.close)
        self._neighbours.close()
        self._writer = self._readers = self._operations = self._catalog = None

    def _prepare(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_file(self._path)
        connection = connect(self._path)
        try:
            migrate(connection, migrations(FOLDER), self._clock())
        finally:
            connection.close()
