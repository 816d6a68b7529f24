"""All that an attempt asks of a locked child. A call raises Fatal for what the caller can mend."""

import outlast.resources.datasets.frugal  # noqa: F401  # isort: skip  it must come first

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from outlast.kinds.databases.duck import configuration
from outlast.kinds.pipe_tables import calls
from outlast.kinds.pipe_tables.calls import ChooseArguments, DropArguments, LoadArguments
from outlast.kinds.pipe_tables.loading import load_files
from outlast.kinds.pipe_tables.tables import drop_table, loaded_files
from outlast.operations.errors import Fatal, Invalid, TooLarge
from outlast.resources.datasets.tables import use_one_thread
from outlast.resources.pipe_tables.listing import ListedFile, choose


def load(arguments: bytes, workdir: Path) -> Any:
    """Load files into a table of a copy of the database, CHANGED; answers Loaded."""
    call = msgspec.json.decode(arguments, type=LoadArguments)
    use_one_thread()
    with _changing(workdir) as connection, _blaming_the_files():
        return msgspec.to_builtins(load_files(connection, call, workdir))


def drop(arguments: bytes, workdir: Path) -> Any:
    """Remove a table from a copy of the database, CHANGED, if it is there."""
    call = msgspec.json.decode(arguments, type=DropArguments)
    with _changing(workdir) as connection:
        drop_table(connection, call.table)


def choose_files(arguments: bytes, workdir: Path) -> Any:
    """Hold the listing in LISTING against what a table was loaded from; answers Chosen."""
    call = msgspec.json.decode(arguments, type=ChooseArguments)
    listing = (workdir / calls.LISTING).read_bytes()
    listed = msgspec.json.decode(listing, type=list[ListedFile])
    with _opened(workdir, calls.DATABASE, read_only=True) as connection:
        loaded = loaded_files(connection, call.table)
    with _blaming_the_files():
        return msgspec.to_builtins(choose(listed, loaded, call.bytes_max, call.files_max))


@contextlib.contextmanager
def _changing(workdir: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    shutil.copyfile(workdir / calls.DATABASE, workdir / calls.CHANGED)
    with _opened(workdir, calls.CHANGED) as connection:
        yield connection
        connection.execute("CHECKPOINT")


@contextlib.contextmanager
def _opened(
    workdir: Path, name: str, *, read_only: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a database that can reach nothing else."""
    try:
        with contextlib.closing(
            duckdb.connect(
                str(workdir / name),
                read_only=read_only,
                config=configuration(workdir / "spill"),
            )
        ) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            yield connection
    except (duckdb.OutOfMemoryException, pa.ArrowMemoryError, MemoryError) as error:
        raise Fatal("out_of_memory", "the files need more memory than their reader has") from error
    except duckdb.Error as error:
        reason = str(error).strip().split("\n", 1)[0].replace(str(workdir.absolute()), "")
        raise Fatal("database_failed", reason[:500] or type(error).__name__) from error


@contextlib.contextmanager
def _blaming_the_files() -> Iterator[None]:
    try:
        yield
    except TooLarge as error:
        raise Fatal("result_too_large", error.message) from error
    except Invalid as error:
        raise Fatal("invalid_file", error.message) from error
