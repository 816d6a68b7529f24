"""Makes what an operation did to a database what the catalog tells of it."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias, assert_never

from msgspec.structs import replace

from outlast.engine.preparing import TenantCatalog
from outlast.operations.errors import Conflict, TooLarge
from outlast.operations.kind import CatalogWrite
from outlast.resources.databases import model
from outlast.resources.databases.finding import FoundDatabase, look_for_database
from outlast.resources.databases.model import (
    NewDatabaseFile,
    NewPostgresDatabase,
    PostgresPlace,
    RemovedDatabase,
)
from outlast.resources.databases.passwords import seal_password
from outlast.resources.intake import Intake, copy_hashed
from outlast.resources.keyring import Keyring
from outlast.resources.objects import ObjectStore
from outlast.resources.publication import Publication
from outlast.resources.spooling import disk_errors
from outlast.store.port import CatalogStore

TAGS: Final = ("database_file", "postgres_database", "database_removal")

Dependents: TypeAlias = Callable[[str, str], Awaitable[Sequence[CatalogWrite]]]
"""What must be written when a tenant's database goes: what there was only in it."""

_Wish: TypeAlias = NewDatabaseFile | NewPostgresDatabase | RemovedDatabase


class DatabasePublisher:
    """Publishes changes of databases. The worker calls it before it records a success.

    `spool` is a folder of the server's own, on the file system of a local object store.
    """

    def __init__(
        self,
        catalog: CatalogStore,
        objects: ObjectStore,
        keyring: Keyring,
        *,
        spool: Path,
        bytes_max: int,
        dependents: Sequence[Dependents] = (),
    ) -> None:
        self._catalog = catalog
        self._objects = objects
        self._keyring = keyring
        self._spool = spool
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._bytes_max = bytes_max
        self._dependents = dependents

    async def publish(self, publication: Publication) -> Sequence[CatalogWrite]:
        """The writes for an encoded publication; they belong into the transaction of the success.

        Each expects what was read: where one is refused, call again. Raises Conflict for what
        cannot be published, TooLarge.
        """
        wish: _Wish = publication.read(_Wish, "the change of a database")
        catalog = TenantCatalog(self._catalog, publication.tenant)
        found = await look_for_database(catalog, wish.database)
        if found is None:
            raise Conflict(f"the database {wish.database!r} is no more")
        match wish:
            case NewDatabaseFile():
                return await self._new_file(found, wish, publication)
            case NewPostgresDatabase():
                return self._new_postgres(found, wish, publication)
            case RemovedDatabase():
                return await self._removed(found, publication.operation_id)
            case _:
                assert_never(wish)

    async def _new_file(
        self, found: FoundDatabase, wish: NewDatabaseFile, publication: Publication
    ) -> Sequence[CatalogWrite]:
        document = found.document
        if document.file != wish.replaces:
            raise Conflict(f"the database {found.resource.name!r} has changed meanwhile")
        if document.operation_id is None:
            _check_owner(found, publication.operation_id)
            document = replace(
                document,
                operation_id=publication.operation_id,
                created_by=publication.created_by,
            )
        elif found.status != "ready":
            raise model.not_ready(found.resource.name, found.status)
        stored = await self._store(found, wish.file, publication.workdir)
        if document.file is not None:
            # Whoever was given it before has a day to read it.
            await self._objects.touch(document.file)
        key = model.file_key(found.resource.tenant, found.id, stored.sha256)
        changed = replace(document, file=key, bytes=stored.bytes)
        return [model.change_database(found.resource, changed)]

    async def _store(self, found: FoundDatabase, name: str, workdir: Path) -> Intake:
        copy = self._spool / f"database-{secrets.token_hex(16)}"
        try:
            with disk_errors():
                taken = await asyncio.to_thread(copy_hashed, workdir, name, copy)
            if taken.bytes > self._bytes_max:
                raise TooLarge(
                    f"the database would have {taken.bytes} bytes; at most {self._bytes_max} are"
                    " allowed (limits.database_bytes)"
                )
            key = model.file_key(found.resource.tenant, found.id, taken.sha256)
            if not await self._objects.touch(key):
                await self._objects.put_file(key, copy, move=True)
        finally:
            await asyncio.to_thread(copy.unlink, missing_ok=True)
        return taken

    def _new_postgres(
        self, found: FoundDatabase, wish: NewPostgresDatabase, publication: Publication
    ) -> Sequence[CatalogWrite]:
        _check_owner(found, publication.operation_id)
        place = PostgresPlace(
            host=wish.host,
            port=wish.port,
            database=wish.database_name,
            role=wish.role,
            secret=found.id,
        )
        made = replace(
            found.document,
            postgres=place,
            operation_id=publication.operation_id,
            created_by=publication.created_by,
        )
        password = seal_password(self._keyring, found.resource.tenant, found.id, wish.password)
        return [model.change_database(found.resource, made), password]

    async def _removed(self, found: FoundDatabase, operation_id: str) -> Sequence[CatalogWrite]:
        _check_owner(found, operation_id)
        writes = [
            CatalogWrite(
                type=model.DATABASE, id=found.id, expected_revision=found.resource.revision
            ),
            CatalogWrite(type=model.PASSWORD, id=found.id),
        ]
        for dependents in self._dependents:
            writes += await dependents(found.resource.tenant, found.id)
        return writes


def _check_owner(found: FoundDatabase, operation_id: str) -> None:
    if found.owner != operation_id:
        raise Conflict(f"the database {found.resource.name!r} is another operation's meanwhile")
