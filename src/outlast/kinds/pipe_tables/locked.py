"""All that an attempt asks of a locked child. A call raises Fatal for what the caller can mend."""

import outlast.resources.datasets.frugal  # noqa: F401  # isort: skip  it must come first

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from outlast.kinds.databases.duck import changing, opened
from outlast.kinds.pipe_tables import calls
from outlast.kinds.pipe_tables.calls import ChooseArguments, DropArguments, LoadArguments
from outlast.kinds.pipe_tables.loading import Tell, ignore, load_files
from outlast.kinds.pipe_tables.tables import drop_table, loaded_files, write_csv
from outlast.operations.errors import Fatal, Invalid, TooLarge
from outlast.resources.datasets.tables import use_one_thread
from outlast.resources.pipe_tables.listing import ListedFile, choose


def load(arguments: bytes, workdir: Path, tell: Tell = ignore) -> Any:
    """Load files into a table of a copy of the database, CHANGED; answers Loaded."""
    call = msgspec.json.decode(arguments, type=LoadArguments)
    use_one_thread()
    with (
        changing(workdir / calls.DATABASE, workdir / calls.CHANGED) as connection,
        _blaming_the_files(),
    ):
        return msgspec.to_builtins(load_files(connection, call, workdir, tell))


def convert(arguments: bytes, workdir: Path, tell: Tell = ignore) -> Any:
    """Make files the rows that a table shall be given, as CSV, ROWS; answers Loaded."""
    call = msgspec.json.decode(arguments, type=LoadArguments)
    use_one_thread()
    with opened(workdir / calls.CHANGED) as connection, _blaming_the_files():
        loaded = load_files(connection, call, workdir, tell, is_there=False)
        write_csv(connection, call.table, loaded.columns, workdir / calls.ROWS)
        return msgspec.to_builtins(loaded)


def drop(arguments: bytes, workdir: Path) -> Any:
    """Remove a table from a copy of the database, CHANGED, if it is there."""
    call = msgspec.json.decode(arguments, type=DropArguments)
    with changing(workdir / calls.DATABASE, workdir / calls.CHANGED) as connection:
        drop_table(connection, call.table)


def choose_files(arguments: bytes, workdir: Path) -> Any:
    """Hold the listing in LISTING against what a table was loaded from; answers Chosen."""
    call = msgspec.json.decode(arguments, type=ChooseArguments)
    listing = (workdir / calls.LISTING).read_bytes()
    listed = msgspec.json.decode(listing, type=list[ListedFile])
    with opened(workdir / calls.DATABASE, read_only=True) as connection:
        loaded = loaded_files(connection, call.table)
    with _blaming_the_files():
        return msgspec.to_builtins(choose(listed, loaded, call.bytes_max, call.files_max))


@contextlib.contextmanager
def _blaming_the_files() -> Iterator[None]:
    try:
        yield
    except TooLarge as error:
        raise Fatal("result_too_large", error.message) from error
    except Invalid as error:
        raise Fatal("invalid_file", error.message) from error
