"""Rows as a declared schema wants them. Runs in a locked child: the rows may be hostile.

Every row is held against the declaration, and the first that does not fit is named, with its
column. A column that is missing from a row is null, where the declaration allows that.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from outlast.operations import documents
from outlast.operations.errors import Invalid, InvalidSpec
from outlast.resources.datasets.declaration import DeclaredColumn
from outlast.resources.datasets.tables import (
    JSON,
    NESTING_MAX,
    AnyArray,
    check_names,
    first_line,
)
from outlast.resources.datasets.text import blocks, check_utf8, open_text

_ROWS_AT_ONCE: Final = 16_384
_PLACE: Final = re.compile(r"(?s)(.*?) - at `\$(?:\[(\d+)\])?(?:\.(.*))?`")
_NAMED: Final = re.compile(r"(?s)Object (?:missing required|contains unknown) field `(.*)`")
_INT64: Final = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_NULL: Final = b"null"
_TYPES: Final[dict[str, tuple[pa.DataType, Any]]] = {
    "string": (pa.string(), str),
    "int64": (pa.int64(), _INT64),
    "double": (pa.float64(), float),
    "boolean": (pa.bool_(), bool),
    "json": (JSON, msgspec.Raw),
}
"""What a declared type is stored as, and read as."""


def declared_schema(columns: Sequence[DeclaredColumn]) -> pa.Schema:
    """The schema in which rows of these columns are stored. Raises Invalid."""
    check_names([column.name for column in columns])
    return pa.schema([(column.name, _TYPES[column.type][0]) for column in columns])


def rows_as_declared(rows: bytes, columns: Sequence[DeclaredColumn]) -> Iterator[pa.RecordBatch]:
    """A JSON array of objects. Raises InvalidSpec, naming the row, from 1, and the column."""
    schema = declared_schema(columns)
    try:
        decoded = msgspec.json.decode(rows, type=list[_row_type(columns)])  # type: ignore[misc]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _in_array(error) from error
    for start in range(0, len(decoded), _ROWS_AT_ONCE):
        piece = decoded[start : start + _ROWS_AT_ONCE]
        yield _batch(piece, columns, schema, range(start + 1, start + 1 + len(piece)), "row")


def lines_as_declared(
    path: Path, columns: Sequence[DeclaredColumn]
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """JSON lines. The iterator raises Invalid, naming the line and the column."""
    check_utf8(path, "JSON lines")
    schema = declared_schema(columns)
    return schema, _lines(path, columns, schema)


def _lines(
    path: Path, columns: Sequence[DeclaredColumn], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    decoder = msgspec.json.Decoder(_row_type(columns))
    with open_text(path, "JSON lines") as file:
        for first, block in blocks(file):
            rows, numbers = [], []
            for number, text in enumerate(block.split(b"\n"), first):
                if not text.strip():
                    continue
                try:
                    rows.append(decoder.decode(text))
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    reason, _, column = _said(error)
                    raise Invalid(f"line {number}{_of(column)}: {reason}") from error
                numbers.append(number)
            if rows:
                yield _batch(rows, columns, schema, numbers, "line")


def batches_as_declared(
    schema: pa.Schema, batches: Iterator[pa.RecordBatch], columns: Sequence[DeclaredColumn]
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Rows that have a schema, in the declared one. Raises Invalid, the iterator too."""
    wanted = declared_schema(columns)
    for name in schema.names:
        if name not in wanted.names:
            raise Invalid(f"column {name[:200]!r} is not declared")
    for column in columns:
        if column.name not in schema.names and not column.is_optional:
            raise Invalid(f"column {column.name!r} is declared, but missing")
    return wanted, _conformed(batches, columns, wanted)


