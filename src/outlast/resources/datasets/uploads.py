"""Uploads in parts: a dataset whose file arrives piece by piece, then becomes its first version.

In the catalog stand

    dataset_upload       id: one of ours           the dataset that it fills, and how far it is
    dataset_upload_part  id: UPLOAD.PART           one piece, whose bytes are an object

An upload that is not completed in a day is collected, and its dataset with it.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from outlast.engine.access import Principal, Verb
from outlast.operations import documents, ids
from outlast.operations.errors import Conflict, InvalidSpec, NotFound, RevisionMismatch, TooLarge
from outlast.operations.kind import CatalogWrite, Resource
from outlast.operations.model import SECOND
from outlast.resources.datasets import model
from outlast.resources.datasets.calls import GuessedFormat
from outlast.resources.datasets.declaration import Declaration
from outlast.resources.datasets.library import Datasets
from outlast.resources.objects import ObjectStore
from outlast.resources.spooling import spooled
from outlast.store.port import Store

UPLOAD: Final = "dataset_upload"
PART: Final = "dataset_upload_part"
PARTS_MAX: Final = 10_000
LIFETIME_SECONDS: Final = 86_400
_RACES_MAX: Final = 50
_REF_CHARS_SHOWN: Final = 130


class UploadDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of an upload."""

    declaration: Declaration
    dataset: str
    created_by: str
    expire_at: int
    parts: int = 0
    bytes: int = 0
    completed_at: int | None = None


class PartDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of a part."""

    upload: str
    key: str
    bytes: int


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """An upload as callers see it."""

    id: str
    declaration: Declaration
    dataset: str
    created_at: int
    completed_at: int | None


class UploadPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part as callers see it."""

    id: str
    upload_id: str
    bytes: int
    created_at: int


