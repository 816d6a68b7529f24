"""What a vector database is, and how it is named. Pure.

In the catalog stands `vector_database`, under an id of ours. Its content is one immutable file,
`chunks.arrow`: a row for every chunk, with its text, where it comes from and its vector. Two may
be called the same. What is built with a `parent` is the next version of the parent's `family`.

Whose work is under way is told by the indexed field `operation_id`, as the store keeps it: until
it is the document's too, that operation builds the database, or has ended without success.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from outlast.operations import documents
from outlast.operations.errors import InvalidSpec, NotFound
from outlast.operations.kind import CatalogWrite, Resource

VECTOR_DATABASE: Final = "vector_database"
OWNER: Final = "operation_id"
CHUNKS_FILE: Final = "chunks.arrow"
CHUNKS_MAX: Final = 200_000
VECTORS_BYTES_MAX: Final = 512 * 1024 * 1024
DIMENSIONS_MAX: Final = 8192
_NAME_CHARS_MAX: Final = 255
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_REF_CHARS_SHOWN: Final = 130

Status = Literal["building", "ready", "failed"]


class Chunking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a document is cut. Sizes are in characters; of neighbours, a share overlaps.

    `recursive` cuts at the first separator that leaves pieces that are small enough, else at the
    next; the empty one cuts anywhere.
    """

    method: Literal["recursive"] = "recursive"
    chunk_size: Annotated[int, Meta(ge=50, le=20_000)] = 1000
    overlap_percentage: Annotated[int, Meta(ge=0, le=50)] = 10
    separators: Annotated[tuple[Annotated[str, Meta(max_length=200)], ...], Meta(max_length=20)] = (
        "\n\n",
        "\n",
        " ",
        "",
    )
    is_separator_regex: bool = False


class VectorDatabaseDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of a vector database.

    It was made of a version of a `dataset`, or of a `file`. `is_local`: the embedding model is one
    of this installation's own. `operation_id`, `files` (names -> object keys) and the counts are
    there once it is ready.
    """

    chunking: Chunking
    name: str = ""
    family: str = ""
    version: int = 1
    embedding_model: str = ""
    dataset: str | None = None
    dataset_version: str | None = None
    file: str | None = None
    source_name: str = ""
    is_local: bool = False
    parent: str | None = None
    use_case: str | None = None
    created_by: str = ""
    operation_id: str | None = None
    files: Mapping[str, str] = {}
    bytes: int = 0
    documents: int = 0
    chunks: int = 0
    dimensions: int = 0


class VectorDatabase(msgspec.Struct, frozen=True, kw_only=True):
    """A vector database as callers see it. `operation_id` made it, makes it, or failed to."""

    id: str
    name: str
    family: str
    version: int
    status: Status
    embedding_model: str
    chunking: Chunking
    dataset: str | None
    dataset_version: str | None
    file: str | None
    source_name: str
    parent: str | None
    use_case: str | None
    bytes: int
    documents: int
    chunks: int
    dimensions: int
    created_at: int
    updated_at: int
    created_by: str
    operation_id: str


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that was found. `score` is the cosine of the angle between it and the question."""

    chunk: int
    document: str
    page: int | None
    text: str
    score: float
    metadata: dict[str, Any]


class NewVectorDatabase(msgspec.Struct, frozen=True, kw_only=True, tag="vector_database"):
    """What a handler returns in `Finish.writes` to publish what it built, in the workdir."""

    vector_database: str
    file: str
    documents: int
    chunks: int
    dimensions: int


def check_name(name: str) -> str:
    """The name itself, if a vector database may bear it. Raises InvalidSpec."""
    if not 1 <= len(name) <= _NAME_CHARS_MAX or not name.isprintable():
        raise InvalidSpec(
            f"a vector database's name has 1 to {_NAME_CHARS_MAX} printable characters",
            field_errors={"name": "is not a name"},
        )
    return name


def reserve(id: str, document: VectorDatabaseDocument) -> CatalogWrite:
    """The write of a vector database that the operation it is written with will build.

    A family has each version once: whoever comes second with one is refused (ResourceExists).
    """
    return CatalogWrite(
        type=VECTOR_DATABASE,
        id=id,
        name=f"{document.family}:{document.version}",
        document=documents.encode(document),
        fields=_fields(document),
        expected_revision=0,
        is_owned=True,
    )


def change(found: Resource, document: VectorDatabaseDocument) -> CatalogWrite:
    """The write of a vector database's document, if it is still as it was found."""
    return CatalogWrite(
        type=VECTOR_DATABASE,
        id=found.id,
        name=found.name,
        document=documents.encode(document),
        fields=found.fields,
        expected_revision=found.revision,
    )


def _fields(document: VectorDatabaseDocument) -> dict[str, str]:
    fields = {"name": document.name, "family": document.family}
    if document.use_case is not None:
        fields["use_case"] = document.use_case
    return fields


def document_of(resource: Resource) -> VectorDatabaseDocument:
    """What a vector database's resource says."""
    return msgspec.json.decode(resource.document, type=VectorDatabaseDocument)


def vector_databases_prefix(tenant: str) -> str:
    """Where the object store keeps the vector databases of a tenant."""
    return f"tenant/{tenant}/vector-databases/"


def file_key(tenant: str, id: str, sha256: str) -> str:
    """Where the object store keeps the file of a vector database."""
    if not _SHA256.fullmatch(sha256):
        raise ValueError("not a SHA-256")
    return f"{vector_databases_prefix(tenant)}{id}/{sha256}.arrow"


def owner_of(key: str) -> str:
    """The id of the vector database that an object was stored for."""
    return key.split("/")[3]


def no_vector_database(ref: str) -> NotFound:
    """There is no such vector database."""
    return NotFound(f"there is no vector database {ref[:_REF_CHARS_SHOWN]!r}")
