"""Calls of `locked`, and what they answer: nothing of it is believed before it was looked at."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from outlast.executors.calls import CallFailed
from outlast.operations.errors import Invalid, InvalidSpec, TooLarge, Unavailable
from outlast.resources.datasets import model
from outlast.resources.datasets.declaration import Declaration
from outlast.resources.datasets.model import Manifest

MEMORY_BYTES: Final = 1024**3
_SECONDS_MIN: Final = 120.0
_BYTES_PER_SECOND: Final = 2_000_000
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
        memory_bytes: int | None,
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


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the functions of `calls` answer: a manifest with files, a file, or what is wrong."""

    manifest: Manifest | None = None
    files: tuple[str, ...] = ()
    file: str | None = None
    declaration: Declaration | None = None
    code: str | None = None
    message: str = ""
    field_errors: dict[str, str] = {}


class LockedCalls:
    """Makes calls of `locked`.

    `readers` are the modules of the readers that bodies are parsed with. Calls raise Invalid for
    what is wrong with the bytes, and Unavailable for what is wrong with a child.
    """

    def __init__(self, sandbox: Sandbox, readers: Sequence[str] = ()) -> None:
        self._sandbox = sandbox
        self._readers = tuple(readers)

    @contextlib.asynccontextmanager
    async def parts(
        self, target: str, arguments: object, inputs: Mapping[str, Path]
    ) -> AsyncIterator[Parsed]:
        """A call that parses: what it made of its inputs."""
        async with (
            _blaming_the_bytes(),
            self.call(target, arguments, inputs) as (answer, folder),
        ):
            if answer.manifest is None:
                raise Unavailable("the parser gave no manifest")
            yield Parsed(
                manifest=model.check_manifest(answer.manifest),
                files=answer.files,
                folder=folder,
                declaration=answer.declaration,
            )

    @contextlib.asynccontextmanager
    async def call(
        self, target: str, arguments: object, inputs: Mapping[str, Path]
    ) -> AsyncIterator[tuple[Answer, Path]]:
        """A call: its answer, and the folder with what it left."""
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
                answer = msgspec.convert(called.answer, Answer)
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


def _size(inputs: Mapping[str, Path]) -> int:
    return sum(path.stat().st_size for path in inputs.values())
