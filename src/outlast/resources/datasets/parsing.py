"""Turns uploaded bytes into parts. Runs in a locked child: the bytes may be hostile."""

import outlast.resources.datasets.frugal  # noqa: F401  # isort: skip  it must come first

import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from outlast.operations.errors import Invalid, InvalidSpec
from outlast.resources.datasets.calls import (
    BodyArguments,
    FilesArguments,
    Format,
    GuessedFormat,
    ParseArguments,
    WriteLimits,
)
from outlast.resources.datasets.csv_parsing import read_csv, read_csv_as_text
from outlast.resources.datasets.declaration import Declaration, DeclaredColumn
from outlast.resources.datasets.declared import (
    batches_as_declared,
    declared_schema,
    lines_as_declared,
    rows_as_declared,
)
from outlast.resources.datasets.joining import NamedTable, Table, joined, naming
from outlast.resources.datasets.jsonl_parsing import read_jsonl
from outlast.resources.datasets.model import Manifest
from outlast.resources.datasets.parquet_parsing import read_parquet
from outlast.resources.datasets.parts import PartWriter
from outlast.resources.datasets.tables import use_one_thread

_READERS: Final[dict[Format, Callable[[Path], Table]]] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "parquet": read_parquet,
}
_HEAD_BYTES: Final = 4096


def parse(arguments: bytes, workdir: Path) -> dict[str, Any]:
    """Write the parts of an uploaded file into the workdir.

    Answers {"manifest", "files"}, or {"code", "message"} when the bytes are at fault.
    """
    call = msgspec.json.decode(arguments, type=ParseArguments)
    use_one_thread()
    return _answer(lambda: write_parts(call, workdir))


def parse_files(arguments: bytes, workdir: Path) -> dict[str, Any]:
    """As `parse`, for files that are one table together."""
    call = msgspec.json.decode(arguments, type=FilesArguments)
    use_one_thread()

    def write() -> tuple[Manifest, tuple[str, ...]]:
        tables: list[NamedTable] = []
        for file in call.files:
            path = workdir / file.file
            with naming(file.name):
                tables.append((file.name, *_read(path, _guessed(path, file.format), call.columns)))
        return _write(workdir, *joined(tables), call.limits)

    return _answer(write)


def parse_body(arguments: bytes, workdir: Path) -> dict[str, Any]:
    """As `parse`, for rows in a JSON object. Answers their "declaration" too."""
    call = msgspec.json.decode(arguments, type=BodyArguments)
    use_one_thread()
    declaration: Declaration | None = None

    def write() -> tuple[Manifest, tuple[str, ...]]:
        nonlocal declaration
        members = _members((workdir / call.file).read_bytes())
        rows = members.pop("rows", None)
        module, _, name = call.reader.partition(":")
        read = getattr(importlib.import_module(module), name)
        declaration = msgspec.convert(read(msgspec.json.encode(members)), Declaration)
        declaration.document("nobody")
        if rows is None:
            raise InvalidSpec("rows are missing", field_errors={"rows": "Field required"})
        columns = declaration.columns or ()
        batches = rows_as_declared(bytes(rows), columns)
        return _write(workdir, declared_schema(columns), batches, call.limits)

    answer = _answer(write)
    if "code" in answer:
        return answer
    return answer | {"declaration": msgspec.to_builtins(declaration)}


def write_parts(
    call: ParseArguments, workdir: Path, wrote: Callable[[int], object] | None = None
) -> tuple[Manifest, tuple[str, ...]]:
    """Write the parts of a file into its folder. Raises Invalid, saying where the fault is.

    `wrote` hears now and then how many rows there are so far; what it raises ends the writing.
    """
    path = workdir / call.file
    schema, rows = _read(path, _guessed(path, call.format), call.columns)
    return _write(workdir, schema, rows, call.limits, wrote)


def _read(path: Path, format: Format, columns: Sequence[DeclaredColumn] | None) -> Table:
    if columns is None:
        return _READERS[format](path)
    if format == "jsonl":
        return lines_as_declared(path, columns)
    read = read_csv_as_text if format == "csv" else _READERS[format]
    return batches_as_declared(*read(path), columns)


def _guessed(path: Path, format: GuessedFormat) -> Format:
    if format != "auto":
        return format
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(b"PAR1"):
        return "parquet"
    return "jsonl" if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{" else "csv"


def _write(
    folder: Path,
    schema: pa.Schema,
    rows: Iterator[pa.RecordBatch],
    limits: WriteLimits,
    wrote: Callable[[int], object] | None = None,
) -> tuple[Manifest, tuple[str, ...]]:
    writer = PartWriter(folder, schema, limits)
    for batch in rows:
        writer.write(batch)
        if wrote is not None:
            wrote(writer.rows)
    return writer.close()


def _answer(write: Callable[[], tuple[Manifest, tuple[str, ...]]]) -> dict[str, Any]:
    try:
        manifest, files = write()
    except InvalidSpec as error:
        return {"code": error.code, "message": error.message, "field_errors": error.field_errors}
    except Invalid as error:
        return {"code": error.code, "message": error.message}
    except MemoryError:
        return {"code": "too_large", "message": "the file needs more memory than a child is given"}
    return {"manifest": msgspec.to_builtins(manifest), "files": list(files)}


def _members(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"the body is not a JSON object: {error}") from error
