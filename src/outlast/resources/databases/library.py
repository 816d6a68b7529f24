"""What callers do with databases: find them, name them, read their files and their passwords.

They are made and removed by operations. Changing what another member made is for operators.
"""

from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from outlast.engine.access import Principal, Verb
from outlast.engine.preparing import TenantCatalog
from outlast.operations import ids
from outlast.operations.errors import Conflict, InvalidSpec, ResourceExists, RevisionMismatch
from outlast.resources.databases import model
from outlast.resources.databases.finding import (
    FoundDatabase,
    find_database,
    look_for_database,
    tell_status,
)
from outlast.resources.databases.model import Database, DatabaseDocument, DataSource, PostgresPlace
from outlast.resources.databases.passwords import open_password
from outlast.resources.keyring import Keyring
from outlast.resources.objects import ObjectStore
from outlast.store.port import AuditEntry, Store

PAGE_MAX: Final = 1000
_CHANGE_TRIES: Final = 8
_T = TypeVar("_T")


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """How to connect to a PostgreSQL database. `url` has all of it."""

    host: str
    port: int
    database: str
    user: str
    password: str
    url: str


class Databases:
    """The databases of all tenants; every call is scoped by its principal.

    A `ref` is the id, in any of its forms, or the name of a database. What is not the principal's,
    or was never finished, is NotFound.
    """

    def __init__(self, store: Store, objects: ObjectStore, keyring: Keyring) -> None:
        self._catalog = store.catalog
        self._now = store.operations.now
        self._objects = objects
        self._keyring = keyring

    async def find(
        self,
        principal: Principal,
        *,
        name: str | None = None,
        before_id: str | None = None,
        limit: int = 50,
    ) -> list[Database]:
        """At most `limit` (1 to 1,000) databases, newest first, with ids below `before_id`.

        With `name`: the one that is called so, if there is one.
        """
        principal.require(Verb.READ)
        if not 1 <= limit <= PAGE_MAX:
            raise InvalidSpec(f"limit must be from 1 to {PAGE_MAX}")
        catalog = TenantCatalog(self._catalog, principal.tenant)
        if name is not None:
            one = await look_for_database(catalog, name)
            is_it = one is not None and one.resource.name == name and one.status != "abandoned"
            return [_as_database(one)] if one is not None and is_it else []
        databases: list[Database] = []
        while len(databases) < limit:
            found = await self._catalog.find(
                principal.tenant, model.DATABASE, before_id=before_id, limit=limit
            )
            for resource in found:
                status = await tell_status(catalog, resource)
                if status is None:
                    # It has changed while the page was read: as it is now, if it still is.
                    one = await look_for_database(catalog, resource.id)
                else:
                    document = model.database_document(resource)
                    one = FoundDatabase(resource=resource, document=document, status=status)
                if one is not None and one.status != "abandoned":
                    databases.append(_as_database(one))
            if len(found) < limit:
                break
            before_id = found[-1].id
        return databases[:limit]

    async def get(self, principal: Principal, ref: str) -> Database:
        """One database. Raises NotFound."""
        principal.require(Verb.READ)
        found = await look_for_database(TenantCatalog(self._catalog, principal.tenant), ref)
        if found is None or found.status == "abandoned":
            raise model.no_database(ref)
        return _as_database(found)

    async def attach(
        self,
        principal: Principal,
        ref: str,
        data_source_id: str,
        name: str | None = None,
        *,
        request_id: str | None = None,
    ) -> DataSource:
        """Give the database another data source. Raises NotFound, ResourceExists, Conflict."""
        id = ids.make_id(self._now(), ids.random_bits())
        made = model.new_data_source(id, data_source_id, name)

        def change(document: DatabaseDocument) -> tuple[DatabaseDocument, DataSource]:
            _check_free(document, data_source_id)
            if len(document.data_sources) >= model.DATA_SOURCES_MAX:
                raise Conflict(f"a database has at most {model.DATA_SOURCES_MAX} data sources")
            return replace(document, data_sources=(*document.data_sources, made)), made

        return await self._change(principal, ref, "database.attach", change, request_id)

    async def detach(
        self,
        principal: Principal,
        ref: str,
        data_source_id: str,
        *,
        request_id: str | None = None,
    ) -> DataSource:
        """Take a data source from the database; what it was. The last one stays: Conflict."""

        def change(document: DatabaseDocument) -> tuple[DatabaseDocument, DataSource]:
            gone = _data_source(document, data_source_id)
            if len(document.data_sources) == 1:
                raise Conflict("the last data source of a database cannot be detached")
            left = tuple(one for one in document.data_sources if one is not gone)
            return replace(document, data_sources=left), gone

        return await self._change(principal, ref, "database.detach", change, request_id)

    async def replace_data_source(
        self,
        principal: Principal,
        ref: str,
        old_data_source_id: str,
        data_source_id: str,
        name: str | None = None,
        *,
        request_id: str | None = None,
    ) -> DataSource:
        """Put a data source in the place of another. Raises NotFound, ResourceExists, Conflict."""

        def change(document: DatabaseDocument) -> tuple[DatabaseDocument, DataSource]:
            old = _data_source(document, old_data_source_id)
            if data_source_id != old_data_source_id:
                _check_free(document, data_source_id)
            made = model.new_data_source(old.id, data_source_id, name)
            sources = tuple(made if one is old else one for one in document.data_sources)
            return replace(document, data_sources=sources), made

        return await self._change(principal, ref, "database.replace", change, request_id)

    async def credentials(
        self, principal: Principal, ref: str, *, request_id: str | None = None
    ) -> Credentials:
        """How to connect to a PostgreSQL database. It stands in the audit log first.

        Raises NotFound, Forbidden, SecretMissing; Conflict for a DuckDB database.
        """
        principal.require(Verb.READ_SECRETS)
        found = await self._ready(principal, ref)
        place = found.document.postgres
        if place is None:
            raise Conflict("a DuckDB database is a file: download it, there is no password")
        tenant = principal.tenant
        audit = _audit(principal, "database.read_password", found.id, request_id)
        await self._catalog.write(tenant, [], audit)
        kept = await self._catalog.read(tenant, model.PASSWORD, place.secret)
        return _credentials(place, open_password(self._keyring, kept, tenant, place.secret))

    async def read_file(
        self, principal: Principal, ref: str
    ) -> tuple[Database, AsyncIterator[bytes]]:
        """A DuckDB database, and its file chunk by chunk. Raises NotFound, Conflict."""
        principal.require(Verb.READ)
        found = await self._ready(principal, ref)
        if found.document.file is None:
            raise Conflict("a PostgreSQL database has no file: connect to it")
        return _as_database(found), self._objects.read(found.document.file)

    async def _ready(self, principal: Principal, ref: str) -> FoundDatabase:
        return await find_database(TenantCatalog(self._catalog, principal.tenant), ref)

    async def _change(
        self,
        principal: Principal,
        ref: str,
        action: str,
        change: Callable[[DatabaseDocument], tuple[DatabaseDocument, _T]],
        request_id: str | None,
    ) -> _T:
        principal.require(Verb.SUBMIT)
        for _ in range(_CHANGE_TRIES):
            found = await self._ready(principal, ref)
            principal.require_over(found.document.created_by)
            document, answer = change(found.document)
            write = model.change_database(found.resource, document)
            audit = _audit(principal, action, found.id, request_id)
            try:
                await self._catalog.write(principal.tenant, [write], audit)
            except RevisionMismatch:
                continue
            return answer
        raise RevisionMismatch


