"""Entries on their way to the object store: files of JSON lines on the server's own disk.

An entry is in the journal before the answer that it tells of has ended: a server that is killed
loses none. A machine that loses its power may lose those of the last second or two.
"""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from outlast.operations import ids
from outlast.resources.chat_log.model import Entry, hour_of

BYTES_MAX: Final = 1024**3
FILE_BYTES_MAX: Final = 32 * 1024**2
"""A file of this size is ended: files are read as a whole when they are published."""

_SUFFIX: Final = ".jsonl"

logger = logging.getLogger(__name__)


class Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of the journal: whose entry, and the entry as it will stand in a segment."""

    tenant: str
    at: int
    entry: msgspec.Raw


class JournalFull(Exception):
    """The journal cannot take another entry."""


class Journal:
    """Takes entries, and gives the files that are to be published. Used by one process alone.

    A file holds entries of one hour; its name is an id of ours, from which its segments have
    theirs.
    """

    def __init__(self, folder: Path, now: Callable[[], int], bytes_max: int = BYTES_MAX) -> None:
        self._folder = folder
        self._now = now
        self._bytes_max = bytes_max
        self._bytes = 0
        self._file: int | None = None
        self._path = folder
        self._hour = ""
        self._size = 0
        self._sealed: list[Path] = []

    def open(self) -> None:
        """Take over what an earlier process left."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._sealed = sorted(self._folder.glob(f"*{_SUFFIX}"))
        self._bytes = sum(path.stat().st_size for path in self._sealed)

    def append(self, tenant: str, entry: Entry, encoded: bytes) -> None:
        """Add an entry. Raises JournalFull, also for a disk that takes no more."""
        line = _encoder.encode(Line(tenant=tenant, at=entry.created_at, entry=msgspec.Raw(encoded)))
        line += b"\n"
        if self._bytes + len(line) > self._bytes_max:
            raise JournalFull(f"more than {self._bytes_max} bytes wait to be published")
        hour = hour_of(entry.created_at)
        if self._file is None or hour != self._hour or self._size >= FILE_BYTES_MAX:
            self._begin(hour)
        try:
            self._write(line)
        except OSError as error:
            self._drop_torn()
            raise JournalFull(f"the journal cannot be written: {error.strerror}") from error
        self._size += len(line)
        self._bytes += len(line)

    def seal(self) -> list[Path]:
        """End the file that is written to; all the files that wait, oldest first."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._sealed.append(self._path)
        return list(self._sealed)

    def remove(self, path: Path) -> None:
        """Forget a file whose entries have been published."""
        self._bytes -= path.stat().st_size
        path.unlink()
        self._sealed.remove(path)

    def _begin(self, hour: str) -> None:
        self.seal()
        self._path = self._folder / f"{ids.make_id(self._now(), ids.random_bits())}{_SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        try:
            self._file = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise JournalFull(f"the journal cannot be written: {error.strerror}") from error
        self._hour, self._size = hour, 0

    def _write(self, line: bytes) -> None:
        if self._file is None:
            raise JournalFull
        written = os.write(self._file, line)
        while written < len(line):
            written += os.write(self._file, line[written:])

    def _drop_torn(self) -> None:
        if self._file is not None:
            os.ftruncate(self._file, self._size)


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a journal file. One that was cut off, as a kill may do, ends it."""
    with path.open("rb") as file:
        for text in file:
            try:
                yield _decoder.decode(text)
            except msgspec.DecodeError:
                logger.warning("an entry of the chat log was cut off: %s", path.name)
                return


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Line)
