"""The folder that an export makes.

- `manifest.json`: what is here, with a SHA-256 of every table;
- `tables/NAME.msgpack`: a table's rows in the order of its key, in frames of up to 1,000 rows, each
  a length in four bytes and an array of arrays in MessagePack;
- `objects/`: every object, under its key;
- `chat-journal/`: entries of the chat log that were not published yet;
- `secret.key`, `admin-token`: as in a data folder.
"""

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from outlast.datafolder import DataFolder
from outlast.store.rows import Row
from outlast.store.transfer import BATCH_ROWS, Table

FORMAT: Final = 1
_LENGTH_BYTES: Final = 4
_FRAME_BYTES_MAX: Final = 2**31
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[list[Any]]).decode


class BrokenArchive(ValueError):
    """The folder is no export, not a whole one, or not one that this program can read."""


class TableEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the archive. `sha256` is of its file."""

    columns: tuple[str, ...]
    rows: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds.

    `objects_place` is where the bytes were that the archive leaves out, `keys` the names of the
    keys that open what is sealed.
    """

    format: int
    version: str
    tables: dict[str, TableEntry]
    objects: int
    object_bytes: int
    objects_place: str | None
    keys: tuple[str, ...]


class Archive:
    """An archive's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def files(self) -> DataFolder:
        """The parts that lie as in a data folder."""
        return DataFolder(self.root)

    def begin(self) -> None:
        """Make the folder. Raises BrokenArchive if there is anything in it."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(self.root.iterdir()):
            raise BrokenArchive(f"{self.root} is not empty")
        self.root.chmod(0o700)
        (self.root / "tables").mkdir(mode=0o700)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest: without one, a folder is no archive."""
        content = msgspec.json.format(msgspec.json.encode(manifest))
        (self.root / "manifest.json").write_bytes(content + b"\n")

    def manifest(self) -> Manifest:
        """What is here. Raises BrokenArchive."""
        path = self.root / "manifest.json"
        try:
            manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
        except (OSError, msgspec.MsgspecError) as error:
            raise BrokenArchive(f"{self.root} is no whole export: {error}") from error
        if manifest.format != FORMAT:
            raise BrokenArchive(f"the export has format {manifest.format}, not {FORMAT}")
        return manifest

    async def write(self, table: Table, batches: AsyncIterator[Sequence[Row]]) -> TableEntry:
        """Store a table's rows."""
        digest = RowsDigest()
        with self._path(table.name).open("xb") as file:
            async for batch in batches:
                file.write(digest.add(batch))
        return digest.entry(table.columns)

    def read(self, name: str) -> Iterator[Sequence[Row]]:
        """A table's rows, BATCH_ROWS at a time. Raises BrokenArchive."""
        try:
            with self._path(name).open("rb") as file:
                while head := file.read(_LENGTH_BYTES):
                    length = int.from_bytes(head, "big")
                    frame = file.read(length)
                    if len(head) < _LENGTH_BYTES or len(frame) < length:
                        raise BrokenArchive(f"the table {name} is cut off")
                    yield _decode(frame)
        except (OSError, msgspec.MsgspecError) as error:
            raise BrokenArchive(f"the table {name} cannot be read: {error}") from error

    def _path(self, name: str) -> Path:
        return self.root / "tables" / f"{name}.msgpack"


class RowsDigest:
    """The SHA-256 of a table's rows as they stand in an archive."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._rows = 0

    def add(self, batch: Sequence[Row]) -> bytes:
        """The frame of some more rows: BATCH_ROWS of them, unless they are the last."""
        if self._rows % BATCH_ROWS:
            raise ValueError("a batch that is not full must be the last")
        body = _encode([tuple(row) for row in batch])
        if len(body) >= _FRAME_BYTES_MAX:
            raise BrokenArchive("a thousand rows of more than 2 GiB cannot be exported")
        frame = len(body).to_bytes(_LENGTH_BYTES, "big") + body
        self._sha256.update(frame)
        self._rows += len(batch)
        return frame

    def entry(self, columns: Sequence[str]) -> TableEntry:
        """What the manifest says of the table."""
        return TableEntry(columns=tuple(columns), rows=self._rows, sha256=self._sha256.hexdigest())
