"""What the server asks of a locked child, in types that it can make without reading any Parquet."""

from typing import Final, Literal

import msgspec

Format = Literal["jsonl", "csv", "parquet"]

PARSE: Final = "outlast.resources.datasets.parsing:parse"
READ_ROWS: Final = "outlast.resources.datasets.reading:read_rows"
EXPORT: Final = "outlast.resources.datasets.reading:export"


class WriteLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one version may hold: rows, and bytes before they are compressed."""

    rows: int = 2_000_000_000
    bytes: int = 256 * 1024**3


class ParseArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Which file of the workdir to parse, and as what."""

    file: str
    format: Format
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
