"""Garbage collection: files that have expired, and objects that no file names."""

import asyncio
from collections.abc import Callable
from typing import Final

from outlast.engine.access import SYSTEM_TENANT
from outlast.operations.errors import RevisionMismatch
from outlast.operations.model import SECOND
from outlast.resources.files import model
from outlast.resources.files.library import delete_write
from outlast.resources.objects import ObjectStore
from outlast.resources.walking import walk_resources
from outlast.store.port import AuditEntry, CatalogStore

_DAY: Final = 86_400 * SECOND
_ACTOR: Final = "outlast"


class FileCollector:
    """Collects what no file names. Any process may run it, and any number at once.

    An object goes only when the file that it was stored for does not name it and it is a day old:
    whoever creates a file stores its objects before it writes the resource.
    """

    def __init__(
        self, catalog: CatalogStore, objects: ObjectStore, *, now: Callable[[], int]
    ) -> None:
        self._catalog = catalog
        self._objects = objects
        self._now = now

    async def collect(self) -> int:
        """One round over all tenants; how many files and objects went."""
        gone = 0
        async for tenant in walk_resources(self._catalog, SYSTEM_TENANT, "tenant"):
            gone += await self._expire(tenant.id)
            gone += await self._sweep(tenant.id)
        return gone

    async def _expire(self, tenant: str) -> int:
        gone, now = 0, self._now()
        async for resource in walk_resources(
            self._catalog, tenant, model.FILE, fields={"expires": "true"}
        ):
            document = model.file_document(resource)
            if document.expire_at is None or document.expire_at > now:
                continue
            audit = AuditEntry(actor=_ACTOR, action="file.expire", target=resource.id)
            try:
                await self._catalog.write(tenant, [delete_write(resource)], audit)
            except RevisionMismatch:
                continue  # somebody else deleted it
            gone += 1
            for part in document.parts:
                await self._objects.delete(part.key)
        return gone

    async def _sweep(self, tenant: str) -> int:
        gone, before = 0, self._now() - _DAY
        async for info in self._objects.walk(model.files_prefix(tenant)):
            if info.modified_at >= before:
                continue
            # Resources are read on this thread, and there may be many: others have their turn.
            await asyncio.sleep(0)
            if not await self._is_named(tenant, info.key):
                gone += await self._objects.delete(info.key, unless_modified_since=before)
        return gone

    async def _is_named(self, tenant: str, key: str) -> bool:
        resource = await self._catalog.read(tenant, model.FILE, model.owner_of(key))
        if resource is None:
            return False
        return any(part.key == key for part in model.file_document(resource).parts)
