"""CSV to batches of rows: commas, quotes doubled inside of quotes, a header, UTF-8.

An empty value is null, a quoted empty one is an empty text. The type of a column is the first of
integer, double, boolean, date, timestamp and timestamp with a zone that all of its values are
written as, else text. Numbers that would lose digits stay text: leading zeros, integers too long.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from outlast.operations.errors import Invalid
from outlast.resources.datasets.tables import AnyArray, check_names, first_line
from outlast.resources.datasets.text import check_utf8, open_text

_FORMAT: Final = "CSV"
# The reader keeps a few dozen of them ahead; no row is longer than one.
_BLOCK_BYTES: Final = 1024 * 1024
_HEADER_BYTES_MAX: Final = 4 * 1024 * 1024
_LEADING_ZERO: Final = r"^[+-]?0[0-9xX]"
_ROUNDED: Final = r"^[+-]?(0[0-9xX]|[0-9]{16,}$)"
_BOOLEAN: Final = r"^(?i:true|false)$"
_SPECIAL: Final = r"^[+-]?(?i:nan|inf)"
_ROW: Final = re.compile(r"Row #(\d+): Expected (\d+) columns?, got (\d+)")

_Fits = Callable[[AnyArray], bool]


def read_csv(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The schema of a file, and its rows. Raises Invalid, the iterator too."""
    check_utf8(path, _FORMAT)
    names = _header(path)
    left = {name: list(_CANDIDATES) for name in names}
    has_values = dict.fromkeys(names, False)
    for batch in _texts(path, names):
        for name, values in zip(names, batch.columns, strict=True):
            values = values.drop_null()  # noqa: PLW2901  nulls fit everything
            has_values[name] |= len(values) > 0
            if len(values):
                left[name] = [type for type in left[name] if _CANDIDATES[type](values)]
    types = [
        next(iter(left[name]), pa.string()) if has_values[name] else pa.string() for name in names
    ]
    schema = pa.schema(list(zip(names, types, strict=True)))
    return schema, _typed(path, schema)


def read_csv_as_text(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """As `read_csv`, every value as its text: for who knows the types."""
    check_utf8(path, _FORMAT)
    names = _header(path)
    return pa.schema([(name, pa.string()) for name in names]), _texts(path, names)


def _header(path: Path) -> list[str]:
    with open_text(path, _FORMAT) as file:
        head = file.read(_HEADER_BYTES_MAX)
    if not head.strip():
        raise Invalid("the file is empty: a CSV file begins with the names of its columns")
    # A cut character at the end belongs to a row, or to a header that is refused below.
    lines = io.StringIO(head.decode(errors="replace"), newline="")
    csv.field_size_limit(_HEADER_BYTES_MAX)
    try:
        names = next(csv.reader(lines, strict=True))
    except (csv.Error, StopIteration) as error:
        raise Invalid(f"line 1: the header cannot be read: {error}") from error
    if len(head) == _HEADER_BYTES_MAX and lines.tell() >= len(lines.getvalue()):
        raise Invalid(f"line 1: the header is longer than {_HEADER_BYTES_MAX} bytes")
    check_names(names)
    return names


def _texts(path: Path, names: list[str]) -> Iterator[pa.RecordBatch]:
    """The rows, every value as text."""
    with open_text(path, _FORMAT) as file:
        row = 1
        try:
            reader = pcsv.open_csv(
                file,
                pcsv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
                # In a table of one column an empty line is a row, in others it is nothing.
                pcsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=len(names) > 1),
                pcsv.ConvertOptions(  # type: ignore[call-arg]  # the stubs are older
                    default_column_type=pa.string(),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            for batch in reader:
                row += batch.num_rows
                yield batch
        except pa.ArrowInvalid as error:
            raise _diagnosis(row, error) from error


def _diagnosis(row: int, error: pa.ArrowInvalid) -> Invalid:
    text = first_line(error)
    if found := _ROW.search(text):
        number, expected, got = found.groups()
        return Invalid(f"row {number} has {got} values, but the header names {expected}")
    if "straddling" in text or "too large" in text:
        return Invalid(f"after row {row}: a row is longer than {_BLOCK_BYTES} bytes")
    return Invalid(f"after row {row}: {text}")


def _typed(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in _texts(path, schema.names):
        arrays = [
            values if field.type == pa.string() else pc.cast(values, field.type)
            for field, values in zip(schema, batch.columns, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _casts(type: pa.DataType, *, never: str | None = None, always: str | None = None) -> _Fits:
    def fits(values: AnyArray) -> bool:
        if not _can_cast(values[:64], type) or not _can_cast(values, type):
            return False
        if never is not None and pc.any(pc.match_substring_regex(values, never)).as_py():
            return False
        return always is None or pc.all(pc.match_substring_regex(values, always)).as_py() is True

    return fits


def _can_cast(values: AnyArray, type: pa.DataType) -> bool:
    try:
        pc.cast(values, type)
    except pa.ArrowInvalid:
        return False
    return True


_CANDIDATES: Final[dict[pa.DataType, _Fits]] = {
    pa.int64(): _casts(pa.int64(), never=_LEADING_ZERO),
    pa.float64(): _casts(pa.float64(), never=f"{_ROUNDED}|{_SPECIAL}"),
    pa.bool_(): _casts(pa.bool_(), always=_BOOLEAN),
    pa.date32(): _casts(pa.date32()),
    pa.timestamp("us"): _casts(pa.timestamp("us")),
    pa.timestamp("us", "UTC"): _casts(pa.timestamp("us", "UTC")),
}
