"""What CSV and JSON lines have in common: bytes that should be UTF-8, cut into lines."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from outlast.operations.errors import Invalid

BLOCK_BYTES: Final = 2 * 1024 * 1024
LINE_BYTES_MAX: Final = 32 * 1024 * 1024
_BOM: Final = codecs.BOM_UTF8
_OTHERS: Final = {
    codecs.BOM_UTF16_LE: "UTF-16 text",
    codecs.BOM_UTF16_BE: "UTF-16 text",
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
}


def open_text(path: Path, name: str) -> BinaryIO:
    """The file, past its byte order mark. Raises Invalid for what is plainly something else."""
    with path.open("rb") as file:
        head = file.read(4)
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise Invalid(f"this is {what}, not {name} in UTF-8")
    file = path.open("rb")
    file.seek(len(_BOM) if head.startswith(_BOM) else 0)
    return file


def check_utf8(path: Path, name: str) -> None:
    """Raise Invalid, naming the line, unless the file is UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    with open_text(path, name) as file:
        while True:
            block = file.read(BLOCK_BYTES)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line += error.object.count(b"\n", 0, error.start)
                raise Invalid(f"line {line} is not valid UTF-8") from error
            if not block:
                return
            line += block.count(b"\n")


def blocks(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The file in blocks of whole lines, each with the number of its first line, from 1."""
    line = 1
    rest = b""
    while chunk := file.read(BLOCK_BYTES):
        end = chunk.rfind(b"\n") + 1
        if end:
            block = rest + chunk[:end]
            yield line, block
            line += block.count(b"\n")
            rest = chunk[end:]
        else:
            rest += chunk
        if len(rest) > LINE_BYTES_MAX:
            raise Invalid(f"line {line} is longer than {LINE_BYTES_MAX} bytes")
    if rest:
        yield line, rest