def _conformed(
    batches: Iterator[pa.RecordBatch], columns: Sequence[DeclaredColumn], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    rows = 0
    for batch in batches:
        arrays = []
        for column, field in zip(columns, schema, strict=True):
            if column.name in batch.schema.names:
                array = batch.column(column.name)
            else:
                array = pa.nulls(batch.num_rows, field.type)
            if array.null_count and not column.is_optional:
                row = rows + 1 + pc.index(array.is_null(), True).as_py()
                raise Invalid(f"row {row}, column {column.name!r}: is null")
            arrays.append(_converted(array, field, rows))
        rows += batch.num_rows
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _converted(array: AnyArray, field: "pa.Field[Any]", rows_before: int) -> AnyArray:
    """The array in the type of a field. Raises Invalid, naming the row."""
    if array.type.equals(field.type):
        return array
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if field.type.equals(JSON):
        return _as_json(array, field.name, rows_before)
    try:
        return pc.cast(array, field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        for number in range(len(array)):
            try:
                pc.cast(array.slice(number, 1), field.type)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as guilty:
                row, reason = rows_before + number + 1, first_line(guilty)
                raise Invalid(f"row {row}, column {field.name!r}: {reason}") from error
        raise


def _as_json(array: AnyArray, column: str, rows_before: int) -> AnyArray:
    texts: list[str | None] = []
    for row, value in enumerate(array.to_pylist(), rows_before + 1):
        try:
            # A text is JSON already, as a CSV file has it; anything else becomes JSON.
            encoded = value.encode() if isinstance(value, str) else msgspec.json.encode(value)
            texts.append(None if value is None else _compact(encoded))
        except (msgspec.DecodeError, RecursionError, OverflowError) as error:
            raise Invalid(f"row {row}, column {column!r}: is not JSON: {error}") from error
    return pa.ExtensionArray.from_storage(JSON, pa.array(texts, pa.string()))


def _row_type(columns: Sequence[DeclaredColumn]) -> Any:
    fields: list[Any] = []
    for number, column in enumerate(columns):
        type = _TYPES[column.type][1]
        name = f"c{number}"
        if not column.is_optional:
            fields.append((name, type))
        elif column.type == "json":
            fields.append((name, type, msgspec.Raw(_NULL)))
        else:
            fields.append((name, type | None, None))
    names = {f"c{number}": column.name for number, column in enumerate(columns)}
    return msgspec.defstruct(
        "Row", fields, rename=names, forbid_unknown_fields=True, kw_only=True, gc=False
    )


def _batch(
    rows: Sequence[Any],
    columns: Sequence[DeclaredColumn],
    schema: pa.Schema,
    numbers: Sequence[int],
    word: str,
) -> pa.RecordBatch:
    arrays: list[AnyArray] = []
    for number, (column, field) in enumerate(zip(columns, schema, strict=True)):
        values = [getattr(row, f"c{number}") for row in rows]
        if column.type != "json":
            arrays.append(pa.array(values, field.type))
            continue
        texts: list[str | None] = []
        for at, value in zip(numbers, values, strict=True):
            is_null = column.is_optional and bytes(value) == _NULL
            try:
                texts.append(None if is_null else _compact(bytes(value)))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise _wrong_value(word, at, column.name, str(error)) from error
        arrays.append(pa.ExtensionArray.from_storage(JSON, pa.array(texts, pa.string())))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _wrong_value(word: str, at: int, column: str, reason: str) -> Invalid:
    message = f"{word} {at}, column {column!r}: {reason}"
    if word == "row":
        return InvalidSpec(message, field_errors={f"rows.{at - 1}.{column}": reason})
    return Invalid(message)


def _compact(text: bytes) -> str:
    """A JSON value in one line. Raises DecodeError, also for one that is nested too deeply."""
    brackets = text.count(b"{") + text.count(b"[")
    if brackets > NESTING_MAX and documents.depth(text) > NESTING_MAX:
        raise msgspec.DecodeError(f"is nested deeper than {NESTING_MAX} levels")
    return msgspec.json.format(text, indent=-1).decode()


def _in_array(error: Exception) -> InvalidSpec:
    reason, index, column = _said(error)
    if index is None:
        return InvalidSpec(f"rows: {reason}", field_errors={"rows": reason})
    field = f"rows.{index}" if column is None else f"rows.{index}.{column}"
    message = f"row {index + 1}{_of(column)}: {reason}"
    return InvalidSpec(message, field_errors={field: reason})


def _said(error: Exception) -> tuple[str, int | None, str | None]:
    """What a decoder complains of: the reason, the row's index and the column."""
    text = first_line(error)
    found = _PLACE.fullmatch(text)
    reason, index, column = found.groups() if found else (text, None, None)
    named = _NAMED.fullmatch(reason)
    if named and column is None:
        column = named[1]
        reason = "is missing" if "missing" in reason else "is not declared"
    return reason, None if index is None else int(index), column


def _of(column: str | None) -> str:
    return "" if column is None else f", column {column[:200]!r}"
