"""Has bytes parsed, read and exported in locked children; this process sees only what they made."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from outlast.executors.calls import CallFailed
from outlast.executors.launching import Blueprint
from outlast.operations.errors import (
    Conflict,
    Invalid,
    InvalidSpec,
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
from outlast.resources.datasets.model import Manifest, Part
from outlast.resources.intake import open_plain
from outlast.resources.objects import ObjectStore
from outlast.resources.spooling import Spooled, disk_errors, spooled

MEMORY_BYTES: Final = 1024**3
PAGE_BYTES_MAX: Final = 16 * 1024 * 1024
_CHUNK_BYTES: Final = 1024 * 1024
_SECONDS_MIN: Final = 120.0
_BYTES_PER_SECOND: Final = 2_000_000
_UPLOAD: Final = "upload"
_REFUSALS: Final = {one.code: one for one in (Invalid, InvalidSpec, TooLarge)}


class Called(Protocol):
    """What a locked child left: its answer, and the folder with the files that it made."""

    @property
    def answer(self) -> Any:
        """What the function answered, decoded."""

    @property
    def folder(self) -> Path:
        """The child's folder: what is in it may be hostile."""


class Sandbox(Protocol):
    """Calls a function in a locked child of its own; the folder is there inside the context."""

    def __call__(
        self,
        target: str,
        arguments: bytes,
        *,
        inputs: Mapping[str, Path],
        timeout_seconds: float,
        memory_bytes: int,
        preload: Sequence[str],
    ) -> AbstractAsyncContextManager[Called]:
        """`target` is "module:function"; `inputs` are staged read-only under their names."""


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that were made of an upload, as files of a folder, and their manifest.

    `declaration` is what a body said of its rows.
    """

    manifest: Manifest
    files: tuple[str, ...]
    folder: Path
    declaration: Declaration | None = None


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the functions of `calls` answer: a manifest with files, a file, or what is wrong."""

    manifest: Manifest | None = None
    files: tuple[str, ...] = ()
    file: str | None = None
    declaration: Declaration | None = None
    code: str | None = None
    message: str = ""
    field_errors: dict[str, str] = {}


def parser_child(readers: Sequence[str] = ()) -> Blueprint:
    """What each call of a parser with these readers is made in: some may wait for calls."""
    return Blueprint(
        modules=(calls.MODULE,),
        preload=tuple(readers),
        sandboxed=True,
        memory_bytes=MEMORY_BYTES,
    )


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
        self._readers = tuple(readers)
        self._sandbox = sandbox
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
            self._parts(calls.PARSE, arguments, upload) as parsed,
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
            self._parts(calls.PARSE_BODY, arguments, upload) as parsed,
        ):
            if parsed.declaration is None:
                raise Unavailable("the parser gave no declaration")
            yield parsed, parsed.declaration

    @contextlib.asynccontextmanager
    async def _parts(
        self, target: str, arguments: object, upload: Spooled
    ) -> AsyncIterator[Parsed]:
        inputs = {_UPLOAD: upload.path}
        async with (
            _blaming_the_bytes(),
            self._call(target, arguments, inputs) as (answer, folder),
        ):
            if answer.manifest is None:
                raise Unavailable("the parser gave no manifest")
            yield Parsed(
                manifest=model.check_manifest(answer.manifest),
                files=answer.files,
                folder=folder,
                declaration=answer.declaration,
            )

    async def rows(self, tenant: str, parts: Sequence[Part], offset: int, limit: int) -> bytes:
        """Rows of some parts, as a JSON array. Raises TooLarge past the size of a page."""
        async with self._staged(_keys(tenant, parts)) as inputs:
            arguments = RowsArguments(
                files=tuple(inputs), offset=offset, limit=limit, bytes_max=PAGE_BYTES_MAX
            )
            async with self._call(calls.READ_ROWS, arguments, inputs) as (answer, folder):
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
                async with self._call(calls.EXPORT, arguments, inputs) as (answer, folder):
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

    @contextlib.asynccontextmanager
    async def _call(
        self, target: str, arguments: object, inputs: Mapping[str, Path]
    ) -> AsyncIterator[tuple[_Answer, Path]]:
        size = await asyncio.to_thread(_size, inputs)
        async with self._sandbox(
            target,
            msgspec.json.encode(arguments),
            inputs=inputs,
            timeout_seconds=_SECONDS_MIN + size / _BYTES_PER_SECOND,
            memory_bytes=MEMORY_BYTES,
            preload=self._readers,
        ) as called:
            try:
                answer = msgspec.convert(called.answer, _Answer)
            except msgspec.ValidationError as error:
                raise Unavailable("the parser gave no answer that makes sense") from error
            if answer.code is not None:
                kind = _REFUSALS.get(answer.code, Invalid)
                raise kind(answer.message, field_errors=answer.field_errors)
            yield answer, called.folder


@contextlib.asynccontextmanager
async def _blaming_the_bytes() -> AsyncIterator[None]:
    """A parser that dies does so because of what it was given, as far as anybody can tell."""
    try:
        yield
    except CallFailed as error:
        if error.failure.code == "out_of_memory":
            raise TooLarge("the file needs more memory than its parser is given") from error
        if error.failure.code in {"crashed", "call_timed_out"}:
            raise Invalid(f"the file cannot be parsed: {error.message}") from error
        raise


def _keys(tenant: str, parts: Sequence[Part]) -> list[str]:
    return [model.part_key(tenant, part.sha256) for part in parts]


def _size(inputs: Mapping[str, Path]) -> int:
    return sum(path.stat().st_size for path in inputs.values())


async def _output(folder: Path, answer: _Answer) -> AsyncIterator[bytes]:
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
