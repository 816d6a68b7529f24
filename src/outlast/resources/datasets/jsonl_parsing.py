"""JSON lines to batches of rows: one object a line.

The schema is inferred from the whole file: integers beside fractions become doubles, missing and
null values are null, what is null everywhere is text. Text stays text, also where it looks like a
date. Other mixtures are refused, naming the line, and so are integers beyond 64 bits.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.json as pj

from outlast.operations import documents
from outlast.operations.errors import Invalid
from outlast.resources.datasets.model import COLUMNS_MAX
from outlast.resources.datasets.tables import (
    NESTING_MAX,
    check_names,
    first_line,
    storable_schema,
)
from outlast.resources.datasets.text import blocks, check_utf8, open_text

_FORMAT: Final = "JSON lines"
_LONG_NUMBER: Final = b"0" * 19
_DIGITS_AS_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")
_IN_ROW: Final = re.compile(r" in row (\d+)$")
_NEWLINE: Final = b"\n"
_INT64: Final = range(-(2**63), 2**63)


def read_jsonl(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The schema of a file, and its rows. Raises Invalid, the iterator too."""
    check_utf8(path, _FORMAT)
    schema = storable_schema(_infer(path))
    return schema, _batches(path, schema)


def _infer(path: Path) -> pa.Schema:
    found: pa.StructType = pa.struct([])
    rows = 0
    with open_text(path, _FORMAT) as file:
        for line, block in blocks(file):
            if not block.strip():
                continue
            _check_lines(line, block)
            table = _parse(line, block, None)
            rows += table.num_rows
            check_names(table.schema.names or ["-"])
            try:
                found = _widest_struct(found, pa.struct(list(table.schema)), ())
            except _Mixed as mixed:
                raise _mixture(line, block, found, mixed) from mixed
            check_names([field.name for field in found] or ["-"])
    if not rows:
        raise Invalid("the file has no rows, so that its columns are unknown")
    if not found.num_fields:
        raise Invalid("no line names a column")
    return pa.schema([found.field(i) for i in range(found.num_fields)])


def _batches(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with open_text(path, _FORMAT) as file:
        for line, block in blocks(file):
            if block.strip():
                yield from _parse(line, block, schema).to_batches()


def _check_lines(first: int, block: bytes) -> None:
    """Refuse what the parser would follow too deep, and integers that it would round."""
    has_long_number = _LONG_NUMBER in block.translate(_DIGITS_AS_ZERO)
    for line, text in enumerate(block.split(_NEWLINE), first):
        brackets = text.count(b"{") + text.count(b"[")
        if brackets > NESTING_MAX and documents.depth(text) > NESTING_MAX:
            raise Invalid(f"line {line} is nested deeper than {NESTING_MAX} levels")
        # The parser takes a minute for a hundred thousand columns.
        if len(text) > COLUMNS_MAX and text.count(b":") > COLUMNS_MAX:
            check_names(list(_object(line, text)))
        if has_long_number and _LONG_NUMBER in text.translate(_DIGITS_AS_ZERO):
            for column, value in _object(line, text).items():
                if not all(number in _INT64 for number in _integers(value)):
                    raise Invalid(
                        f"line {line}, column {column!r}: an integer does not fit into 64 bits; "
                        "write it as text"
                    )


def _parse(line: int, block: bytes, schema: pa.Schema | None) -> pa.Table:
    options = pj.ParseOptions(
        explicit_schema=schema,
        newlines_in_values=False,
        unexpected_field_behavior="infer" if schema is None else "error",
    )
    read = pj.ReadOptions(use_threads=False, block_size=len(block) + 1)
    try:
        table = pj.read_json(io.BytesIO(block), read, options)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError) as error:
        raise _diagnosis(line, block, error) from error
    # Two objects in one line, or one over several, the parser takes as they come.
    if table.num_rows != block.count(_NEWLINE) + (not block.endswith(_NEWLINE)):
        for number, text in enumerate(block.split(_NEWLINE), line):
            if text.strip():
                _object(number, text)
    return table


