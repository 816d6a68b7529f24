"""What is planned, remembered and told while a vector database is built. Pure."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from outlast.inference.models import ServedModel
from outlast.resources.vector_databases.model import Chunking

MODULE: Final = "outlast.kinds.vector.locked"
SPLIT: Final = f"{MODULE}:split"
CHUNKS: Final = "chunks.jsonl"
"""The name of the file with the chunks, a line for each, in the workdir and among the files."""


class SplitArguments(msgspec.Struct, frozen=True, kw_only=True):
    """What to cut: the rows of a dataset as JSON lines, or a file in its parts, called `name`.

    Of rows, `text_column` is the text, `name_column` says which document it is, and what else is
    a scalar is metadata.
    """

    input: Literal["rows", "file"]
    files: tuple[str, ...]
    name: str
    chunking: Chunking
    text_column: str = ""
    name_column: str | None = None


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """What was cut: so many documents into so many chunks. `skipped` are no documents we read."""

    documents: int
    chunks: int
    skipped: int = 0


class Chunk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A chunk: text of a document, of a page where it has pages."""

    document: str
    text: str
    page: int | None = None
    metadata: Mapping[str, Any] = {}


class BuildPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler needs. `served` None: the embedding model is a local one.

    `source` names the input: a build that was begun with another is not continued.
    """

    vector_database: str
    name: str
    version: int
    source: str
    split: SplitArguments
    embedding_model: str
    served: ServedModel | None
    allow_unsandboxed: bool


class Checkpoint(msgspec.Struct, kw_only=True):
    """How far a build is: its chunks are among the files, and vectors of the first `embedded`.

    Each of `segments` counts the chunks whose vectors one file has.
    """

    source: str
    split: Split
    embedded: int = 0
    dimensions: int = 0
    segments: list[int] = []


class BuildResult(msgspec.Struct, frozen=True, kw_only=True):
    """The vector database that was built. Of an archive, `skipped` members were no documents."""

    vector_database: str
    name: str
    version: int
    embedding_model: str
    documents: int
    chunks: int
    dimensions: int
    skipped: int


def segment_name(number: int) -> str:
    """What the operation's file with a segment of vectors is called."""
    return f"vectors-{number:06}"
