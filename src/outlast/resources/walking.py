"""Going through all resources of a type."""

from collections.abc import AsyncIterator, Mapping
from typing import Final

from outlast.operations.kind import Resource
from outlast.store.port import CatalogStore

_PAGE: Final = 200


async def walk_resources(
    catalog: CatalogStore,
    tenant: str,
    type: str,
    *,
    fields: Mapping[str, str] | None = None,
    before_id: str | None = None,
    held: int = _PAGE,
) -> AsyncIterator[Resource]:
    """Every resource of a type whose indexed fields have these values, newest first.

    So many are `held` at once: fewer where they are large.
    """
    while True:
        found = await catalog.find(tenant, type, fields=fields, before_id=before_id, limit=held)
        for resource in found:
            yield resource
        if len(found) < held:
            return
        before_id = found[-1].id
