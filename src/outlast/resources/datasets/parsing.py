"""Turns uploaded bytes into parts. Runs in a locked child: the bytes may be hostile."""

import outlast.resources.datasets.frugal  # noqa: F401  # isort: skip  it must come first

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from outlast.operations.errors import Invalid
from outlast.resources.datasets.calls import ParseArguments
from outlast.resources.datasets.csv_parsing import read_csv
from outlast.resources.datasets.jsonl_parsing import read_jsonl
from outlast.resources.datasets.parquet_parsing import read_parquet
from outlast.resources.datasets.parts import PartWriter
from outlast.resources.datasets.tables import use_one_thread

_READERS: Final[dict[str, Callable[[Path], tuple[pa.Schema, Iterator[pa.RecordBatch]]]]] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "parquet": read_parquet,
}


def parse(arguments: bytes, workdir: Path) -> dict[str, Any]:
    """Write the parts of an uploaded file into the workdir.

    Answers {"manifest", "files"}, or {"code", "message"} when the bytes are at fault.
    """
    call = msgspec.json.decode(arguments, type=ParseArguments)
    use_one_thread()
    try:
        schema, rows = _READERS[call.format](workdir / call.file)
        writer = PartWriter(workdir, schema, call.limits)
        for batch in rows:
            writer.write(batch)
        manifest, files = writer.close()
    except Invalid as error:
        return {"code": error.code, "message": error.message}
    except MemoryError:
        return {"code": "too_large", "message": "the file needs more memory than a child is given"}
    return {"manifest": msgspec.to_builtins(manifest), "files": list(files)}
