"""What is asked of a locked child, in types that can be made without any engine."""

from typing import Final

import msgspec

from outlast.resources.vector_databases.filtering import Every, Where

MODULE: Final = "outlast.resources.vector_databases.locked"
SEARCH: Final = f"{MODULE}:search"
EMBED: Final = f"{MODULE}:embed"
MEMORY_BYTES: Final = 2 * 1024**3

TEXTS: Final = "texts.json"
"""The name of the file with the texts to embed: a JSON array."""

VECTORS: Final = "vectors"
"""The name of the file with their vectors, one after the other: 32-bit floats, little-endian."""


class SearchArguments(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for in the chunks: near each of some `vectors`, or near those of `texts`.

    Texts are embedded by the local `model`. `relevance` below 1 prefers chunks that differ from
    those already taken; 0 looks at nothing else. `with_neighbours` adds the chunks right before and
    after each that was found, in the same document.
    """

    limit: int
    vectors: tuple[tuple[float, ...], ...] = ()
    texts: tuple[str, ...] = ()
    model: str | None = None
    where: Where = Every(of=())
    score_min: float | None = None
    relevance: float = 1.0
    with_neighbours: bool = False


class EmbedArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Which local model embeds the texts."""

    model: str
