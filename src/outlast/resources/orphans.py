"""Garbage collection: resources that belong to one operation, when the operation is gone."""

from typing import Final

from outlast.engine.access import SYSTEM_TENANT
from outlast.operations.kind import CatalogWrite, Resource
from outlast.resources.walking import walk_resources
from outlast.store.port import CatalogStore, OperationStore

_BATCH: Final = 200
_OWNER: Final = "operation_id"


async def collect_orphans(catalog: CatalogStore, operations: OperationStore, type: str) -> int:
    """Delete the resources of a type whose operations are gone; how many. Of all tenants."""
    gone = 0
    async for tenant in walk_resources(catalog, SYSTEM_TENANT, "tenant"):
        batch: list[Resource] = []
        async for resource in walk_resources(catalog, tenant.id, type):
            batch.append(resource)
            if len(batch) == _BATCH:
                gone += await _delete(catalog, operations, batch)
                batch = []
        gone += await _delete(catalog, operations, batch)
    return gone


async def _delete(
    catalog: CatalogStore, operations: OperationStore, resources: list[Resource]
) -> int:
    owners = await operations.get(None, [one.fields.get(_OWNER, "") for one in resources])
    gone = [one for one, owner in zip(resources, owners, strict=True) if owner is None]
    for one in gone:
        await catalog.write(one.tenant, [CatalogWrite(type=one.type, id=one.id)])
    return len(gone)
