"""Garbage collection: objects that no model names."""

from collections.abc import AsyncIterator, Callable
from typing import Final

from outlast.engine.access import SYSTEM_TENANT
from outlast.operations.model import SECOND
from outlast.resources.models import model
from outlast.resources.objects import ObjectStore
from outlast.store.port import CatalogStore

_DAY: Final = 86_400 * SECOND
_PAGE: Final = 200


class ModelCollector:
    """Collects what no model names. Any process may run it, and any number at once.

    An object goes only when the model that it was stored for does not name it and it is a day old:
    whoever publishes a model copies its objects before it writes the resource.
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
        async for tenant in self._tenants():
            async for info in self._objects.walk(model.models_prefix(tenant)):
                if info.modified_at < before and not await self._is_named(tenant, info.key):
                    gone += await self._objects.delete(info.key, unless_modified_since=before)
        return gone

    async def _is_named(self, tenant: str, key: str) -> bool:
        resource = await self._catalog.read(tenant, model.MODEL, model.owner_of(key))
        return resource is not None and key in model.model_document(resource).files.values()

    async def _tenants(self) -> AsyncIterator[str]:
        before_id: str | None = None
        while True:
            found = await self._catalog.find(
                SYSTEM_TENANT, "tenant", before_id=before_id, limit=_PAGE
            )
            for resource in found:
                yield resource.id
            if len(found) < _PAGE:
                return
            before_id = found[-1].id
