"""Turns chunks into vectors: with a model of a backend, or with a local one in a locked child."""

import array
import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

import msgspec

from outlast.inference.embedding import question_for, vectors_in
from outlast.inference.endpoints import Endpoint, open_endpoint
from outlast.inference.models import ServedModel
from outlast.kinds.locked_children import LockedChildren
from outlast.kinds.patient_asking import PatientAsker
from outlast.operations.errors import Fatal, Retry, Unavailable
from outlast.operations.kind import Context
from outlast.resources.intake import open_plain
from outlast.resources.vector_databases import calls
from outlast.resources.vector_databases.calls import EmbedArguments
from outlast.resources.vector_databases.model import DIMENSIONS_MAX

_FLOAT_BYTES: Final = 4


class Vectors(msgspec.Struct, frozen=True):
    """The vectors of some chunks, one after the other: 32-bit floats."""

    dimensions: int
    packed: bytes


class Embedder(Protocol):
    """Embeds chunks, at most `chunks_at_once`: what is not yet kept is asked for again."""

    chunks_at_once: int

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Their vectors. Raises Retry for a model that does not answer, Fatal for a refusal."""


class BackendEmbedder:
    """Asks the model of a backend, with a few requests at once."""

    chunks_at_once = 64
    _texts_per_request: Final = 16

    def __init__(self, model: ServedModel, endpoint: Endpoint) -> None:
        self._model = model.name
        self._asker = PatientAsker(model, endpoint)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """See Embedder."""
        size = self._texts_per_request
        pieces = [texts[start : start + size] for start in range(0, len(texts), size)]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._ask(piece)) for piece in pieces]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        vectors = [vector for task in tasks for vector in task.result()]
        dimensions = len(vectors[0])
        if any(len(vector) != dimensions for vector in vectors):
            raise Fatal("backend_refused", "the model gives vectors of different sizes")
        packed = b"".join(array.array("f", vector).tobytes() for vector in vectors)
        return Vectors(dimensions, packed)

    async def _ask(self, texts: Sequence[str]) -> list[list[float]]:
        return await self._asker.ask(
            question_for(self._model, texts), lambda body: vectors_in(body, len(texts))
        )


class LocalEmbedder:
    """Has a local model embed, in locked children without network."""

    chunks_at_once = 16

    def __init__(self, name: str, children: LockedChildren, context: Context) -> None:
        self._name = name
        self._children = children
        self._texts = context.workdir / calls.TEXTS

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """See Embedder."""
        self._texts.write_bytes(msgspec.json.encode(texts))
        # Who reads it is another user.
        self._texts.chmod(0o644)
        call = self._children.call(
            calls.EMBED, EmbedArguments(model=self._name), {calls.TEXTS: self._texts}
        )
        async with call as (answer, folder):
            try:
                dimensions = int(answer["dimensions"])
            except (TypeError, LookupError, ValueError) as error:
                raise Retry(code="reader_failed", message="the answer makes no sense") from error
            with open_plain(folder, calls.VECTORS) as file:
                packed = file.read(len(texts) * DIMENSIONS_MAX * _FLOAT_BYTES)
        if len(packed) != len(texts) * dimensions * _FLOAT_BYTES or not packed:
            raise Retry(code="reader_failed", message="the local model lost vectors")
        return Vectors(dimensions, packed)


@asynccontextmanager
async def open_embedder(
    name: str,
    served: ServedModel | None,
    children: LockedChildren,
    context: Context,
    key_name: str = "backend_key",
) -> AsyncIterator[Embedder]:
    """What embeds with the model: at its backend, or where there is none, here. Raises Retry.

    `key_name` is what the kind calls the backend's key.
    """
    if served is None:
        yield LocalEmbedder(name, children, context)
        return
    try:
        async with open_endpoint(served, context.secrets.get(key_name)) as endpoint:
            yield BackendEmbedder(served, endpoint)
    except Unavailable as error:
        raise Retry(code="backend_unavailable", message=error.message) from error
