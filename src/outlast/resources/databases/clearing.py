"""What is left of databases that were never finished: an operation removes it, as any other."""

from typing import Final

import msgspec

from outlast.engine import Engine, Principal, Role, Wish
from outlast.engine.access import SYSTEM_TENANT
from outlast.engine.preparing import TenantCatalog
from outlast.operations.errors import Conflict, NotFound
from outlast.operations.model import SECOND
from outlast.resources.databases import model
from outlast.resources.databases.finding import tell_status
from outlast.resources.walking import walk_resources

_HOUR: Final = 3600 * SECOND
_ACTOR: Final = "outlast"


class DatabaseClearer:
    """Has abandoned databases deprovisioned, an hour after they were. Any process may run it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def clear(self) -> int:
        """One round over all tenants; how many operations were created."""
        created, store = 0, self._engine.store
        before = store.operations.now() - _HOUR
        async for tenant in walk_resources(store.catalog, SYSTEM_TENANT, "tenant"):
            catalog = TenantCatalog(store.catalog, tenant.id)
            async for resource in walk_resources(store.catalog, tenant.id, model.DATABASE):
                if resource.updated_at >= before:
                    continue
                if await tell_status(catalog, resource) == "abandoned":
                    created += await self._remove(tenant.id, resource.id)
        return created

    async def _remove(self, tenant: str, id: str) -> bool:
        who = Principal(tenant=tenant, member=_ACTOR, role=Role.OPERATOR)
        spec = msgspec.json.encode({"database": id})
        try:
            await self._engine.submit(who, Wish(kind="deprovision_database", spec=spec))
        except (Conflict, NotFound):
            return False  # somebody was faster, or has taken it over
        return True