class Uploads:
    """The uploads of all tenants; every call is scoped by its principal.

    Only who began an upload goes on with it. To others, and once it has expired, it is NotFound.
    """

    def __init__(
        self,
        store: Store,
        objects: ObjectStore,
        datasets: Datasets,
        *,
        spool: Path,
        upload_bytes_max: int,
    ) -> None:
        self._catalog = store.catalog
        self._now = store.operations.now
        self._objects = objects
        self._datasets = datasets
        self._spool = spool
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._upload_bytes_max = upload_bytes_max

    async def begin(
        self, principal: Principal, declaration: Declaration, request_id: str | None = None
    ) -> Upload:
        """A dataset without a version, and an upload that will give it one. Raises InvalidSpec."""
        dataset = await self._datasets.declare(principal, declaration, request_id)
        now = self._now()
        document = UploadDocument(
            declaration=declaration,
            dataset=dataset.id,
            created_by=principal.member,
            expire_at=now + LIFETIME_SECONDS * SECOND,
        )
        write = CatalogWrite(
            type=UPLOAD,
            id=ids.make_id(now, ids.random_bits()),
            document=documents.encode(document),
            expected_revision=0,
        )
        [resource] = await self._catalog.write(principal.tenant, [write])
        return _seen(resource, document)

    async def add_part(
        self, principal: Principal, upload_id: str, chunks: AsyncIterator[bytes]
    ) -> UploadPart:
        """Store a part; durable on return. Its place is given when the upload is completed.

        Raises NotFound, Conflict for an upload that is complete, TooLarge.
        """
        principal.require(Verb.SUBMIT)
        await self._open_upload(principal, upload_id)
        part_id = ids.make_id(self._now(), ids.random_bits())
        key = model.upload_part_key(principal.tenant, upload_id, part_id)
        async with spooled(self._spool, chunks, self._upload_bytes_max) as arrived:
            await self._objects.put_file(key, arrived.path, move=True)
        part = PartDocument(upload=upload_id, key=key, bytes=arrived.bytes)
        write = CatalogWrite(
            type=PART,
            id=_part_ref(upload_id, part_id),
            document=documents.encode(part),
            fields={"upload": upload_id},
            expected_revision=0,
        )
        for _ in range(_RACES_MAX):
            found, document = await self._open_upload(principal, upload_id)
            size = document.bytes + arrived.bytes
            if size > self._upload_bytes_max or document.parts >= PARTS_MAX:
                await self._objects.delete(key)
                raise TooLarge(
                    f"an upload has at most {PARTS_MAX} parts and {self._upload_bytes_max} bytes"
                )
            document = msgspec.structs.replace(document, parts=document.parts + 1, bytes=size)
            try:
                written = await self._catalog.write(
                    principal.tenant, [write, _write(found, document)]
                )
            except RevisionMismatch:
                # Another part came at the same time.
                await asyncio.sleep(random.uniform(0, 0.05))  # noqa: S311  not a secret
                continue
            at = written[0].created_at
            return UploadPart(id=part_id, upload_id=upload_id, bytes=part.bytes, created_at=at)
        raise RevisionMismatch("too many parts came at once")

    async def complete(
        self,
        principal: Principal,
        upload_id: str,
        part_ids: Sequence[str],
        *,
        format: GuessedFormat = "auto",
        request_id: str | None = None,
    ) -> Upload:
        """Make the parts, in this order, the first version of the dataset.

        An upload that is complete stays as it is. Raises NotFound, and Invalid for what cannot be
        parsed or does not fit the declaration: then other parts may be named.
        """
        principal.require(Verb.SUBMIT)
        found, document = await self._find(principal, upload_id)
        if document.completed_at is not None:
            return _seen(found, document)
        parts = await self._parts(principal, upload_id, part_ids)
        await self._datasets.upload(
            principal,
            document.dataset,
            self._content(parts),
            format,
            columns=document.declaration.columns,
            request_id=request_id,
        )
        completed = await self._close(principal, upload_id)
        await self._delete_parts(principal.tenant, upload_id)
        return completed

    async def _close(self, principal: Principal, upload_id: str) -> Upload:
        for _ in range(_RACES_MAX):
            found, document = await self._find(principal, upload_id)
            if document.completed_at is not None:
                return _seen(found, document)
            document = msgspec.structs.replace(document, completed_at=self._now())
            try:
                await self._catalog.write(principal.tenant, [_write(found, document)])
            except RevisionMismatch:
                continue
            return _seen(found, document)
        raise RevisionMismatch("parts came while the upload was completed")

    async def _parts(
        self, principal: Principal, upload_id: str, part_ids: Sequence[str]
    ) -> list[PartDocument]:
        if not 1 <= len(part_ids) <= PARTS_MAX or len(set(part_ids)) != len(part_ids):
            raise _wrong_parts(f"names 1 to {PARTS_MAX} parts, each once")
        parts: list[PartDocument] = []
        for part_id in part_ids:
            found = await self._catalog.read(principal.tenant, PART, _part_ref(upload_id, part_id))
            if found is None:
                raise _wrong_parts(f"there is no part {part_id[:_REF_CHARS_SHOWN]!r}")
            parts.append(msgspec.json.decode(found.document, type=PartDocument))
        return parts

    async def _content(self, parts: Sequence[PartDocument]) -> AsyncIterator[bytes]:
        for part in parts:
            async for chunk in self._objects.read(part.key):
                yield chunk

    async def _delete_parts(self, tenant: str, upload_id: str) -> None:
        # What is left when this fails is garbage, and collected.
        prefix = model.upload_part_key(tenant, upload_id, "")
        found = await self._catalog.find(
            tenant, PART, fields={"upload": upload_id}, limit=PARTS_MAX
        )
        await self._catalog.write(tenant, [CatalogWrite(type=PART, id=one.id) for one in found])
        async for info in self._objects.walk(prefix):
            await self._objects.delete(info.key)

    async def _open_upload(
        self, principal: Principal, upload_id: str
    ) -> tuple[Resource, UploadDocument]:
        found, document = await self._find(principal, upload_id)
        if document.completed_at is not None:
            raise Conflict("the upload is complete")
        return found, document

    async def _find(self, principal: Principal, upload_id: str) -> tuple[Resource, UploadDocument]:
        found = await self._catalog.read(principal.tenant, UPLOAD, upload_id)
        if found is not None:
            document = msgspec.json.decode(found.document, type=UploadDocument)
            if document.created_by == principal.member and document.expire_at > self._now():
                return found, document
        raise NotFound(f"there is no upload {upload_id[:_REF_CHARS_SHOWN]!r}")


def _part_ref(upload_id: str, part_id: str) -> str:
    return f"{upload_id}.{part_id}"


def _write(found: Resource, document: UploadDocument) -> CatalogWrite:
    return CatalogWrite(
        type=UPLOAD,
        id=found.id,
        document=documents.encode(document),
        expected_revision=found.revision,
    )


def _seen(resource: Resource, document: UploadDocument) -> Upload:
    return Upload(
        id=resource.id,
        declaration=document.declaration,
        dataset=document.dataset,
        created_at=resource.created_at,
        completed_at=document.completed_at,
    )


def _wrong_parts(reason: str) -> InvalidSpec:
    return InvalidSpec(f"part_ids: {reason}", field_errors={"part_ids": reason})