def _diagnosis(first: int, block: bytes, error: Exception) -> Invalid:
    """Which line the parser could not take, found by going through them one by one."""
    kinds: dict[str, tuple[str, int]] = {}
    for line, text in enumerate(block.split(_NEWLINE), first):
        if not text.strip():
            continue
        try:
            item = _object(line, text)
        except Invalid as invalid:
            return invalid
        for column, value in item.items():
            kind = _kind(value)
            before, at = kinds.setdefault(column, (kind, line))
            if before == "null":
                kinds[column] = (kind, line)
            elif kind not in {before, "null"}:
                return Invalid(f"line {line}, column {column!r}: {kind}, but {before} in line {at}")
    reason = first_line(error).removeprefix("JSON parse error: ")
    found = _IN_ROW.search(reason)
    if found is None:
        return Invalid(f"lines {first} to {first + block.count(_NEWLINE)}: {reason}")
    lines = [line for line, text in enumerate(block.split(_NEWLINE), first) if text.strip()]
    line = lines[min(int(found[1]), len(lines) - 1)]
    return Invalid(f"line {line}: {reason.removesuffix(found[0])}")


def _object(line: int, text: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"line {line} is not valid JSON: {first_line(error)}") from error
    if not isinstance(value, dict):
        raise Invalid(f"line {line} is {_kind(value)}, not an object")
    return value


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"


def _kind_of_type(type: pa.DataType) -> str:
    if pa.types.is_boolean(type):
        return "a boolean"
    if pa.types.is_integer(type) or pa.types.is_floating(type):
        return "a number"
    if pa.types.is_list(type):
        return "a list"
    return "an object" if pa.types.is_struct(type) else "a text"


def _integers(value: object) -> Iterator[int]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, int):
            yield item


class _Mixed(Exception):
    """Two types that no third one holds, and the path to them."""

    def __init__(self, path: tuple[str, ...]) -> None:
        self.path = path
        super().__init__(".".join(path))


def _widest(a: pa.DataType, b: pa.DataType, path: tuple[str, ...] = ()) -> pa.DataType:
    """The type that holds the values of both. Raises _Mixed."""
    if pa.types.is_timestamp(a):
        a = pa.string()
    if pa.types.is_timestamp(b):
        b = pa.string()
    if pa.types.is_struct(a) and (pa.types.is_struct(b) or pa.types.is_null(b)):
        return _widest_struct(a, b if pa.types.is_struct(b) else pa.struct([]), path)
    if pa.types.is_struct(b) and pa.types.is_null(a):
        return _widest_struct(pa.struct([]), b, path)
    if pa.types.is_list(a) or pa.types.is_list(b):
        if not all(pa.types.is_list(t) or pa.types.is_null(t) for t in (a, b)):
            raise _Mixed(path)
        return pa.list_(_widest(_element(a), _element(b), (*path, "[]")))
    if pa.types.is_null(a) or a.equals(b):
        return b
    if pa.types.is_null(b):
        return a
    if {str(a), str(b)} == {"int64", "double"}:
        return pa.float64()
    raise _Mixed(path)


def _element(type: pa.DataType) -> pa.DataType:
    return type.value_type if pa.types.is_list(type) else pa.null()


def _widest_struct(a: pa.StructType, b: pa.StructType, path: tuple[str, ...]) -> pa.StructType:
    fields = {a.field(i).name: a.field(i).type for i in range(a.num_fields)}
    for i in range(b.num_fields):
        name, type = b.field(i).name, b.field(i).type
        fields[name] = _widest(fields.get(name, pa.null()), type, (*path, name))
    return pa.struct(list(fields.items()))


def _mixture(first: int, block: bytes, found: pa.StructType, mixed: _Mixed) -> Invalid:
    column = mixed.path[0]
    before = _kind_of_type(found.field(column).type)
    for line, text in enumerate(block.split(_NEWLINE), first):
        if text.strip():
            kind = _kind(_object(line, text).get(column))
            if kind not in {before, "null"}:
                return Invalid(f"line {line}, column {column!r}: {kind}, but {before} before")
    return Invalid(f"lines from {first}, column {str(mixed)!r}: values of different types")
