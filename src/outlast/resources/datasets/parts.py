"""Writes rows as the Parquet parts of a version."""

import hashlib
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from outlast.operations.errors import TooLarge
from outlast.resources.datasets.calls import WriteLimits
from outlast.resources.datasets.model import PARTS_MAX, Manifest, Part
from outlast.resources.datasets.tables import describe, to_storable

GROUP_ROWS_MAX: Final = 122_880
GROUP_BYTES_MAX: Final = 32 * 1024 * 1024
PART_ROWS_MAX: Final = 1_048_576
PART_BYTES_MAX: Final = 256 * 1024 * 1024
_SLICE_BYTES: Final = 8 * 1024 * 1024
_HASH_BYTES: Final = 1024 * 1024


class PartWriter:
    """Writes batches into files of bounded size below one folder.

    The same batches give the same bytes, so that the same content is the same version. Memory is
    bounded by the size of a row group, not by the number of rows. Files are called after `stem`.
    """

    def __init__(
        self, folder: Path, schema: pa.Schema, limits: WriteLimits, stem: str = "part"
    ) -> None:
        self._folder = folder
        self._schema = schema
        self._limits = limits
        self._stem = stem
        self._files: list[Path] = []
        self._rows: list[int] = []
        self._writer: pq.ParquetWriter | None = None
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = self._pending_bytes = 0
        self._part_rows = self._part_bytes = 0
        self.rows = 0
        self.bytes = 0

    def write(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Add rows; gives them as they are stored.

        Raises TooLarge past a limit, Invalid for a value that cannot be stored.
        """
        batch = to_storable(batch, self._schema, self.rows)
        self.rows += batch.num_rows
        if self.rows > self._limits.rows:
            raise TooLarge(f"there are more than {self._limits.rows} rows")
        for piece in _slices(batch):
            size = piece.nbytes
            self.bytes += size
            if self.bytes > self._limits.bytes:
                raise TooLarge(f"the rows have more than {self._limits.bytes} bytes")
            self._pending.append(piece)
            self._pending_rows += piece.num_rows
            self._pending_bytes += size
            if self._pending_rows >= GROUP_ROWS_MAX or self._pending_bytes >= GROUP_BYTES_MAX:
                self._write_group()
        return batch

    def close(self) -> tuple[Manifest, tuple[str, ...]]:
        """Finish; the manifest of what was written, and the names of the files, in order."""
        if self._pending or not self._files:
            self._write_group()
        self._end_part()
        parts = tuple(
            describe_part(path, rows) for path, rows in zip(self._files, self._rows, strict=True)
        )
        manifest = Manifest(columns=describe(self._schema), parts=parts, rows=self.rows)
        return manifest, tuple(path.name for path in self._files)

    def _write_group(self) -> None:
        if self._writer is None:
            self._writer = self._begin_part()
        table = pa.Table.from_batches(self._pending, schema=self._schema)
        self._writer.write_table(table, row_group_size=GROUP_ROWS_MAX)
        self._part_rows += self._pending_rows
        self._part_bytes += self._pending_bytes
        self._rows[-1] += self._pending_rows
        self._pending = []
        self._pending_rows = self._pending_bytes = 0
        if self._part_rows >= PART_ROWS_MAX - GROUP_ROWS_MAX or self._part_bytes >= PART_BYTES_MAX:
            self._end_part()

    def _begin_part(self) -> pq.ParquetWriter:
        if len(self._files) >= PARTS_MAX:
            raise TooLarge(f"the version would have more than {PARTS_MAX} parts")
        path = self._folder / f"{self._stem}-{len(self._files):05}.parquet"
        self._files.append(path)
        self._rows.append(0)
        # Without the Arrow schema inside, a reader sees Parquet's own types and nothing else.
        return pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            store_schema=False,
        )

    def _end_part(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        self._part_rows = self._part_bytes = 0


def _slices(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """The batch, or pieces of it small enough for a row group."""
    if batch.num_rows <= GROUP_ROWS_MAX and batch.nbytes <= GROUP_BYTES_MAX:
        return [batch]
    rows = max(1, min(GROUP_ROWS_MAX, batch.num_rows * _SLICE_BYTES // max(batch.nbytes, 1)))
    return [batch.slice(start, rows) for start in range(0, batch.num_rows, rows)]


def describe_part(path: Path, rows: int) -> Part:
    """The part that a file is, by its content."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(_HASH_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return Part(sha256=digest.hexdigest(), bytes=size, rows=rows)
