"""What an attempt asks of a locked child, in types that it can make without any engine."""

from collections.abc import Mapping
from typing import Final

import msgspec

from outlast.resources.pipe_tables.listing import FileFormat
from outlast.resources.pipe_tables.model import Contents, Definition, TableColumn

MODULE: Final = "outlast.kinds.pipe_tables.locked"
LOAD: Final = f"{MODULE}:load"
CONVERT: Final = f"{MODULE}:convert"
DROP: Final = f"{MODULE}:drop"
CHOOSE: Final = f"{MODULE}:choose_files"

DATABASE: Final = "database.duckdb"
"""The name of the database among the inputs of a call."""

CHANGED: Final = "changed.duckdb"
"""The name of what a call makes of it."""

ROWS: Final = "rows.csv"
"""The name of what a call makes for another engine than DuckDB."""

LISTING: Final = "listing.json"
"""The name of the file with what was listed."""


class LocalFile(msgspec.Struct, frozen=True, kw_only=True):
    """A fetched file: what it is called in the workdir, and what it was where it came from."""

    file: str
    key: str
    identity: str
    bytes: int
    format: FileFormat
    is_compressed: bool
    partition: Mapping[str, str | None]


class LoadArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Which files to load into which table; `contents` is what is there so far.

    A table without columns is made. `unpacked_bytes_max` is how large all rows may be together.
    """

    table: str
    definition: Definition
    contents: Contents
    files: tuple[LocalFile, ...]
    operation_id: str
    unpacked_bytes_max: int


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What a load made of a table: its columns, how many rows it read, and how many there are."""

    columns: tuple[TableColumn, ...]
    partition_columns: tuple[str, ...]
    rows_loaded: int
    rows: int


class DropArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Which table to remove."""

    table: str


class ChooseArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Which table to hold a listing against, and how much to take of what is new."""

    table: str
    bytes_max: int
    files_max: int
