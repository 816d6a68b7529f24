"""Vectors of texts, from a model of a backend."""

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from outlast.engine.access import Principal
from outlast.inference.questions import EMBEDDINGS, Question
from outlast.inference.relaying import Relay
from outlast.operations.errors import BackendFailed

_DIMENSIONS_MAX: Final = 8192


class _Embedding(msgspec.Struct):
    embedding: list[float]
    index: int = 0


class _Embeddings(msgspec.Struct):
    data: list[_Embedding]


def question_for(model: str, texts: Sequence[str]) -> Question:
    """What asks the model for the vectors of the texts."""
    fields = {
        "input": msgspec.Raw(msgspec.json.encode(texts)),
        "encoding_format": msgspec.Raw(b'"float"'),
    }
    return Question(model=model, path=EMBEDDINGS, fields=fields)


def vectors_in(body: bytes, count: int) -> list[list[float]]:
    """The vectors of `count` texts, in the order of the texts. Raises BackendFailed."""
    try:
        found = msgspec.json.decode(body, type=_Embeddings).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BackendFailed("the model's server answered with what is no embedding") from None
    if sorted(one.index for one in found) != list(range(count)):
        raise BackendFailed(f"the model's server gave {len(found)} vectors for {count} texts")
    vectors = [one.embedding for one in sorted(found, key=lambda one: one.index)]
    sizes = {len(vector) for vector in vectors}
    if len(sizes) != 1 or not 1 <= max(sizes) <= _DIMENSIONS_MAX:
        raise BackendFailed("the model's server gave vectors of no size that makes sense")
    if not all(math.isfinite(math.fsum(vector)) for vector in vectors):
        raise BackendFailed("the model's server gave a vector that is not finite")
    return vectors


class RelayEmbedder:
    """Asks for the vector of a text on behalf of a principal."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    async def __call__(self, principal: Principal, model: str, text: str) -> Sequence[float]:
        """Raises NotFound, RateLimited, BackendRefused, BackendFailed, BackendTimedOut."""
        body = await self._relay.ask(principal, question_for(model, [text]))
        [vector] = vectors_in(body, 1)
        return vector
