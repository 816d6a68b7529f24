"""What a batch keeps of itself: counts, and the checkpoint that names its files. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from outlast.resources.files.model import NewFile

Outcome: TypeAlias = Literal["completed", "failed", "invalid"]
Stream: TypeAlias = Literal["output", "errors"]
PURPOSES: Final[Mapping[Stream, str]] = {"output": "batch_output", "errors": "batch_errors"}


class Counts(msgspec.Struct):
    """How many rows there are, and what became of those that are finished."""

    total: int = 0
    completed: int = 0
    failed: int = 0
    invalid: int = 0

    @property
    def finished(self) -> int:
        """How many rows need nothing more."""
        return self.completed + self.failed + self.invalid


class Usage(msgspec.Struct):
    """Tokens that the backend counted."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class Chunks(msgspec.Struct):
    """The chunks of a file: the attempt that wrote each full one, and `bytes` of one more.

    No attempt writes over a chunk of another, which may be late with its own.
    """

    full: list[int] = []
    bytes: int = 0
    attempt: int = 0


class Checkpoint(msgspec.Struct, kw_only=True):
    """What the next attempt starts from.

    `source` is the input; another one cannot go on from here. All lines up to `through` are
    finished, and those beyond it whose bit is set in `beyond` (hex; the lowest bit is the line
    after `through`).
    """

    name: str
    source: str
    counts: Counts = msgspec.field(default_factory=Counts)
    usage: Usage = msgspec.field(default_factory=Usage)
    through: int = 0
    beyond: str = "0"
    output: Chunks = msgspec.field(default_factory=Chunks)
    errors: Chunks = msgspec.field(default_factory=Chunks)


def published_files(checkpoint: Checkpoint, *, is_partial: bool = False) -> Sequence[NewFile]:
    """The output and error files that a checkpoint counts; an empty one is left out."""
    return [
        NewFile(
            purpose=purpose,
            name=f"{checkpoint.name}_{stream}.jsonl",
            files=chunk_names(checkpoint, stream),
            is_from_operation=True,
            is_partial=is_partial,
        )
        for stream, purpose in PURPOSES.items()
        if chunk_names(checkpoint, stream)
    ]


def chunk_names(checkpoint: Checkpoint, stream: Stream) -> tuple[str, ...]:
    """The operation's files that hold a stream, in order."""
    chunks = chunks_of(checkpoint, stream)
    attempts = [*chunks.full, chunks.attempt] if chunks.bytes else chunks.full
    return tuple(chunk_name(stream, number, attempt) for number, attempt in enumerate(attempts))


def chunks_of(checkpoint: Checkpoint, stream: Stream) -> Chunks:
    """What a checkpoint counts of a stream."""
    return checkpoint.output if stream == "output" else checkpoint.errors


def chunk_name(stream: Stream, number: int, attempt: int) -> str:
    """What the operation calls a chunk."""
    return f"{stream}-{number:05}-{attempt}.jsonl"
