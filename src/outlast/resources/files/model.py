"""What a file is, and how it is named. Pure.

In the catalog stands `file`, under an id of ours and without a name: two files may be called the
same. A file's content is its parts, one after the other; nobody changes it.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import Final

import msgspec

from outlast.operations import documents, ids
from outlast.operations.errors import InvalidSpec, NotFound
from outlast.operations.kind import Catalog, CatalogWrite, Resource

FILE: Final = "file"
PARTS_MAX: Final = 10_000
NAME_CHARS_MAX: Final = 255
PROJECT_CHARS_MAX: Final = 255
_PURPOSE: Final = re.compile(r"[a-z_-]{1,64}")
_RANDOM_BITS: Final = 52
_REF_CHARS_SHOWN: Final = 130


class FilePart(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a file."""

    key: str
    bytes: int


class FileDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of a file.

    `operation_id` is what published it; `is_partial`: that operation did not succeed. From
    `expire_at` on the file is gone.
    """

    name: str
    purpose: str
    parts: tuple[FilePart, ...]
    created_by: str
    project: str | None = None
    expire_at: int | None = None
    operation_id: str | None = None
    is_partial: bool = False

    @property
    def bytes(self) -> int:
        """The size of the content."""
        return sum(part.bytes for part in self.parts)


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file as callers see it."""

    id: str
    name: str
    purpose: str
    bytes: int
    created_at: int
    created_by: str
    project: str | None
    expire_at: int | None
    operation_id: str | None
    is_partial: bool


class NewFile(msgspec.Struct, frozen=True, kw_only=True, tag="file"):
    """What a handler returns in `Finish.writes` to publish a file, at most one for each purpose.

    Its content is that of `files`, one after the other: files of the workdir, or, if
    `is_from_operation`, of `context.files`. It outlives the operation, and has the id that
    `published_id` tells.
    """

    purpose: str
    name: str
    files: tuple[str, ...]
    is_from_operation: bool = False
    is_partial: bool = False
    project: str | None = None


def published_id(operation_id: str, purpose: str) -> str:
    """The id of the file that an operation publishes for a purpose: the same on every try."""
    digest = hashlib.sha256(f"{operation_id}/{purpose}".encode()).digest()
    bits = int.from_bytes(digest[:8]) >> (64 - _RANDOM_BITS)
    return ids.make_id(ids.created_at(operation_id), bits)


async def find_file(catalog: Catalog, ref: str) -> Resource:
    """The file with this id, in any of its forms. Raises NotFound."""
    found = await catalog.get(FILE, ids.decode_any(ref) or ref)
    if found is None:
        raise no_file(ref)
    return found


def no_file(ref: str) -> NotFound:
    """There is no such file."""
    return NotFound(f"there is no file {ref[:_REF_CHARS_SHOWN]!r}")


def file_document(resource: Resource) -> FileDocument:
    """What a file's resource says."""
    return msgspec.json.decode(resource.document, type=FileDocument)


def as_file(resource: Resource) -> File:
    """A file's resource as callers see it."""
    document = file_document(resource)
    return File(
        id=resource.id,
        name=document.name,
        purpose=document.purpose,
        bytes=document.bytes,
        created_at=resource.created_at,
        created_by=document.created_by,
        project=document.project,
        expire_at=document.expire_at,
        operation_id=document.operation_id,
        is_partial=document.is_partial,
    )


def write_file(id: str, document: FileDocument) -> CatalogWrite:
    """The write of a new file."""
    fields = {"purpose": document.purpose}
    if document.project is not None:
        fields["project"] = document.project
    if document.operation_id is not None:
        fields["operation_id"] = document.operation_id
    if document.expire_at is not None:
        fields["expires"] = "true"
    return CatalogWrite(
        type=FILE,
        id=id,
        document=documents.encode(document),
        fields=fields,
        expected_revision=0,
    )


def files_prefix(tenant: str) -> str:
    """Where the object store keeps the files of a tenant."""
    return f"tenant/{tenant}/files/"


def new_part_keys(tenant: str, id: str, count: int) -> list[str]:
    """Where the object store keeps the parts of a file that is made now.

    No two calls give the same: an attempt that has lost its lease overwrites nothing.
    """
    prefix = f"{files_prefix(tenant)}{id}-{secrets.token_hex(8)}"
    return [f"{prefix}-{number:05}" for number in range(count)]


def owner_of(key: str) -> str:
    """The id of the file that an object was stored for."""
    return key.rpartition("/")[2].partition("-")[0]


def check_file(*, name: str, purpose: str, project: str | None = None) -> None:
    """Raise InvalidSpec for what no new file may be called."""
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable() or _leads_away(name):
        raise InvalidSpec(
            f"a file's name has 1 to {NAME_CHARS_MAX} printable characters and no slash",
            field_errors={"name": "is not a name"},
        )
    if not _PURPOSE.fullmatch(purpose):
        raise InvalidSpec(
            "a file's purpose has 1 to 64 of a-z _ -", field_errors={"purpose": "is not a purpose"}
        )
    if project is not None and not (
        1 <= len(project) <= PROJECT_CHARS_MAX and project.isprintable()
    ):
        raise InvalidSpec(
            f"a project has 1 to {PROJECT_CHARS_MAX} printable characters",
            field_errors={"project": "is not a project"},
        )


def check_parts(names: Sequence[str]) -> None:
    """Raise InvalidSpec for too many parts."""
    if len(names) > PARTS_MAX:
        raise InvalidSpec(f"a file has at most {PARTS_MAX} parts, not {len(names)}")


def _leads_away(name: str) -> bool:
    # Whoever saves a file under its name must stay in the folder that it chose.
    return name in {".", ".."} or "/" in name or "\\" in name
