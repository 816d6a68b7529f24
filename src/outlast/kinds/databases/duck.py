"""DuckDB databases in the child of an attempt: opened so that they reach nothing but themselves."""

import outlast.resources.datasets.frugal  # noqa: F401  # isort: skip  it must come first

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb

from outlast.operations.errors import Fatal

_MEMORY_LIMIT: Final = "1GiB"
_SPILL_LIMIT: Final = "8GiB"
_THREADS_MAX: Final = 2
_HERE: Final = Path("/proc/self/cwd")
_OUR_PATH: Final = re.compile(r"/proc/(self|\d+)/cwd/?")


def make_file(path: Path) -> None:
    """Make an empty database."""
    with contextlib.closing(duckdb.connect(str(path))) as connection:
        connection.execute("CHECKPOINT")


@contextlib.contextmanager
def changing(source: Path, target: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a copy of a database, which is whole and closed afterwards. As `opened`."""
    shutil.copyfile(source, target)
    with opened(target) as connection:
        yield connection
        connection.execute("CHECKPOINT")


@contextlib.contextmanager
def opened(path: Path, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a database that can reach nothing else. Raises Fatal for what it refuses."""
    settings = configuration(path.parent / "spill")
    with (
        failures(path.parent),
        contextlib.closing(
            duckdb.connect(reachable(path), read_only=read_only, config=settings)
        ) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


@contextlib.contextmanager
def copying(source: Path, target: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that has a database as `before`, and an empty one as `database`. As `opened`."""
    settings = configuration(target.parent / "spill")
    with (
        failures(target.parent),
        contextlib.closing(duckdb.connect(config=settings)) as connection,
    ):
        connection.execute(f"ATTACH {text(reachable(source))} AS before (READ_ONLY)")
        connection.execute(f"ATTACH {text(reachable(target))} AS database")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
        connection.execute("CHECKPOINT database")
        connection.execute("DETACH database")


def configuration(spill: Path) -> dict[str, str | bool | int | float | list[str]]:
    """How much a connection may take, and that it fetches nothing from elsewhere."""
    return {
        "threads": min(_THREADS_MAX, os.cpu_count() or 1),
        "memory_limit": _MEMORY_LIMIT,
        "temp_directory": str(spill),
        "max_temp_directory_size": _SPILL_LIMIT,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
    }


@contextlib.contextmanager
def failures(workdir: Path) -> Iterator[None]:
    """Says of what DuckDB refuses what the caller may know, without our paths. Raises Fatal."""
    try:
        yield
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise Fatal("out_of_memory", "this needs too much memory") from error
    except duckdb.Error as error:
        reason = str(error).strip().split("\n", 1)[0].replace(str(workdir.absolute()), "")
        reason = _OUR_PATH.sub("", reason)
        raise Fatal("database_failed", reason[:500] or type(error).__name__) from error


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def reachable(path: Path) -> str:
    """A path below the workdir as DuckDB can open it.

    DuckDB makes it absolute, and a folder above may be closed to the user that the child is.
    """
    return str(path if path.is_absolute() or not _HERE.exists() else _HERE / path)
