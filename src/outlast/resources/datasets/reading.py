"""Rows of parts as JSON, CSV or Parquet. Runs in a locked child: the parts may be hostile.

In JSON, integers and finite doubles are numbers, NaN and infinities null, decimals text, binary
base64, dates and times ISO 8601, timestamps RFC 3339 (without a zone where the column has none),
maps lists of pairs, values of type json themselves. In CSV nested values are such JSON; null is
empty, an empty text is "".
"""

import outlast.resources.datasets.frugal  # noqa: F401  # isort: skip  it must come first

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from outlast.operations.errors import Invalid, TooLarge
from outlast.resources.datasets.calls import ExportArguments, RowsArguments
from outlast.resources.datasets.parquet_parsing import batches, open_parquet
from outlast.resources.datasets.parts import GROUP_BYTES_MAX, GROUP_ROWS_MAX
from outlast.resources.datasets.tables import AnyArray, use_one_thread

_SLICE_ROWS: Final = 1024
_encoder = msgspec.json.Encoder()


def read_rows(arguments: bytes, workdir: Path) -> dict[str, Any]:
    """Write a page of rows as a JSON array to `rows.json` of the workdir."""
    call = msgspec.json.decode(arguments, type=RowsArguments)
    use_one_thread()
    output = workdir / "rows.json"
    try:
        output.write_bytes(_page([workdir / name for name in call.files], call))
    except Invalid as error:
        return {"code": error.code, "message": error.message}
    except MemoryError:
        return {"code": "too_large", "message": "a row needs more memory than a child is given"}
    return {"file": output.name}


def export(arguments: bytes, workdir: Path) -> dict[str, Any]:
    """Write all rows of some files to `export` of the workdir."""
    call = msgspec.json.decode(arguments, type=ExportArguments)
    use_one_thread()
    output = workdir / "export"
    try:
        write_export(call, workdir, output)
    except Invalid as error:
        return {"code": error.code, "message": error.message}
    except MemoryError:
        return {"code": "too_large", "message": "a row needs more memory than a child is given"}
    return {"file": output.name}


def write_export(call: ExportArguments, workdir: Path, output: Path) -> None:
    """Write all rows of some files to a file. Raises Invalid."""
    _EXPORTERS[call.format]([workdir / name for name in call.files], output, call)


def json_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows as dicts of what msgspec encodes as this module says."""
    names = batch.schema.names
    columns = [_values(array) for array in batch.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(array: AnyArray) -> list[Any]:
    if isinstance(array, pa.ExtensionArray):
        return [None if text is None else _embedded(text) for text in array.storage.to_pylist()]
    try:
        return _plain(array).to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):
        # Python's dates end with the year 9999; Arrow's text of them does not.
        return [str(value) if value.is_valid else None for value in array]


def _embedded(text: str) -> msgspec.Raw | str:
    """A JSON text as what it says, in one line; a text that is none, from a foreign file, as it is.

    Not decoded to objects: numbers would lose digits.
    """
    try:
        return msgspec.Raw(msgspec.json.format(text.encode(), indent=-1))
    except (msgspec.DecodeError, RecursionError):
        return text


def _plain(array: AnyArray) -> AnyArray:
    """The array in a type whose Python values msgspec can encode."""
    if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
        # Python's instants have microseconds; the text keeps all digits.
        zone = "Z" if array.type.tz else ""
        return pc.strftime(array, format=f"%Y-%m-%dT%H:%M:%S{zone}")
    return array


def _page(files: Sequence[Path], call: RowsArguments) -> bytes:
    encoded: list[bytes] = []
    size = 2
    for batch in _window(files, call.offset, call.limit):
        for start in range(0, batch.num_rows, _SLICE_ROWS):
            for row in json_rows(batch.slice(start, _SLICE_ROWS)):
                text = _encoder.encode(row)
                size += len(text) + 1
                if size > call.bytes_max:
                    raise TooLarge(
                        f"these rows have more than {call.bytes_max} bytes: ask for fewer at once"
                    )
                encoded.append(text)
    return b"[" + b",".join(encoded) + b"]"


def _window(files: Sequence[Path], offset: int, limit: int) -> Iterator[pa.RecordBatch]:
    """The rows from `offset` on, at most `limit`, without reading the row groups before."""
    left = limit
    for path in files:
        file = open_parquet(path)
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if offset >= rows:
                offset -= rows
                continue
            for batch in batches(file, [group]):
                if left <= 0:
                    return
                wanted = batch.slice(offset, left)
                offset = max(0, offset - batch.num_rows)
                left -= wanted.num_rows
                if wanted.num_rows:
                    yield wanted


def _all(files: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    for path in files:
        yield from batches(open_parquet(path))


def _export_jsonl(files: Sequence[Path], output: Path, _: ExportArguments) -> None:
    with output.open("wb") as target:
        for batch in _all(files):
            for start in range(0, batch.num_rows, _SLICE_ROWS):
                target.write(_encoder.encode_lines(json_rows(batch.slice(start, _SLICE_ROWS))))


def _export_csv(files: Sequence[Path], output: Path, call: ExportArguments) -> None:
    schema = _csv_schema(open_parquet(files[0]).schema_arrow)
    options = pcsv.WriteOptions(include_header=call.header)
    with pcsv.CSVWriter(output, schema, write_options=options) as writer:
        for batch in _all(files):
            arrays = [
                _csv_array(array, field.type)
                for array, field in zip(batch.columns, schema, strict=True)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))


def _csv_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([(field.name, _csv_type(field.type)) for field in schema])


def _csv_type(type: pa.DataType) -> pa.DataType:
    is_number = pa.types.is_integer(type) or pa.types.is_floating(type)
    if is_number or pa.types.is_boolean(type) or pa.types.is_date(type):
        return type
    return pa.string()


def _csv_array(array: AnyArray, type: pa.DataType) -> AnyArray:
    if array.type.equals(type):
        return array
    if isinstance(array, pa.ExtensionArray):
        storage: AnyArray = array.storage
        return storage
    texts = []
    for value in _values(array):
        text = value if value is None or isinstance(value, str) else _encoder.encode(value).decode()
        # A date or a decimal is a JSON text: only lists and objects keep their quotes.
        texts.append(
            text[1:-1] if text is not None and text is not value and text[0] == '"' else text
        )
    return pa.array(texts, pa.string())


def _export_parquet(files: Sequence[Path], output: Path, _: ExportArguments) -> None:
    schema = open_parquet(files[0]).schema_arrow
    with pq.ParquetWriter(output, schema, compression="zstd", store_schema=False) as writer:
        for group in _groups(_all(files)):
            writer.write_table(pa.Table.from_batches(group), row_group_size=GROUP_ROWS_MAX)


def _groups(rows: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """The batches gathered into row groups of a size that is good to read."""
    group: list[pa.RecordBatch] = []
    count = size = 0
    for batch in rows:
        group.append(batch)
        count += batch.num_rows
        size += batch.nbytes
        if count >= GROUP_ROWS_MAX or size >= GROUP_BYTES_MAX:
            yield group
            group, count, size = [], 0, 0
    if group:
        yield group


_EXPORTERS: Final = {"jsonl": _export_jsonl, "csv": _export_csv, "parquet": _export_parquet}
