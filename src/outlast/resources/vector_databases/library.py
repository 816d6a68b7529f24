"""What callers do with vector databases: find, search, delete. Operations build and export them.

To search asks a model, so it is for who may submit. Deleting what another member made is for
operators.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from outlast.engine.access import Principal, Verb
from outlast.engine.preparing import TenantCatalog
from outlast.executors.calls import CallFailed
from outlast.operations.errors import (
    Conflict,
    InvalidSpec,
    NotFound,
    RevisionMismatch,
    Unavailable,
)
from outlast.operations.kind import CatalogWrite
from outlast.operations.model import Operation
from outlast.resources.datasets.locked_calls import Sandbox
from outlast.resources.objects import ObjectStore
from outlast.resources.spooling import disk_errors
from outlast.resources.vector_databases import calls, local_models, model
from outlast.resources.vector_databases.calls import SearchArguments
from outlast.resources.vector_databases.filtering import Scalar, check_where, where_of
from outlast.resources.vector_databases.finding import (
    FoundVectorDatabase,
    as_vector_database,
    find_any,
    find_ready,
    look_at,
)
from outlast.resources.vector_databases.model import Hit, VectorDatabase
from outlast.store.port import AuditEntry, Store

PAGE_MAX: Final = 1000
HITS_MAX: Final = 100
TEXT_CHARS_MAX: Final = 20_000
_SECONDS: Final = 60.0

Embed: TypeAlias = Callable[[Principal, str, str], Awaitable[Sequence[float]]]
"""Asks the model of a backend for the vector of a text."""


class _Answer(msgspec.Struct):
    hits: list[list[Hit]] = []
    error: str | None = None


class VectorDatabases:
    """The vector databases of all tenants; every call is scoped by its principal.

    A `ref` is an id in any of its forms, or a name: of those that bear it, the newest is meant.
    What is not the principal's is NotFound.
    """

    def __init__(
        self,
        store: Store,
        objects: ObjectStore,
        sandbox: Sandbox,
        embed: Embed,
        *,
        spool: Path,
    ) -> None:
        self._catalog = store.catalog
        self._operations = store.operations
        self._objects = objects
        self._sandbox = sandbox
        self._embed = embed
        self._spool = spool

    async def find(
        self,
        principal: Principal,
        *,
        name: str | None = None,
        family: str | None = None,
        use_case: str | None = None,
        before_id: str | None = None,
        limit: int = 50,
    ) -> list[VectorDatabase]:
        """At most `limit` (1 to 1,000) vector databases, newest first, with ids below `before_id`.

        Only those of a name, a family or a use case, where these are given.
        """
        principal.require(Verb.READ)
        if not 1 <= limit <= PAGE_MAX:
            raise InvalidSpec(f"limit must be from 1 to {PAGE_MAX}")
        wanted = {"name": name, "family": family, "use_case": use_case}
        found = await self._catalog.find(
            principal.tenant,
            model.VECTOR_DATABASE,
            fields={field: value for field, value in wanted.items() if value is not None},
            before_id=before_id,
            limit=limit,
        )
        catalog = TenantCatalog(self._catalog, principal.tenant)
        return [as_vector_database(await look_at(catalog, one)) for one in found]

    async def get(self, principal: Principal, ref: str) -> VectorDatabase:
        """One vector database. Raises NotFound."""
        principal.require(Verb.READ)
        catalog = TenantCatalog(self._catalog, principal.tenant)
        return as_vector_database(await find_any(catalog, ref))

    async def rename(
        self, principal: Principal, ref: str, name: str, *, request_id: str | None = None
    ) -> VectorDatabase:
        """Give it another name. Raises NotFound, Forbidden, InvalidSpec; Conflict if not ready."""
        principal.require(Verb.SUBMIT)
        catalog = TenantCatalog(self._catalog, principal.tenant)
        found = await find_ready(catalog, ref)
        principal.require_over(found.document.created_by)
        document = msgspec.structs.replace(found.document, name=model.check_name(name))
        write = msgspec.structs.replace(
            model.change(found.resource, document),
            fields={**found.resource.fields, "name": document.name},
        )
        audit = AuditEntry(
            actor=principal.member,
            action="vector_database.rename",
            target=found.id,
            request_id=request_id,
        )
        await self._catalog.write(principal.tenant, [write], audit)
        return as_vector_database(await find_any(catalog, found.id))

    async def builds(
        self, principal: Principal, found: Sequence[VectorDatabase]
    ) -> Mapping[str, Operation]:
        """The operations of those that are not ready, by id, as far as they are still kept."""
        principal.require(Verb.READ)
        ids = [one.operation_id for one in found if one.status != "ready"]
        operations = await self._operations.get(principal.tenant, ids) if ids else []
        return {one.id: one for one in operations if one is not None}

    async def delete(
        self, principal: Principal, ref: str, *, request_id: str | None = None
    ) -> None:
        """Delete a vector database. Raises NotFound, Forbidden; Conflict while it is built."""
        principal.require(Verb.SUBMIT)
        found = await find_any(TenantCatalog(self._catalog, principal.tenant), ref)
        principal.require_over(await self._maker(principal, found))
        if found.status == "building":
            raise Conflict(
                f"the vector database {found.document.name!r} is being built: cancel the operation"
                f" {found.owner} first",
                details={"status": found.status, "operation_id": found.owner},
            )
        audit = AuditEntry(
            actor=principal.member,
            action="vector_database.delete",
            target=found.id,
            request_id=request_id,
        )
        write = CatalogWrite(
            type=model.VECTOR_DATABASE, id=found.id, expected_revision=found.resource.revision
        )
        try:
            await self._catalog.write(principal.tenant, [write], audit)
        except RevisionMismatch:
            raise model.no_vector_database(ref) from None
        # What is left of it when this fails is garbage, and collected.
        for key in found.document.files.values():
            await self._objects.delete(key)

    async def search(
        self,
        principal: Principal,
        ref: str,
        text: str,
        *,
        limit: int = 5,
        filters: Mapping[str, Scalar | Sequence[Scalar]] | None = None,
        score_min: float | None = None,
    ) -> Sequence[Hit]:
        """The chunks nearest to a text, nearest first; at most `limit` (1 to 100).

        `filters`: the named field of a chunk's metadata, or its `document` or `page`, is this or
        one of these. Raises NotFound, Conflict, InvalidSpec; Unavailable, or what the backend's
        model says.
        """
        principal.require(Verb.SUBMIT)
        _check_search(text, limit, filters or {})
        found = await find_ready(TenantCatalog(self._catalog, principal.tenant), ref)
        document = found.document
        vector: tuple[float, ...] | None = None
        if not document.is_local:
            vector = tuple(await self._embed(principal, document.embedding_model, text))
        elif not local_models.is_installed(document.embedding_model):
            raise Unavailable(local_models.NOT_INSTALLED)
        arguments = SearchArguments(
            limit=limit,
            vectors=() if vector is None else (vector,),
            texts=(text,) if document.is_local else (),
            model=document.embedding_model,
            where=where_of(filters or {}),
            score_min=score_min,
        )
        return await self._search(found, arguments)

    async def _maker(self, principal: Principal, found: FoundVectorDatabase) -> str:
        """Who made it, or has asked for it: until it is ready, its operation knows alone."""
        if found.document.created_by:
            return found.document.created_by
        [operation] = await self._operations.get(principal.tenant, [found.owner])
        return "" if operation is None else operation.created_by

    async def _search(
        self, found: FoundVectorDatabase, arguments: SearchArguments
    ) -> Sequence[Hit]:
        async with self._staged(found.document.files[model.CHUNKS_FILE]) as path:
            try:
                async with self._sandbox(
                    calls.SEARCH,
                    msgspec.json.encode(arguments),
                    inputs={model.CHUNKS_FILE: path},
                    timeout_seconds=_SECONDS,
                    memory_bytes=calls.MEMORY_BYTES,
                    preload=local_models.preload(),
                ) as called:
                    answer = msgspec.convert(called.answer, _Answer)
            except CallFailed as error:
                raise Unavailable(f"the search failed: {error.message}") from error
            except msgspec.ValidationError as error:
                raise Unavailable("the search gave no answer that makes sense") from error
        if answer.error is not None:
            raise Conflict(answer.error)
        [hits] = answer.hits
        return hits

    @contextlib.asynccontextmanager
    async def _staged(self, key: str) -> AsyncIterator[Path]:
        path = self._objects.local_path(key)
        if path is not None:
            if not await asyncio.to_thread(path.is_file):
                raise NotFound(f"there is no object {key}")
            yield path
            return
        fetched = self._spool / f"fetched-{secrets.token_hex(16)}"
        try:
            with disk_errors():
                await self._objects.fetch(key, fetched)
            yield fetched
        finally:
            await asyncio.to_thread(fetched.unlink, missing_ok=True)


def _check_search(text: str, limit: int, filters: Mapping[str, Scalar | Sequence[Scalar]]) -> None:
    if not 1 <= limit <= HITS_MAX:
        raise InvalidSpec(f"a search gives 1 to {HITS_MAX} hits", field_errors={"limit": "range"})
    if not text.strip() or len(text) > TEXT_CHARS_MAX:
        raise InvalidSpec(
            f"a search is for 1 to {TEXT_CHARS_MAX} characters", field_errors={"text": "length"}
        )
    check_where(where_of(filters))
