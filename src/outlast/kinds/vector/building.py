"""Builds a vector database: cuts, embeds what is not yet embedded, and writes it in one file.

Once the documents are cut, the chunks are among the operation's files. The vectors of a few chunks
at a time are stored there, and then a checkpoint counts them. So whatever is killed at whatever
time, a chunk whose vector is counted is not embedded again, and each is in the end there once.
"""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from outlast.kinds.locked_children import LockedChildren, Reading, locked_children
from outlast.kinds.vector import plan as plans
from outlast.kinds.vector.embedding import Embedder, Vectors, open_embedder
from outlast.kinds.vector.plan import (
    CHUNKS,
    BuildPlan,
    BuildResult,
    Checkpoint,
    Chunk,
    Split,
    segment_name,
)
from outlast.operations.errors import Fatal, Retry
from outlast.operations.kind import Context, Finish
from outlast.resources.intake import copy_plain
from outlast.resources.vector_databases.calls import MEMORY_BYTES
from outlast.resources.vector_databases.local_models import preload
from outlast.resources.vector_databases.model import (
    CHUNKS_FILE,
    VECTORS_BYTES_MAX,
    NewVectorDatabase,
)

_FLOAT_BYTES: Final = 4
_READING: Final = Reading(
    what="the documents",
    failures=("invalid_file", "result_too_large", "no_documents"),
    died="reader_failed",
    memory_bytes=MEMORY_BYTES,
)
_decoder: Final = msgspec.json.Decoder(Chunk)


class Build:
    """One attempt of a build."""

    def __init__(self, plan: BuildPlan, context: Context) -> None:
        self._plan = plan
        self._context = context
        self._chunks = context.workdir / CHUNKS

    async def run(self) -> Finish:
        """Build the vector database. Raises Fatal, Retry."""
        plan, context = self._plan, self._context
        async with locked_children(
            context, _READING, allow_unsandboxed=plan.allow_unsandboxed, preload=preload()
        ) as children:
            checkpoint = await self._split(children)
            embedding = open_embedder(plan.embedding_model, plan.served, children, context)
            async with embedding as embedder:
                await self._embed(checkpoint, embedder)
        context.report(stage="writing")
        await asyncio.to_thread(self._write, checkpoint)
        split = checkpoint.split
        result = BuildResult(
            vector_database=plan.vector_database,
            name=plan.name,
            version=plan.version,
            embedding_model=plan.embedding_model,
            documents=split.documents,
            chunks=split.chunks,
            dimensions=checkpoint.dimensions,
            skipped=split.skipped,
        )
        publication = NewVectorDatabase(
            vector_database=plan.vector_database,
            file=CHUNKS_FILE,
            documents=split.documents,
            chunks=split.chunks,
            dimensions=checkpoint.dimensions,
        )
        return Finish(result=result, writes=[publication])

    async def _split(self, children: LockedChildren) -> Checkpoint:
        """The documents as chunks: those of an earlier attempt, or new ones."""
        context, plan = self._context, self._plan
        if context.last_checkpoint is not None:
            checkpoint = msgspec.convert(context.last_checkpoint, Checkpoint)
            if checkpoint.source != plan.source:
                raise Fatal(
                    "source_changed",
                    "the dataset has got a new version since the first attempt; submit a new"
                    " operation, and name the version",
                )
            await self._get(CHUNKS, self._chunks)
            return checkpoint
        context.report(stage="splitting")
        inputs = {name: context.workdir / name for name in plan.split.files}
        async with children.call(plans.SPLIT, plan.split, inputs) as (answer, folder):
            try:
                split = msgspec.convert(answer, Split)
            except msgspec.ValidationError as error:
                raise Retry(code="reader_failed", message="the answer makes no sense") from error
            await asyncio.to_thread(copy_plain, folder, CHUNKS, self._chunks)
        await asyncio.to_thread(context.files.put, CHUNKS, self._chunks)
        checkpoint = Checkpoint(source=plan.source, split=split)
        await context.checkpoint(checkpoint)
        return checkpoint

    async def _embed(self, checkpoint: Checkpoint, embedder: Embedder) -> None:
        self._report(checkpoint, None)
        for chunks in _groups(self._chunks, checkpoint.embedded, embedder.chunks_at_once):
            if self._context.cancelled:
                raise asyncio.CancelledError
            vectors = await embedder.embed([chunk.text for chunk in chunks])
            self._check(checkpoint, vectors)
            name = segment_name(len(checkpoint.segments))
            path = self._context.workdir / name
            path.write_bytes(vectors.packed)
            await asyncio.to_thread(self._context.files.put, name, path)
            checkpoint.embedded += len(chunks)
            checkpoint.dimensions = vectors.dimensions
            checkpoint.segments.append(len(chunks))
            await self._context.checkpoint(checkpoint)
            self._report(checkpoint, chunks[-1])

    def _check(self, checkpoint: Checkpoint, vectors: Vectors) -> None:
        if checkpoint.dimensions not in {0, vectors.dimensions}:
            raise Fatal("backend_refused", "the model gives vectors of different sizes")
        if vectors.dimensions * _FLOAT_BYTES * checkpoint.split.chunks > VECTORS_BYTES_MAX:
            raise Fatal(
                "result_too_large",
                f"{checkpoint.split.chunks} vectors of {vectors.dimensions} dimensions have more"
                f" than {VECTORS_BYTES_MAX} bytes",
            )

    def _report(self, checkpoint: Checkpoint, last: Chunk | None) -> None:
        split = checkpoint.split
        at = "" if last is None else f", at {last.document[:200]}"
        self._context.report(
            checkpoint.embedded,
            split.chunks,
            unit="chunks",
            stage="embedding",
            message=f"{split.documents} documents{at}",
        )

    async def _get(self, name: str, path: Path) -> None:
        if not await asyncio.to_thread(self._context.files.get, name, path):
            raise Fatal("files_lost", f"the operation's file {name!r} is gone")

    def _write(self, checkpoint: Checkpoint) -> None:
        """Put chunks and vectors together. The segments are what the checkpoint counts."""
        schema = _schema(checkpoint.dimensions)
        lines = _lines(self._chunks)
        first = 0
        target = self._context.workdir / CHUNKS_FILE
        with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for number, count in enumerate(checkpoint.segments):
                name = segment_name(number)
                path = self._context.workdir / name
                if not path.exists() and not self._context.files.get(name, path):
                    raise Fatal("files_lost", f"the operation's file {name!r} is gone")
                chunks = [next(lines) for _ in range(count)]
                writer.write_batch(_batch(schema, chunks, path.read_bytes(), first))
                path.unlink()
                first += count
        if first != checkpoint.split.chunks:
            raise Fatal("files_lost", f"{first} of {checkpoint.split.chunks} chunks are there")