def _as_database(found: FoundDatabase) -> Database:
    document, resource = found.document, found.resource
    return Database(
        id=resource.id,
        name=resource.name,
        engine=document.engine,
        status=found.status,
        storages=document.storages,
        data_sources=document.data_sources,
        bytes=document.bytes,
        created_at=resource.created_at,
        created_by=document.created_by,
        operation_id=found.owner,
    )


def _data_source(document: DatabaseDocument, data_source_id: str) -> DataSource:
    for source in document.data_sources:
        if data_source_id in {source.data_source_id, source.id}:
            return source
    raise model.no_data_source(data_source_id)


def _check_free(document: DatabaseDocument, data_source_id: str) -> None:
    if any(source.data_source_id == data_source_id for source in document.data_sources):
        raise ResourceExists(f"the database has a data source {data_source_id!r} already")


def _credentials(place: PostgresPlace, password: str) -> Credentials:
    return Credentials(
        host=place.host,
        port=place.port,
        database=place.database,
        user=place.role,
        password=password,
        url=f"postgresql://{place.role}:{password}@{_server(place)}",
    )


def _server(place: PostgresPlace) -> str:
    """What a URL says after the password."""
    # A host that is a folder is one with a socket in it, which the URL names as a parameter.
    if place.host.startswith("/"):
        return f"/{place.database}?host={quote(place.host, safe='')}&port={place.port}"
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"{host}:{place.port}/{place.database}"


def _audit(principal: Principal, action: str, id: str, request_id: str | None) -> AuditEntry:
    return AuditEntry(actor=principal.member, action=action, target=id, request_id=request_id)
