"""What a dataset and its versions are, and how they are named. Pure.

A version is named by its content: the first 32 hex digits of the SHA-256 of its manifest, which
holds neither time nor tenant. In the catalog stand

    dataset          id: one of ours, or the caller's   name: unique in the tenant
    dataset_version  id: DATASET.NUMBER (1, 2, 3 ...)   name: DATASET.VERSION
    dataset_alias    id: DATASET/NAME                   name: the same

so that the versions of a dataset list by age, and an alias is taken once and for all.
"""

import hashlib
import re
from enum import StrEnum
from typing import Final, Literal

import msgspec

from outlast.operations import documents, ids
from outlast.operations.errors import Invalid, InvalidSpec

DATASET: Final = "dataset"
VERSION: Final = "dataset_version"
ALIAS: Final = "dataset_alias"
OWNER: Final = "operation_id"
"""The indexed field of a dataset that an operation makes the first version of."""

COLUMNS_MAX: Final = 10_000
PARTS_MAX: Final = 10_000
SCHEMA_BYTES_MAX: Final = 512 * 1024
COLUMN_NAME_CHARS_MAX: Final = 1024
_FORMAT: Final = 1
_DIGITS: Final = 10
_INT64_MAX: Final = 2**63 - 1
_VERSION: Final = re.compile(r"[0-9a-f]{32}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._~-]{0,127}")


class Column(msgspec.Struct, frozen=True):
    """A column of a version.

    Values of type `binary` are base64 wherever they are shown as JSON. Those of type `json` are any
    JSON values, kept as text.
    """

    name: str
    type: str


Origin = Literal["rows", "upload", "operation", "s3"]
"""Where a version came from."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet file of a version, named by its content."""

    sha256: str
    bytes: int
    rows: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a version consists of, and all that its name depends on."""

    columns: tuple[Column, ...]
    parts: tuple[Part, ...]
    rows: int
    format: int = _FORMAT

    @property
    def bytes(self) -> int:
        """The size of all parts."""
        return sum(part.bytes for part in self.parts)

    @property
    def version(self) -> str:
        """The name of the version that has this manifest."""
        return hashlib.sha256(documents.canonical(self)).hexdigest()[:32]


class DatasetDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of a dataset. `version_count` numbers the versions.

    `expire_at` is when a temporary dataset may be collected. `title`, unlike the name, may be that
    of others too. `columns` are those of the current version, or, while there is none, those that
    were declared; those of `required` were declared to be without nulls. `origin` says where the
    current version came from.
    """

    created_by: str
    current_version: str | None = None
    version_count: int = 0
    is_temporary: bool = False
    expire_at: int | None = None
    title: str | None = None
    folder: str | None = None
    project: str | None = None
    columns: tuple[Column, ...] = ()
    required: tuple[str, ...] = ()
    origin: Origin | None = None


class VersionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of a version. `name` is the first alias that it was given."""

    dataset: str
    manifest: Manifest
    created_by: str
    name: str | None = None
    operation_id: str | None = None


class AliasDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of an alias."""

    version: str


class DatasetStatus(StrEnum):
    """Whether a dataset can be read."""

    DRAFT = "draft"
    """Nothing was published yet."""
    PENDING = "pending"
    """The operation that makes its first version has not ended."""
    READY = "ready"
    """It has a version."""
    FAILED = "failed"
    """The operation that should have made its first version ended without."""


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset as callers see it. `current_version` is None until something was published.

    `operation_id` is what makes its first version, and `error` says why that failed.
    """

    id: str
    name: str
    current_version: str | None
    created_at: int
    updated_at: int
    created_by: str
    is_temporary: bool
    status: DatasetStatus
    error: str | None
    operation_id: str | None
    title: str | None
    folder: str | None
    project: str | None
    columns: tuple[Column, ...]
    required: tuple[str, ...]
    origin: Origin | None


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A version as callers see it. `parts` counts its files; `name` is its first alias."""

    dataset_id: str
    version: str
    name: str | None
    rows: int
    bytes: int
    columns: tuple[Column, ...]
    parts: int
    created_at: int
    created_by: str
    operation_id: str | None


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows of a version: `rows` is a JSON array of objects as encoded bytes."""

    version: Version
    rows: bytes


class NewVersion(msgspec.Struct, frozen=True, kw_only=True, tag="dataset_version"):
    """What a handler returns in `Finish.writes` to publish files of its workdir as a version.

    `dataset` is the id or name of a dataset, or the id of one to be made. `files` are the Parquet
    files, one for each part of the manifest, in order. `version` is what the handler already told
    in its result: the manifest's own, or nothing is published. A temporary dataset bears the
    operation's id. `must_exist`: a dataset that is gone is not made anew. `required` names columns
    that were declared and found to be without nulls.
    """

    dataset: str
    version: str
    manifest: Manifest
    files: tuple[str, ...]
    version_name: str | None = None
    is_temporary: bool = False
    must_exist: bool = False
    required: tuple[str, ...] = ()
    origin: Origin | None = None


def part_key(tenant: str, sha256: str) -> str:
    """Where the object store keeps a part."""
    return f"{parts_prefix(tenant)}{sha256}.parquet"


def parts_prefix(tenant: str) -> str:
    """Where the object store keeps the parts of a tenant."""
    return f"tenant/{tenant}/parts/"


def manifest_key(tenant: str, version: str) -> str:
    """Where the object store keeps a copy of a manifest, for those without the catalog."""
    return f"{manifests_prefix(tenant)}{version}.json"


def manifests_prefix(tenant: str) -> str:
    """Where the object store keeps the manifests of a tenant."""
    return f"tenant/{tenant}/manifests/"


def numbered_id(dataset_id: str, number: int) -> str:
    """The catalog's id of a dataset's version number `number`."""
    return f"{dataset_id}.{number:0{_DIGITS}}"


def version_ref(dataset_id: str, version: str) -> str:
    """The catalog's name of a version."""
    return f"{dataset_id}.{version}"


