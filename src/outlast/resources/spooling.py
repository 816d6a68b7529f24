"""Bytes on their way in, as files of a folder of the server's own."""

import asyncio
import contextlib
import errno
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from outlast.operations.errors import StoreFull, TooLarge


class Spooled(msgspec.Struct, frozen=True):
    """A file that holds what arrived."""

    path: Path
    bytes: int


@contextlib.asynccontextmanager
async def spooled(
    folder: Path, chunks: AsyncIterator[bytes], bytes_max: int
) -> AsyncIterator[Spooled]:
    """Chunks as one file, which may be moved away and is gone afterwards.

    Raises TooLarge, StoreFull.
    """
    path = folder / f"upload-{secrets.token_hex(16)}"
    try:
        yield Spooled(path, await _write(path, chunks, bytes_max))
    finally:
        await asyncio.to_thread(path.unlink, missing_ok=True)


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Says of a disk that is full what it is."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StoreFull from error
        raise


async def _write(path: Path, chunks: AsyncIterator[bytes], bytes_max: int) -> int:
    size = 0
    with disk_errors():
        await asyncio.to_thread(path.touch, 0o600)
    with disk_errors(), path.open("wb") as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > bytes_max:
                raise TooLarge(f"uploads have at most {bytes_max} bytes")
            await asyncio.to_thread(file.write, chunk)
    return size
