"""Garbage collection: files of vector databases that no document names."""

import asyncio
from collections.abc import Callable
from typing import Final

from outlast.engine.access import SYSTEM_TENANT
from outlast.operations.model import SECOND
from outlast.resources.objects import ObjectStore
from outlast.resources.vector_databases import model
from outlast.resources.walking import walk_resources
from outlast.store.port import CatalogStore

_DAY: Final = 86_400 * SECOND


class VectorDatabaseCollector:
    """Collects what no vector database names. Any process may run it, and any number at once.

    An object goes only when it is a day old: whoever publishes stores it before it is named.
    """

    def __init__(
        self, catalog: CatalogStore, objects: ObjectStore, *, now: Callable[[], int]
    ) -> None:
        self._catalog = catalog
        self._objects = objects
        self._now = now

    async def collect(self) -> int:
        """One round over all tenants; how many objects went."""
        gone, before = 0, self._now() - _DAY
        async for tenant in walk_resources(self._catalog, SYSTEM_TENANT, "tenant"):
            async for info in self._objects.walk(model.vector_databases_prefix(tenant.id)):
                if info.modified_at >= before:
                    continue
                # Resources are read on this thread, and there may be many: others have their turn.
                await asyncio.sleep(0)
                if not await self._is_named(tenant.id, info.key):
                    gone += await self._objects.delete(info.key, unless_modified_since=before)
        return gone

    async def _is_named(self, tenant: str, key: str) -> bool:
        found = await self._catalog.read(tenant, model.VECTOR_DATABASE, model.owner_of(key))
        return found is not None and key in model.document_of(found).files.values()