def alias_ref(dataset_id: str, name: str) -> str:
    """The catalog's id of an alias."""
    return f"{dataset_id}/{name}"


def uploads_prefix(tenant: str) -> str:
    """Where the object store keeps the parts of uploads of a tenant."""
    return f"tenant/{tenant}/uploads/"


def upload_part_key(tenant: str, upload_id: str, part_id: str) -> str:
    """Where the object store keeps a part of an upload."""
    return f"{uploads_prefix(tenant)}{upload_id}/{part_id}"


def upload_of(key: str) -> str:
    """The id of the upload that an object is a part of."""
    return key.split("/")[3]


def is_version(text: str) -> bool:
    """Whether a text has the form of a version rather than of an alias."""
    return _VERSION.fullmatch(text) is not None


def check_version_name(name: str) -> str:
    """The alias itself, if it is one. Raises InvalidSpec."""
    if not _NAME.fullmatch(name) or is_version(name):
        raise InvalidSpec(
            "a version's name has 1 to 128 of A-Z a-z 0-9 . _ ~ - and does not look like a version",
            field_errors={"version_name": "is not a name"},
        )
    return name


def check_dataset_id(ref: str) -> str:
    """The id for a dataset that does not exist yet, as the caller names it. Raises InvalidSpec."""
    if not _NAME.fullmatch(ref):
        raise InvalidSpec(
            "a new dataset's id has 1 to 128 of A-Z a-z 0-9 . _ ~ -",
            field_errors={"dataset": "is not an id"},
        )
    return ref


def check_dataset_name(name: str) -> str:
    """The name itself, if a new dataset may have it. Raises InvalidSpec."""
    if not _NAME.fullmatch(name) or ids.is_id(name):
        raise InvalidSpec(
            "a dataset's name has 1 to 128 of A-Z a-z 0-9 . _ ~ - and is not an id",
            field_errors={"name": "is not a name"},
        )
    return name


def check_manifest(manifest: Manifest) -> Manifest:
    """The manifest itself, if it is sound: it may come from a hostile child. Raises Invalid."""
    if manifest.format != _FORMAT:
        raise Invalid(f"unknown manifest format {manifest.format}")
    if not 1 <= len(manifest.columns) <= COLUMNS_MAX:
        raise Invalid(f"a version has 1 to {COLUMNS_MAX} columns, not {len(manifest.columns)}")
    if not 1 <= len(manifest.parts) <= PARTS_MAX:
        raise Invalid(f"a version has 1 to {PARTS_MAX} parts, not {len(manifest.parts)}")
    if len({column.name for column in manifest.columns}) != len(manifest.columns):
        raise Invalid("two columns of a version have the same name")
    if sum(len(column.name) + len(column.type) for column in manifest.columns) > SCHEMA_BYTES_MAX:
        raise Invalid(f"the names and types of all columns are longer than {SCHEMA_BYTES_MAX}")
    for part in manifest.parts:
        if not _SHA256.fullmatch(part.sha256) or part.bytes <= 0 or part.rows < 0:
            raise Invalid("a part of the manifest is malformed")
    if sum(part.rows for part in manifest.parts) != manifest.rows or manifest.rows > _INT64_MAX:
        raise Invalid("the parts do not have as many rows as the manifest says")
    return manifest
