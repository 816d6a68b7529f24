"""Parquet files of others to batches of rows: what we store is always written anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from outlast.operations.errors import Invalid
from outlast.resources.datasets.tables import first_line, storable_schema

# Few enough for long texts: what the footer says of their size says nothing of repeated ones.
BATCH_ROWS: Final = 2048
_STRING_BYTES_MAX: Final = 16 * 1024 * 1024
_CONTAINER_MAX: Final = 2_000_000
_ERRORS: Final = (pa.ArrowException, OSError, ValueError)


def read_parquet(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The schema of a file, and its rows. Raises Invalid, the iterator too."""
    file = open_parquet(path)
    schema = storable_schema(file.schema_arrow)
    return schema, batches(file)


def open_parquet(path: Path) -> pq.ParquetFile:
    """The file, with its footer read within limits. Raises Invalid."""
    try:
        return pq.ParquetFile(
            path,
            pre_buffer=False,
            buffer_size=1024 * 1024,
            thrift_string_size_limit=_STRING_BYTES_MAX,
            thrift_container_size_limit=_CONTAINER_MAX,
        )
    except MemoryError:
        raise
    except _ERRORS as error:
        raise Invalid(f"this is not a readable Parquet file: {first_line(error)}") from error


def batches(file: pq.ParquetFile, groups: list[int] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of some row groups, or of all; never a whole group in memory."""
    rows = 0
    try:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=groups, use_threads=False):
            rows += batch.num_rows
            yield batch
    except MemoryError:
        raise
    except _ERRORS as error:
        raise Invalid(f"after row {rows}: {first_line(error)}") from error
