"""Has bytes parsed, read and exported in locked children; this process sees only what they made."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from outlast.operations.errors import (
    Conflict,
    NotFound,
    TooLarge,
    Unavailable,
)
from outlast.resources.datasets import calls, model
from outlast.resources.datasets.calls import (
    BodyArguments,
    ExportArguments,
    Format,
    GuessedFormat,
    ParseArguments,
    RowsArguments,
)
from outlast.resources.datasets.declaration import Declaration, DeclaredColumn
from outlast.resources.datasets.locked_calls import Answer, LockedCalls, Parsed, Sandbox
from outlast.resources.datasets.model import Part
from outlast.resources.intake import open_plain
from outlast.resources.objects import ObjectStore
from outlast.resources.spooling import disk_errors, spooled

PAGE_BYTES_MAX: Final = 16 * 1024 * 1024
_CHUNK_BYTES: Final = 1024 * 1024
_UPLOAD: Final = "upload"


class Parser:
    """The only way from the bytes of callers to tables and back.

    `readers` are the modules of the readers that bodies are parsed with.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        objects: ObjectStore,
        *,
        spool: Path,
        upload_bytes_max: int,
        readers: Sequence[str] = (),
    ) -> None:
        self._calls = LockedCalls(sandbox, readers)
        self._objects = objects
        self._spool = spool
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._upload_bytes_max = upload_bytes_max

    @contextlib.asynccontextmanager
    async def parse(
        self,
        chunks: AsyncIterator[bytes],
        format: GuessedFormat,
        columns: tuple[DeclaredColumn, ...] | None = None,
    ) -> AsyncIterator[Parsed]:
        """Spool a stream and make parts of it. Raises TooLarge, or Invalid saying what is wrong."""
        arguments = ParseArguments(file=_UPLOAD, format=format, columns=columns)
        async with (
            spooled(self._spool, chunks, self._upload_bytes_max) as upload,
            self._calls.parts(calls.PARSE, arguments, {_UPLOAD: upload.path}) as parsed,
        ):
            yield parsed

    @contextlib.asynccontextmanager
    async def parse_body(
        self, chunks: AsyncIterator[bytes], reader: str, bytes_max: int
    ) -> AsyncIterator[tuple[Parsed, Declaration]]:
        """As `parse`, for rows in a JSON object that says itself what they are.

        `reader` is as BodyArguments says. Raises TooLarge, Invalid, and InvalidSpec, which names
        fields of a Declaration, or `rows.NUMBER.COLUMN`.
        """
        arguments = BodyArguments(file=_UPLOAD, reader=reader)
        async with (
            spooled(self._spool, chunks, bytes_max) as upload,
            self._calls.parts(calls.PARSE_BODY, arguments, {_UPLOAD: upload.path}) as parsed,
        ):
            if parsed.declaration is None:
                raise Unavailable("the parser gave no declaration")
            yield parsed, parsed.declaration

    async def rows(self, tenant: str, parts: Sequence[Part], offset: int, limit: int) -> bytes:
        """Rows of some parts, as a JSON array. Raises TooLarge past the size of a page."""
        async with self._staged(_keys(tenant, parts)) as inputs:
            arguments = RowsArguments(
                files=tuple(inputs), offset=offset, limit=limit, bytes_max=PAGE_BYTES_MAX
            )
            async with self._calls.call(calls.READ_ROWS, arguments, inputs) as (answer, folder):
                chunks = _output(folder, answer)
                content = b"".join([chunk async for chunk in _bounded(chunks, PAGE_BYTES_MAX)])
        try:
            # A child may have been turned against us: what it wrote is not passed on unseen.
            return bytes(msgspec.json.decode(content, type=msgspec.Raw))
        except msgspec.DecodeError as error:
            raise Unavailable("the rows that were read are not JSON") from error

    def export(
        self, tenant: str, parts: Sequence[Part], format: Format
    ) -> AsyncGenerator[bytes, None]:
        """All rows of some parts as one file. Of text, one part at a time lies on disk."""
        return self.export_objects(_keys(tenant, parts), format)

    async def export_objects(
        self, keys: Sequence[str], format: Format
    ) -> AsyncGenerator[bytes, None]:
        """As `export`, for the objects that hold the parts. Raises NotFound."""
        if format == "parquet" and len(keys) == 1:
            async for chunk in self._objects.read(keys[0]):
                yield chunk
            return
        pieces = [keys] if format == "parquet" else [[key] for key in keys]
        for number, piece in enumerate(pieces):
            async with self._staged(piece) as inputs:
                arguments = ExportArguments(files=tuple(inputs), format=format, header=number == 0)
                async with self._calls.call(calls.EXPORT, arguments, inputs) as (answer, folder):
                    async for chunk in _output(folder, answer):
                        yield chunk

    @contextlib.asynccontextmanager
    async def _staged(self, keys: Sequence[str]) -> AsyncIterator[dict[str, Path]]:
        """Local files that hold the objects, by the names that the child shall see. NotFound."""
        inputs: dict[str, Path] = {}
        fetched: list[Path] = []
        try:
            for number, key in enumerate(keys):
                path = self._objects.local_path(key)
                if path is None:
                    path = self._spool / f"fetched-{secrets.token_hex(16)}"
                    fetched.append(path)
                    with disk_errors():
                        await self._objects.fetch(key, path)
                elif not await asyncio.to_thread(path.is_file):
                    raise NotFound(f"there is no object {key}")
                inputs[f"{number:05}.parquet"] = path
            yield inputs
        finally:
            for path in fetched:
                await asyncio.to_thread(path.unlink, missing_ok=True)


def _keys(tenant: str, parts: Sequence[Part]) -> list[str]:
    return [model.part_key(tenant, part.sha256) for part in parts]


async def _output(folder: Path, answer: Answer) -> AsyncIterator[bytes]:
    try:
        file = open_plain(folder, answer.file or "")
    except Conflict as error:
        raise Unavailable("the parser left no file") from error
    with file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield chunk


async def _bounded(chunks: AsyncIterator[bytes], bytes_max: int) -> AsyncIterator[bytes]:
    left = bytes_max
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise TooLarge
        yield chunk
