"""What is asked of a locked child, in types that can be made without any engine."""

from typing import Final

import msgspec

from outlast.resources.vector_databases.model import Scalar

MODULE: Final = "outlast.resources.vector_databases.locked"
SEARCH: Final = f"{MODULE}:search"
EMBED: Final = f"{MODULE}:embed"
MEMORY_BYTES: Final = 2 * 1024**3

TEXTS: Final = "texts.json"
"""The name of the file with the texts to embed: a JSON array."""

VECTORS: Final = "vectors"
"""The name of the file with their vectors, one after the other: 32-bit floats, little-endian."""


class SearchArguments(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for in the chunks: near a `vector`, or near the vector of a `text`.

    `text` is embedded by the local `model`. `filters` are what the fields of a chunk must be.
    """

    limit: int
    vector: tuple[float, ...] | None = None
    text: str | None = None
    model: str | None = None
    filters: dict[str, Scalar | list[Scalar]] = {}
    score_min: float | None = None


class EmbedArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Which local model embeds the texts."""

    model: str
