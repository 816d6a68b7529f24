"""The first rows of a result, small and plain enough to stand in the result itself."""

from typing import Any, Final

import msgspec
import pyarrow as pa

from outlast.operations import documents
from outlast.resources.datasets.reading import json_rows

ROWS_MAX: Final = 20
BYTES_MAX: Final = 64 * 1024
_INT64_MAX: Final = 2**63 - 1


class Sample:
    """Collects rows until there are enough. What a document cannot hold is replaced.

    NUL becomes U+FFFD, an integer beyond 64 bits its text, NaN and infinities null. It ends before
    the row that would be too much.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._bytes_left = BYTES_MAX
        self._is_full = False

    def add(self, batch: pa.RecordBatch) -> None:
        """Take what is still wanted of a batch."""
        for number in range(batch.num_rows):
            if self._is_full or len(self.rows) == ROWS_MAX:
                return
            row = batch.slice(number, 1)
            # Looked at first, so that a text of a gigabyte is not made into a Python object.
            if row.nbytes > self._bytes_left:
                self._is_full = True
                return
            self._add_row(json_rows(row)[0])

    def _add_row(self, row: dict[str, Any]) -> None:
        document = msgspec.json.encode(row)
        self._bytes_left -= len(document)
        if self._bytes_left < 0:
            self._is_full = True
        else:
            self.rows.append(_plain(documents.decode(document)))


def _plain(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", "\ufffd")
        case dict():
            return {_plain(key): _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case int() if value > _INT64_MAX:
            return str(value)
        case _:
            return value
