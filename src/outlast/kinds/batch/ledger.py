"""What a batch has finished: the rows of its output and error files, and the checkpoint of both.

Finished rows gather in memory. A flush appends them to the last chunk of each file, stores that
chunk in the operation's files, and then saves a checkpoint that says how many bytes of it count. So
whatever is killed at whatever time, the checkpoint and the bytes it counts agree: each row in them
is there once and is never asked again, and what came after the last flush is asked again.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from outlast.kinds.batch.record import (
    PURPOSES,
    Checkpoint,
    Chunks,
    Outcome,
    Stream,
    Usage,
    chunk_name,
    chunks_of,
)
from outlast.operations.errors import Fatal
from outlast.operations.kind import Context

AHEAD_ROWS_MAX: Final = 50_000
"""How far a row may run ahead of the oldest unfinished one: a checkpoint has a bit for each."""

CHUNK_BYTES: Final = 8 * 1024 * 1024
BUFFER_BYTES_MAX: Final = 32 * 1024 * 1024
FLUSH_BYTES: Final = 4 * 1024 * 1024
FLUSH_SECONDS: Final = 2.0


class Ledger:
    """The finished rows of one attempt. For one event loop."""

    def __init__(self, context: Context, *, source: str) -> None:
        """Raises Fatal if the last checkpoint was made from another input."""
        name = f"batch_{context.operation_id.lower()}"
        self._context = context
        self._checkpoint = Checkpoint(name=name, source=source)
        if context.last_checkpoint is not None:
            self._checkpoint = msgspec.convert(context.last_checkpoint, Checkpoint)
            self._checkpoint.name = name
        if self._checkpoint.source != source:
            raise Fatal(
                "source_changed",
                "the dataset has got a new version since the first attempt, and rows of the old one"
                " are finished; submit a new operation, and name the version",
            )
        self.counts = self._checkpoint.counts
        self.usage = self._checkpoint.usage
        self._through = self._checkpoint.through
        self._beyond = set(_bits(self._checkpoint.beyond, self._through))
        self._buffers: dict[Stream, list[bytes]] = {"output": [], "errors": []}
        self._buffered = 0
        self._is_closing = False
        self._moved = asyncio.Event()
        self._hurry = asyncio.Event()

    @property
    def checkpoint(self) -> Checkpoint:
        """What was saved last."""
        return self._checkpoint

    async def open(self) -> None:
        """Get the last chunks, cut to what the checkpoint counts."""
        for stream in PURPOSES:
            chunks = chunks_of(self._checkpoint, stream)
            path = self._path(stream, chunks)
            path.touch()
            if chunks.bytes:
                name = chunk_name(stream, len(chunks.full), chunks.attempt)
                if not await asyncio.to_thread(self._context.files.get, name, path):
                    raise Fatal("files_lost", f"the operation's file {name!r} is gone")
                with path.open("r+b") as file:
                    file.truncate(chunks.bytes)

    def is_finished(self, number: int) -> bool:
        """Whether a line needs nothing more."""
        return number <= self._through or number in self._beyond

    async def room(self, number: int) -> None:
        """Wait until a line is near enough to the oldest unfinished one, and memory is free."""
        while number > self._through + AHEAD_ROWS_MAX or self._buffered > BUFFER_BYTES_MAX:
            self._moved.clear()
            await self._moved.wait()

    def finish(self, number: int, outcome: Outcome, line: bytes) -> None:
        """A row is finished: `line` goes to the output if it is completed, else to the errors."""
        stream: Stream = "output" if outcome == "completed" else "errors"
        self._buffers[stream].append(line)
        self._buffered += len(line) + 1
        setattr(self.counts, outcome, getattr(self.counts, outcome) + 1)
        self.pass_over(number)
        if self._buffered > FLUSH_BYTES:
            self._hurry.set()

    def note(self, line: bytes) -> None:
        """Put a line that belongs to no row into the error file."""
        self._buffers["errors"].append(line)
        self._buffered += len(line) + 1

    def add_usage(self, usage: Usage | None) -> None:
        """Count what a row has cost."""
        if usage is not None:
            self.usage.prompt_tokens += usage.prompt_tokens
            self.usage.completion_tokens += usage.completion_tokens
            self.usage.total_tokens += usage.total_tokens

    def pass_over(self, number: int) -> None:
        """A line needs nothing, and is no row that counts."""
        self._beyond.add(number)
        if number != self._through + 1:
            return
        while self._through + 1 in self._beyond:
            self._through += 1
            self._beyond.remove(self._through)
        self._moved.set()

    async def keep_flushing(self, report: Callable[[], None]) -> None:
        """Flush now and then, until `close`; it then flushes once more. Not to be cancelled."""
        is_last = False
        while not is_last:
            try:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._hurry.wait()
            except TimeoutError:
                pass
            self._hurry.clear()
            is_last = self._is_closing
            await self.flush()
            report()

    def close(self) -> None:
        """Nothing more is finished: let `keep_flushing` come to its end."""
        self._is_closing = True
        self._hurry.set()

    async def flush(self) -> None:
        """Make durable what is finished. One at a time."""
        if not self._buffered and self._checkpoint.through == self._through:
            return
        taken, self._buffers = self._buffers, {"output": [], "errors": []}
        self._buffered = 0
        self._moved.set()
        # All of it as it is now: while the files are stored, more rows finish.
        saved = msgspec.structs.replace(
            self._checkpoint,
            counts=msgspec.structs.replace(self.counts),
            usage=msgspec.structs.replace(self.usage),
            through=self._through,
            beyond=_hex(self._beyond, self._through),
        )
        saved.output = await self._append("output", taken["output"])
        saved.errors = await self._append("errors", taken["errors"])
        await self._context.checkpoint(saved)
        self._checkpoint = saved

    async def _append(self, stream: Stream, lines: Sequence[bytes]) -> Chunks:
        chunks = chunks_of(self._checkpoint, stream)
        if not lines:
            return chunks
        path = self._path(stream, chunks)
        size = await asyncio.to_thread(_append_lines, path, lines)
        await asyncio.to_thread(self._context.files.put, path.name, path)
        attempt = self._context.attempt
        if size < CHUNK_BYTES:
            return Chunks(full=chunks.full, bytes=size, attempt=attempt)
        path.unlink()
        return Chunks(full=[*chunks.full, attempt])

    def _path(self, stream: Stream, chunks: Chunks) -> Path:
        """Where this attempt writes the chunk that is not full."""
        return self._context.workdir / chunk_name(stream, len(chunks.full), self._context.attempt)


def _append_lines(path: Path, lines: Sequence[bytes]) -> int:
    with path.open("ab") as file:
        for line in lines:
            file.write(line)
            file.write(b"\n")
        return file.tell()


def _bits(text: str, through: int) -> Sequence[int]:
    value = int(text, 16)
    return [through + 1 + bit for bit in range(value.bit_length()) if value >> bit & 1]


def _hex(numbers: set[int], through: int) -> str:
    bits = bytearray((AHEAD_ROWS_MAX + 8) // 8)
    for number in numbers:
        byte, bit = divmod(number - through - 1, 8)
        bits[byte] |= 1 << bit
    return f"{int.from_bytes(bits, 'little'):x}"
