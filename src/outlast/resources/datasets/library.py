"""What callers do with datasets: create, find, upload, read, export, delete.

Who may submit may publish into any dataset of the tenant, by an upload as by an operation: what was
there stays, as a version. Deleting one that another member made is for operators. An operation that
waits for a dataset which is deleted meanwhile fails when it starts; one that runs has its own copy.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from outlast.engine.access import Principal, Verb
from outlast.engine.preparing import TenantCatalog
from outlast.operations import ids
from outlast.operations.errors import Invalid, ResourceExists, RevisionMismatch
from outlast.operations.kind import CatalogWrite, Resource
from outlast.resources.datasets import model
from outlast.resources.datasets.calls import Format, GuessedFormat
from outlast.resources.datasets.declaration import (
    Declaration,
    DeclaredColumn,
    check_folder,
    check_title,
)
from outlast.resources.datasets.model import (
    Dataset,
    DatasetDocument,
    NewVersion,
    Part,
    Rows,
    Version,
)
from outlast.resources.datasets.parser import Parser
from outlast.resources.datasets.publishing import (
    Author,
    Publisher,
    check_alias_is_free,
    write_dataset,
)
from outlast.resources.datasets.resolving import (
    as_dataset,
    as_version,
    dataset_document,
    find_dataset,
    find_version,
    version_document,
)
from outlast.store.port import AuditEntry, CatalogStore, Store

ROWS_MAX: Final = 1000
_RACES_MAX: Final = 50
_BATCH: Final = 500


class Datasets:
    """The datasets of all tenants; every call is scoped by its principal.

    A `ref` is the id or the name of a dataset. What is not the principal's is NotFound.
    """

    def __init__(self, store: Store, publisher: Publisher, parser: Parser) -> None:
        self._catalog = store.catalog
        self._operations = store.operations
        self._publisher = publisher
        self._parser = parser

    async def create(
        self, principal: Principal, name: str, request_id: str | None = None
    ) -> Dataset:
        """A new dataset without a version. Raises ResourceExists."""
        principal.require(Verb.SUBMIT)
        model.check_dataset_name(name)
        if await self._catalog.read(principal.tenant, model.DATASET, name) is not None:
            raise ResourceExists(f"there is a dataset {name!r} already")
        dataset_id = self.make_id()
        document = DatasetDocument(created_by=principal.member)
        [resource] = await self._catalog.write(
            principal.tenant,
            [write_dataset(dataset_id, document, None, name)],
            self._audit(principal, "dataset.create", dataset_id, request_id),
        )
        return as_dataset(resource)

    async def declare(
        self, principal: Principal, declaration: Declaration, request_id: str | None = None
    ) -> Dataset:
        """A new dataset of declared columns, without a version. Raises InvalidSpec."""
        principal.require(Verb.SUBMIT)
        dataset_id = self.make_id()
        document = declaration.document(principal.member)
        audit = self._audit(principal, "dataset.create", dataset_id, request_id)
        [resource] = await self._catalog.write(
            principal.tenant, [write_dataset(dataset_id, document, None, dataset_id)], audit
        )
        return as_dataset(resource)

    def plan(self, principal: Principal, declaration: Declaration) -> tuple[str, CatalogWrite]:
        """The id of a new dataset, and the write that makes it its operation's to fill.

        It belongs among the writes of that operation's creation. Raises InvalidSpec.
        """
        principal.require(Verb.SUBMIT)
        dataset_id = self.make_id()
        document = declaration.document(principal.member)
        write = write_dataset(dataset_id, document, None, dataset_id)
        return dataset_id, msgspec.structs.replace(write, is_owned=True)

    async def create_from_body(
        self,
        principal: Principal,
        chunks: AsyncIterator[bytes],
        reader: str,
        bytes_max: int,
        request_id: str | None = None,
    ) -> Dataset:
        """A new dataset with the rows of a JSON object as its first version.

        See `Parser.parse_body` for `reader`, and for what this raises.
        """
        principal.require(Verb.SUBMIT)
        async with self._parser.parse_body(chunks, reader, bytes_max) as (parsed, declaration):
            dataset_id = self.make_id()
            wish = NewVersion(
                dataset=dataset_id,
                version=parsed.manifest.version,
                manifest=parsed.manifest,
                files=parsed.files,
                required=declaration.required,
                origin="rows",
            )
            author = Author(tenant=principal.tenant, created_by=principal.member)
            made_as = declaration.document(principal.member)
            writes = await self._publisher.publish_version(author, wish, parsed.folder, made_as)
            audit = self._audit(principal, "dataset.create", dataset_id, request_id)
            await self._catalog.write(principal.tenant, writes, audit)
        return await self.get(principal, dataset_id)

    async def find(
        self,
        principal: Principal,
        before_id: str | None = None,
        limit: int = 50,
        *,
        project: str | None = None,
    ) -> list[Dataset]:
        """Datasets in descending order of id, from below `before_id` on."""
        principal.require(Verb.READ)
        fields = {} if project is None else {"project": project}
        found = await self._catalog.find(
            principal.tenant, model.DATASET, fields=fields, before_id=before_id, limit=limit
        )
        return await self._seen(found)

    async def get(self, principal: Principal, ref: str) -> Dataset:
        """One dataset. Raises NotFound."""
        [dataset] = await self._seen([await self._dataset(principal, ref)])
        return dataset

    async def change(
        self,
        principal: Principal,
        ref: str,
        *,
        title: str | None = None,
        folder: str | None = None,
        request_id: str | None = None,
    ) -> Dataset:
        """Give a dataset another title or folder. Raises InvalidSpec, NotFound, Forbidden."""
        changes: dict[str, str] = {}
        if title is not None:
            changes["title"] = check_title(title)
        if folder is not None:
            changes["folder"] = check_folder(folder)
        for _ in range(_RACES_MAX):
            found = await self._dataset(principal, ref)
            document = dataset_document(found)
            principal.require_over(document.created_by)
            document = msgspec.structs.replace(document, **changes)
            audit = self._audit(principal, "dataset.change", found.id, request_id)
            # What is published meanwhile changes the revision: then look again.
            with contextlib.suppress(RevisionMismatch):
                write = write_dataset(found.id, document, found, found.name)
                await self._catalog.write(principal.tenant, [write], audit)
                return await self.get(principal, found.id)
        raise RevisionMismatch(f"dataset {ref!r} keeps changing")

    async def delete(self, principal: Principal, ref: str, request_id: str | None = None) -> None:
        """Delete a dataset with all of its versions. Raises NotFound, Forbidden."""
        for _ in range(_RACES_MAX):
            dataset = await self._dataset(principal, ref)
            principal.require_over(as_dataset(dataset).created_by)
            audit = self._audit(principal, "dataset.delete", dataset.id, request_id)
            # A version that is published meanwhile changes the revision: then look again.
            with contextlib.suppress(RevisionMismatch):
                await delete_dataset(self._catalog, dataset, audit)
                return
        raise RevisionMismatch(f"dataset {ref!r} keeps changing")

    async def upload(
        self,
        principal: Principal,
        ref: str,
        chunks: AsyncIterator[bytes],
        format: GuessedFormat,
        *,
        columns: tuple[DeclaredColumn, ...] | None = None,
        version_name: str | None = None,
        request_id: str | None = None,
    ) -> Version:
        """Publish uploaded bytes as the new current version; durable on return.

        Raises NotFound, TooLarge, Invalid for what cannot be parsed (saying where), and
        ResourceExists if the dataset has a version of that name. Without a name the same bytes may
        be uploaded again: they are the same version. With `columns` they must have these.
        """
        principal.require(Verb.SUBMIT)
        dataset = await self._dataset(principal, ref)
        catalog = TenantCatalog(self._catalog, principal.tenant)
        if version_name is not None:
            await check_alias_is_free(catalog, dataset.id, version_name)
        async with self._parser.parse(chunks, format, columns) as parsed:
            wish = NewVersion(
                dataset=dataset.id,
                version=parsed.manifest.version,
                manifest=parsed.manifest,
                files=parsed.files,
                version_name=version_name,
                must_exist=True,
                required=tuple(one.name for one in columns or () if not one.is_optional),
            )
            await self._publish(principal, wish, parsed.folder, request_id)
        dataset = await self._dataset(principal, dataset.id)
        return as_version(await find_version(catalog, dataset, wish.version))

    async def versions(
        self, principal: Principal, ref: str, limit: int = 50, offset: int = 0
    ) -> list[Version]:
        """A dataset's versions, newest first. Raises NotFound."""
        dataset = await self._dataset(principal, ref)
        count = msgspec.json.decode(dataset.document, type=DatasetDocument).version_count
        if offset >= count:
            return []
        found = await self._catalog.find(
            principal.tenant,
            model.VERSION,
            fields={"dataset": dataset.id},
            before_id=model.numbered_id(dataset.id, count - offset + 1),
            limit=limit,
        )
        return [as_version(resource) for resource in found]

    async def version(self, principal: Principal, ref: str, version: str | None = None) -> Version:
        """One version by its own name or an alias; None: the current one. Raises NotFound."""
        return as_version(await self._version(principal, ref, version))

    async def rows(
        self,
        principal: Principal,
        ref: str,
        version: str | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> Rows:
        """At most `limit` (1 to 1,000) rows of a version, from `offset` on, in its order.

        Raises NotFound, Invalid, and TooLarge where so many rows are too much for one page.
        """
        if offset < 0 or not 1 <= limit <= ROWS_MAX:
            raise Invalid(f"offset must not be negative, and limit must be from 1 to {ROWS_MAX}")
        resource = await self._version(principal, ref, version)
        parts, skipped = _covering(version_document(resource).manifest.parts, offset, limit)
        rows = b"[]"
        if parts:
            rows = await self._parser.rows(principal.tenant, parts, offset - skipped, limit)
        return Rows(version=as_version(resource), rows=rows)

    async def export(
        self,
        principal: Principal,
        ref: str,
        version: str | None = None,
        format: Format = "jsonl",
    ) -> AsyncIterator[bytes]:
        """All rows of a version as one file, chunk by chunk. Raises NotFound before the first."""
        resource = await self._version(principal, ref, version)
        parts = version_document(resource).manifest.parts
        async with contextlib.aclosing(
            self._parser.export(principal.tenant, parts, format)
        ) as chunks:
            async for chunk in chunks:
                yield chunk

    def make_id(self) -> str:
        """An id for a new dataset."""
        return ids.make_id(self._operations.now(), ids.random_bits())

    async def _seen(self, found: Sequence[Resource]) -> list[Dataset]:
        """Datasets as callers see them: how those stand that operations make, these know."""
        makers = {one.fields[model.OWNER]: one for one in found if model.OWNER in one.fields}
        tenant = found[0].tenant if found else None
        operations = await self._operations.get(tenant, list(makers)) if makers else ()
        known = {operation.id: operation for operation in operations if operation is not None}
        return [as_dataset(one, known.get(one.fields.get(model.OWNER, ""))) for one in found]

    def _audit(
        self, principal: Principal, action: str, target: str, request_id: str | None
    ) -> AuditEntry:
        return AuditEntry(
            actor=principal.member, action=action, target=target, request_id=request_id
        )

    async def _dataset(self, principal: Principal, ref: str) -> Resource:
        principal.require(Verb.READ)
        return await find_dataset(TenantCatalog(self._catalog, principal.tenant), ref)

    async def _version(self, principal: Principal, ref: str, version: str | None) -> Resource:
        catalog = TenantCatalog(self._catalog, principal.tenant)
        return await find_version(catalog, await self._dataset(principal, ref), version)

    async def _publish(
        self, principal: Principal, wish: NewVersion, folder: Path, request_id: str | None
    ) -> None:
        author = Author(tenant=principal.tenant, created_by=principal.member)
        audit = self._audit(principal, "dataset.upload", wish.dataset, request_id)
        audit = msgspec.structs.replace(audit, data={"version": wish.version})
        for _ in range(_RACES_MAX):
            writes = await self._publisher.publish_version(author, wish, folder)
            try:
                await self._catalog.write(principal.tenant, writes, audit)
            except (RevisionMismatch, ResourceExists):
                # Somebody else was faster; who loses often waits longer.
                await asyncio.sleep(random.uniform(0, 0.05))  # noqa: S311  not a secret
            else:
                return
        raise RevisionMismatch(f"dataset {wish.dataset!r} keeps changing")


def _covering(parts: tuple[Part, ...], offset: int, limit: int) -> tuple[tuple[Part, ...], int]:
    """The parts that hold some rows, and how many rows the parts before them have."""
    chosen: list[Part] = []
    skipped = first = 0
    for part in parts:
        if first + part.rows <= offset:
            skipped += part.rows
        elif first < offset + limit:
            chosen.append(part)
        first += part.rows
    return tuple(chosen), skipped


async def delete_dataset(
    catalog: CatalogStore, dataset: Resource, audit: AuditEntry | None = None
) -> None:
    """Delete a dataset as it was found, its versions and aliases, all in one transaction.

    Raises RevisionMismatch if it has changed since.
    """
    writes = [CatalogWrite(type=model.DATASET, id=dataset.id, expected_revision=dataset.revision)]
    for type in (model.VERSION, model.ALIAS):
        before_id: str | None = None
        while True:
            found = await catalog.find(
                dataset.tenant,
                type,
                fields={"dataset": dataset.id},
                before_id=before_id,
                limit=_BATCH,
            )
            writes += [CatalogWrite(type=type, id=resource.id) for resource in found]
            if len(found) < _BATCH:
                break
            before_id = found[-1].id
    await catalog.write(dataset.tenant, writes, audit)
