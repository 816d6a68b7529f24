"""Going through all resources of a type."""

from collections.abc import AsyncIterator
from typing import Final

from outlast.operations.kind import Resource
from outlast.store.port import CatalogStore

_PAGE: Final = 200


async def walk_resources(
    catalog: CatalogStore, tenant: str, type: str, **fields: str
) -> AsyncIterator[Resource]:
    """Every resource of a type whose indexed fields have these values, newest first."""
    before_id: str | None = None
    while True:
        found = await catalog.find(
            tenant, type, fields=fields or None, before_id=before_id, limit=_PAGE
        )
        for resource in found:
            yield resource
        if len(found) < _PAGE:
            return
        before_id = found[-1].id
