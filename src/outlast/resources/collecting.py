"""Garbage collection: objects that were stored for a resource whose document does not name them."""

import asyncio
from collections.abc import Callable, Container
from typing import Final

from outlast.engine.access import SYSTEM_TENANT
from outlast.operations.kind import Resource
from outlast.operations.model import SECOND
from outlast.resources.objects import ObjectStore
from outlast.resources.walking import walk_resources
from outlast.store.port import CatalogStore

_DAY: Final = 86_400 * SECOND


class OwnedObjectsCollector:
    """Collects what no resource of a type names. Any process may run it, any number at once.

    `prefix_of` says where a tenant's objects are, `owner_of` whose an object is by its key, and
    `named_by` what a resource names. An object goes only when it is a day old: whoever publishes
    one stores it before the document names it, and touches the one that it replaces.
    """

    def __init__(
        self,
        catalog: CatalogStore,
        objects: ObjectStore,
        *,
        type_: str,
        prefix_of: Callable[[str], str],
        owner_of: Callable[[str], str],
        named_by: Callable[[Resource], Container[str | None]],
        now: Callable[[], int],
    ) -> None:
        self._catalog = catalog
        self._objects = objects
        self._type = type_
        self._prefix_of = prefix_of
        self._owner_of = owner_of
        self._named_by = named_by
        self._now = now

    async def collect(self) -> int:
        """One round over all tenants; how many objects went."""
        gone, before = 0, self._now() - _DAY
        async for tenant in walk_resources(self._catalog, SYSTEM_TENANT, "tenant"):
            async for info in self._objects.walk(self._prefix_of(tenant.id)):
                if info.modified_at >= before:
                    continue
                # Resources are read on this thread, and there may be many: others have their turn.
                await asyncio.sleep(0)
                if not await self._is_named(tenant.id, info.key):
                    gone += await self._objects.delete(info.key, unless_modified_since=before)
        return gone

    async def _is_named(self, tenant: str, key: str) -> bool:
        resource = await self._catalog.read(tenant, self._type, self._owner_of(key))
        return resource is not None and key in self._named_by(resource)
