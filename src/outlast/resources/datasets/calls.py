"""What the server asks of a locked child, in types that it can make without reading any Parquet."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from outlast.resources.datasets.declaration import DeclaredColumn

Format = Literal["jsonl", "csv", "parquet"]
GuessedFormat = Literal["auto", "jsonl", "csv", "parquet"]
"""`auto`: by how the file begins."""

MODULE: Final = "outlast.resources.datasets.locked"
"""Whoever has this is ready for any of the calls."""

PARSE: Final = f"{MODULE}:parse"
PARSE_FILES: Final = f"{MODULE}:parse_files"
PARSE_BODY: Final = f"{MODULE}:parse_body"
READ_ROWS: Final = f"{MODULE}:read_rows"
EXPORT: Final = f"{MODULE}:export"


_FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
)


def format_of(name: str, format: GuessedFormat) -> GuessedFormat:
    """A file's format, by its name where that is asked for and says it."""
    if format != "auto":
        return format
    return _FORMATS.get(PurePosixPath(name).suffix.lower(), "auto")


class WriteLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one version may hold: rows, and bytes before they are compressed."""

    rows: int = 2_000_000_000
    bytes: int = 256 * 1024**3


class ParseArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Which file of the workdir to parse, as what, and which columns it must have, if not any."""

    file: str
    format: GuessedFormat
    columns: tuple[DeclaredColumn, ...] | None = None
    limits: WriteLimits = WriteLimits()


class NamedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the workdir, what its owner calls it, and its format."""

    file: str
    name: str
    format: GuessedFormat


class FilesArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Which files of the workdir to parse as one table, one after the other; see ParseArguments."""

    files: tuple[NamedFile, ...]
    columns: tuple[DeclaredColumn, ...] | None = None
    limits: WriteLimits = WriteLimits()


class BodyArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Which file of the workdir holds a JSON object with the member `rows`.

    `reader` is "module:function": given the object without its rows, as bytes, it returns what a
    Declaration with columns is made of. It may raise Invalid.
    """

    file: str
    reader: str
    limits: WriteLimits = WriteLimits()


class RowsArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of some files of the workdir: `offset` counts from the first file's first."""

    files: tuple[str, ...]
    offset: int
    limit: int
    bytes_max: int


class ExportArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Which files of the workdir to write as one, in which format; CSV with or without a header."""

    files: tuple[str, ...]
    format: Format
    header: bool = True
