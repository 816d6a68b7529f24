"""The lines of a batch's input, which may lie in several files, one after the other."""

import io
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

LINE_BYTES_MAX: Final = 8 * 1024 * 1024
_BUFFER_BYTES: Final = 256 * 1024
_OFFSET: Final = struct.Struct("<Q")


class Lines:
    """Reads lines from the beginning, or at an offset that was seen before."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)

    def __iter__(self) -> Iterator[tuple[int, int, bytes]]:
        """(number from 1, offset, line without its end) of every line that is not blank.

        A line longer than `LINE_BYTES_MAX` comes with one byte more than that, and no further.
        """
        with self.open() as file:
            number = offset = 0
            while line := file.readline(LINE_BYTES_MAX + 2):
                number += 1
                size = len(line)
                while not line.endswith(b"\n") and (more := file.readline(_BUFFER_BYTES)):
                    size += len(more)
                    if more.endswith(b"\n"):
                        break
                text = line.strip()
                if text:
                    yield number, offset, text[: LINE_BYTES_MAX + 1]
                offset += size

    def open(self) -> io.BufferedReader:
        """All files as one, for reading lines at offsets."""
        return io.BufferedReader(_Joined(self._paths), _BUFFER_BYTES)


class Offsets:
    """Where each line begins, in a file: eight bytes a line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._next = 1

    def add(self, number: int, offset: int) -> None:
        """Note where a line begins. In order."""
        self._file.write(bytes(_OFFSET.size * (number - self._next)) + _OFFSET.pack(offset))
        self._next = number + 1

    def find(self, number: int) -> int:
        """Where a line that was added begins."""
        self._file.flush()
        packed = os.pread(self._file.fileno(), _OFFSET.size, (number - 1) * _OFFSET.size)
        return int(_OFFSET.unpack(packed)[0])

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class _Joined(io.RawIOBase):
    """Several files as one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = [path.open("rb", buffering=0) for path in paths]
        self._begins: list[int] = []
        self._size = 0
        for path in paths:
            self._begins.append(self._size)
            self._size += path.stat().st_size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # what BufferedReader gives
        for index in range(len(self._files) - 1, -1, -1):
            if self._begins[index] <= self._position:
                break
        else:
            return 0
        while index < len(self._files):
            file = self._files[index]
            file.seek(self._position - self._begins[index])
            count = file.readinto(buffer)
            if count:
                self._position += count
                return count
            index += 1
        return 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()