def _lines(path: Path) -> Iterator[Chunk]:
    with path.open("rb") as lines:
        for line in lines:
            yield _decoder.decode(line)


def _groups(path: Path, start: int, size: int) -> Iterator[Sequence[Chunk]]:
    """The chunks from `start` on, so many at a time."""
    group: list[Chunk] = []
    for number, chunk in enumerate(_lines(path)):
        if number < start:
            continue
        group.append(chunk)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _schema(dimensions: int) -> pa.Schema:
    fields: list[pa.Field[Any]] = [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("document", pa.string(), nullable=False),
        pa.field("page", pa.int32()),
        pa.field("text", pa.string(), nullable=False),
        pa.field("metadata", pa.string(), nullable=False),
        pa.field("vector", pa.list_(pa.float32(), dimensions), nullable=False),
    ]
    return pa.schema(fields)


def _batch(schema: pa.Schema, chunks: Sequence[Chunk], packed: bytes, first: int) -> pa.RecordBatch:
    dimensions = schema.field("vector").type.list_size
    count = len(chunks)
    if len(packed) != count * dimensions * _FLOAT_BYTES:
        raise Fatal("files_lost", "a segment of vectors is not whole")
    floats = pa.Array.from_buffers(pa.float32(), count * dimensions, [None, pa.py_buffer(packed)])
    return pa.RecordBatch.from_arrays(
        [
            pa.array(range(first, first + count), pa.int64()),
            pa.array([chunk.document for chunk in chunks], pa.string()),
            pa.array([chunk.page for chunk in chunks], pa.int32()),
            pa.array([chunk.text for chunk in chunks], pa.string()),
            pa.array(
                [msgspec.json.encode(chunk.metadata).decode() for chunk in chunks], pa.string()
            ),
            pa.FixedSizeListArray.from_arrays(floats, dimensions),
        ],
        schema=schema,
    )
