"""What a database is, and how it is named. Pure.

In the catalog stands `database`, under an id of ours and a name. A DuckDB database is one file that
nobody changes: whoever changes the database makes another file, and the document then names that
one. A PostgreSQL database is one of a server's, with a role of its own.

Whose work is under way is told by the indexed field `operation_id`, as the store keeps it: if it is
not the document's, that operation makes the database, or, where the document `is_going`, removes
it. If that operation has ended without success, it does neither.
"""

import re
from typing import Final, Literal

import msgspec

from outlast.operations import documents, ids
from outlast.operations.errors import Conflict, InvalidSpec, NotFound
from outlast.operations.kind import CatalogWrite, Resource

DATABASE: Final = "database"
PASSWORD: Final = "database_password"  # noqa: S105  a type of resource
OWNER: Final = "operation_id"
STORAGES_MAX: Final = 100
DATA_SOURCES_MAX: Final = 1000
FILE_SUFFIX: Final = ".duckdb"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,254}")
_LABEL: Final = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_REF_CHARS_SHOWN: Final = 130

EngineName = Literal["duckdb", "postgresql"]
Status = Literal["provisioning", "ready", "deprovisioning", "abandoned"]
"""`abandoned`: what made it has ended without success. It counts as not there; its name is free."""


class DataSource(msgspec.Struct, frozen=True, kw_only=True):
    """A name under which others know the database."""

    id: str
    data_source_id: str
    name: str


class PostgresPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a PostgreSQL database is. `secret` is the resource that keeps the role's password."""

    host: str
    port: int
    database: str
    role: str
    secret: str


class DatabaseDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of a database.

    `operation_id` is the operation that made it, once it has. `is_going`: another was asked to
    remove it. `file` is the object that holds a
    DuckDB database, of so many `bytes`. `storages` are names of object stores of the settings.
    """

    engine: EngineName
    storages: tuple[str, ...]
    data_sources: tuple[DataSource, ...]
    created_by: str = ""
    operation_id: str | None = None
    is_going: bool = False
    file: str | None = None
    bytes: int = 0
    postgres: PostgresPlace | None = None


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """A database as callers see it. `operation_id` is what made it, makes it or removes it."""

    id: str
    name: str
    engine: EngineName
    status: Status
    storages: tuple[str, ...]
    data_sources: tuple[DataSource, ...]
    bytes: int
    created_at: int
    created_by: str
    operation_id: str


class NewDatabaseFile(msgspec.Struct, frozen=True, kw_only=True, tag="database_file"):
    """What a handler returns in `Finish.writes` to change a DuckDB database.

    `file` is the changed file, in the workdir; `replaces` the object that it was made from, None
    for a new database. The plan's Prepared has the database among its `targets`.
    """

    database: str
    file: str
    replaces: str | None


class NewPostgresDatabase(msgspec.Struct, frozen=True, kw_only=True, tag="postgres_database"):
    """What a handler returns in `Finish.writes` to tell of a new PostgreSQL database."""

    database: str
    host: str
    port: int
    database_name: str
    role: str
    password: str


class RemovedDatabase(msgspec.Struct, frozen=True, kw_only=True, tag="database_removal"):
    """What a handler returns in `Finish.writes` once nothing is left of a database."""

    database: str


def check_name(name: str) -> str:
    """The name itself, if a new database may bear it. Raises InvalidSpec."""
    if not _NAME.fullmatch(name) or ids.decode_any(name) is not None:
        raise InvalidSpec(
            "a database's name has 1 to 255 of A-Z a-z 0-9 _ . -, begins with a letter, and does"
            " not look like an id of ours",
            field_errors={"name": "is not a name"},
        )
    return name


def new_data_source(id: str, data_source_id: str, name: str | None) -> DataSource:
    """A data source, which is called as its id where it has no name. Raises InvalidSpec."""
    for field, text in (("data_source_id", data_source_id), ("data_source_name", name)):
        if text is not None and not _LABEL.fullmatch(text):
            raise InvalidSpec(
                f"{field} has 1 to 255 printable characters", field_errors={field: "malformed"}
            )
    return DataSource(id=id, data_source_id=data_source_id, name=name or data_source_id)


def concurrency_key(id: str) -> str:
    """The key of all operations that touch the database: one at a time."""
    return f"{DATABASE}:{id}"


def postgres_name(id: str) -> str:
    """What the PostgreSQL database of this id, and its role, are called."""
    return f"outlast_{id.lower()}"


def databases_prefix(tenant: str) -> str:
    """Where the object store keeps the databases of a tenant."""
    return f"tenant/{tenant}/databases/"


def file_key(tenant: str, id: str, sha256: str) -> str:
    """Where the object store keeps a file of a database."""
    if not _SHA256.fullmatch(sha256):
        raise ValueError("not a SHA-256")
    return f"{databases_prefix(tenant)}{id}/{sha256}{FILE_SUFFIX}"


def owner_of(key: str) -> str:
    """The id of the database that an object was stored for."""
    return key.split("/")[3]


def database_document(resource: Resource) -> DatabaseDocument:
    """What a database's resource says."""
    return msgspec.json.decode(resource.document, type=DatabaseDocument)


def change_database(found: Resource, document: DatabaseDocument) -> CatalogWrite:
    """The write of a database's document, if it is still as it was found."""
    return CatalogWrite(
        type=DATABASE,
        id=found.id,
        name=found.name,
        document=documents.encode(document),
        fields=found.fields,
        expected_revision=found.revision,
    )


def no_database(ref: str) -> NotFound:
    """There is no such database."""
    return NotFound(f"there is no database {ref[:_REF_CHARS_SHOWN]!r}")


def no_data_source(data_source_id: str) -> NotFound:
    """The database has no such data source."""
    return NotFound(f"the database has no data source {data_source_id[:_REF_CHARS_SHOWN]!r}")


def not_ready(name: str, status: Status) -> Conflict:
    """The database is being made or removed."""
    return Conflict(f"the database {name!r} is {status}", details={"status": status})
