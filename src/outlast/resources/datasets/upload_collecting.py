"""Garbage collection: uploads in parts that nobody completed, and what they left."""

from collections.abc import Callable

import msgspec

from outlast.operations.errors import RevisionMismatch
from outlast.operations.kind import CatalogWrite, Resource
from outlast.operations.model import SECOND
from outlast.resources.datasets import model
from outlast.resources.datasets.resolving import dataset_document
from outlast.resources.datasets.uploads import (
    LIFETIME_SECONDS,
    PART,
    PARTS_MAX,
    UPLOAD,
    UploadDocument,
)
from outlast.resources.objects import ObjectStore
from outlast.store.port import AuditEntry, CatalogStore

_PAGE = 200


class UploadCollector:
    """Collects uploads whose time has come. Any process may run it, and any number at once."""

    def __init__(
        self, catalog: CatalogStore, objects: ObjectStore, *, now: Callable[[], int]
    ) -> None:
        self._catalog = catalog
        self._objects = objects
        self._now = now

    async def collect(self, tenant: str) -> int:
        """One round over a tenant; how many uploads went."""
        gone = 0
        before_id: str | None = None
        while True:
            found = await self._catalog.find(tenant, UPLOAD, before_id=before_id, limit=_PAGE)
            for upload in found:
                document = msgspec.json.decode(upload.document, type=UploadDocument)
                if document.expire_at <= self._now():
                    gone += await self._delete(upload, document)
            if len(found) < _PAGE:
                break
            before_id = found[-1].id
        await self._sweep(tenant)
        return gone

    async def _delete(self, upload: Resource, document: UploadDocument) -> bool:
        tenant = upload.tenant
        of_upload = {"upload": upload.id}
        parts = await self._catalog.find(tenant, PART, fields=of_upload, limit=PARTS_MAX)
        writes = [CatalogWrite(type=PART, id=part.id) for part in parts]
        writes.append(CatalogWrite(type=UPLOAD, id=upload.id, expected_revision=upload.revision))
        dataset = await self._catalog.read(tenant, model.DATASET, document.dataset)
        if dataset is not None and dataset_document(dataset).current_version is None:
            writes.append(
                CatalogWrite(type=model.DATASET, id=dataset.id, expected_revision=dataset.revision)
            )
        audit = AuditEntry(actor="outlast", action="dataset.upload_expire", target=upload.id)
        try:
            await self._catalog.write(tenant, writes, audit)
        except RevisionMismatch:
            # It is completed just now: the next round sees it as it is then.
            return False
        async for info in self._objects.walk(model.upload_part_key(tenant, upload.id, "")):
            await self._objects.delete(info.key)
        return True

    async def _sweep(self, tenant: str) -> None:
        """Delete old parts of uploads that are gone: their resource was never written."""
        before = self._now() - LIFETIME_SECONDS * SECOND
        async for info in self._objects.walk(model.uploads_prefix(tenant)):
            if info.modified_at >= before:
                continue
            if await self._catalog.read(tenant, UPLOAD, model.upload_of(info.key)) is None:
                await self._objects.delete(info.key, unless_modified_since=before)
