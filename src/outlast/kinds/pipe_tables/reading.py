"""The files of a pipe table as rows of its columns. Runs in a locked child: they may be hostile."""

import outlast.resources.datasets.frugal  # noqa: F401  # isort: skip  it must come first

import contextlib
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from outlast.kinds.pipe_tables.calls import LocalFile
from outlast.kinds.pipe_tables.converting import arrow_type, column_type, converted
from outlast.operations.errors import Invalid, TooLarge
from outlast.resources.datasets.csv_parsing import read_csv, read_csv_as_text
from outlast.resources.datasets.joining import naming
from outlast.resources.datasets.parquet_parsing import open_parquet, read_parquet
from outlast.resources.datasets.tables import AnyArray, to_storable
from outlast.resources.pipe_tables.column_types import VARCHAR, ColumnType, parse_type, widened

# Arrow looks for pandas when it makes its first array: a locked child cannot import any more.
pa.array([0])

_CHUNK_BYTES: Final = 1024 * 1024
_GZIP_ERRORS: Final = (gzip.BadGzipFile, EOFError, zlib.error)


class Allowance:
    """How many bytes may still come out of the files."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = self._left = bytes_max

    def take(self, count: int) -> None:
        """Raises TooLarge."""
        self._left -= count
        if self._left < 0:
            raise TooLarge(f"the files hold more than {self._bytes_max} bytes once unpacked")


def infer_types(
    files: Sequence[LocalFile],
    overrides: Mapping[str, str],
    workdir: Path,
    allowance: Allowance,
) -> dict[str, ColumnType]:
    """The columns of some files together, in the order in which they are first met.

    A column that a file lacks is null there. Raises Invalid where no type holds the values of all.
    """
    known: dict[str, ColumnType | None] = {}
    where: dict[str, LocalFile] = {}
    for file in files:
        with naming(file.key), _unpacked(file, workdir, allowance) as path:
            for name, type in _types_of(file, path).items():
                if name in overrides:
                    known[name] = parse_type(overrides[name])
                elif name not in known or known[name] is None:
                    known[name], where[name] = type, file
                elif type is not None:
                    known[name] = _joined(name, known[name] or type, where[name], type, file)
    return {name: VARCHAR if type is None else type for name, type in known.items()}


def read_rows(
    file: LocalFile,
    types: Mapping[str, ColumnType],
    partition_columns: Sequence[str],
    workdir: Path,
    allowance: Allowance,
) -> Iterator[pa.RecordBatch]:
    """The rows of a file as the columns of the table. Raises Invalid, naming file, row and column.

    A column that the file lacks is null; one that the table lacks is refused.
    """
    if sorted(file.partition) != sorted(partition_columns):
        raise Invalid(f"{file.key}: lies in folders of {sorted(file.partition)}")
    names = [name for name in types if name not in file.partition]
    with naming(file.key), _unpacked(file, workdir, allowance) as path:
        schema, batches = read_parquet(path) if file.format == "parquet" else read_csv_as_text(path)
        for name in schema.names:
            if name in file.partition:
                raise Invalid(f"column {name[:200]!r} is in the file and in its path")
            if name not in types:
                raise Invalid(f"column {name[:200]!r} is not a column of the table")
        fixed: dict[str, Any] = {
            name: converted(pa.array([value], pa.string()), types[name], name, 0)[0]
            for name, value in file.partition.items()
        }
        rows = 0
        for batch in batches:
            stored = to_storable(batch, schema, rows)
            allowance.take(stored.nbytes)
            arrays: dict[str, AnyArray] = {
                name: converted(stored.column(name), types[name], name, rows)
                if name in schema.names
                else pa.nulls(len(stored), arrow_type(types[name]))
                for name in names
            }
            arrays |= {name: pa.repeat(value, len(stored)) for name, value in fixed.items()}
            rows += len(stored)
            yield pa.RecordBatch.from_arrays([arrays[name] for name in types], names=list(types))


def _types_of(file: LocalFile, path: Path) -> dict[str, ColumnType | None]:
    """The types of a file's columns; None for one of nulls."""
    if file.format == "csv":
        schema, _ = read_csv(path)
        return {field.name: column_type(field.type) for field in schema}
    schema, _ = read_parquet(path)
    nulls = {field.name for field in open_parquet(path).schema_arrow if _is_null(field.type)}
    return {f.name: None if f.name in nulls else column_type(f.type) for f in schema}


def _is_null(type: pa.DataType) -> bool:
    return pa.types.is_null(type)


def _joined(
    name: str, one: ColumnType, first: LocalFile, other: ColumnType, second: LocalFile
) -> ColumnType:
    wide = widened(one, other)
    if wide is None and first.format == second.format == "csv":
        # Each value is a text there to begin with: nothing is lost.
        wide = VARCHAR
    if wide is None:
        raise Invalid(
            f"column {name[:200]!r} is {other.text}, but {one.text} in {first.key}: give it a type"
            " in column_overrides"
        )
    return wide


@contextlib.contextmanager
def _unpacked(file: LocalFile, workdir: Path, allowance: Allowance) -> Iterator[Path]:
    """The file, decompressed if it is compressed."""
    path = workdir / file.file
    if not file.is_compressed:
        yield path
        return
    plain = workdir / "unpacked"
    try:
        _unpack(path, plain, allowance)
        yield plain
    finally:
        plain.unlink(missing_ok=True)


def _unpack(packed: Path, plain: Path, allowance: Allowance) -> None:
    try:
        with gzip.open(packed) as source, plain.open("wb") as target:
            while chunk := source.read(_CHUNK_BYTES):
                allowance.take(len(chunk))
                target.write(chunk)
    except _GZIP_ERRORS as error:
        raise Invalid(f"this is not a readable gzip file: {error}") from error
