"""Garbage collection: reports that were kept long enough, or whose evidence is gone."""

import asyncio
from collections.abc import Callable

from outlast.engine.access import SYSTEM_TENANT
from outlast.operations.model import SECOND
from outlast.resources.evidence.model import EVIDENCE
from outlast.resources.objects import ObjectStore
from outlast.resources.policies import reports
from outlast.resources.walking import walk_resources
from outlast.store.port import CatalogStore


class ReportCollector:
    """Collects reports. Any process may run it, any number at once."""

    def __init__(
        self,
        catalog: CatalogStore,
        objects: ObjectStore,
        *,
        now: Callable[[], int],
        kept_days: float,
    ) -> None:
        self._catalog = catalog
        self._objects = objects
        self._now = now
        self._kept = int(kept_days * 86_400 * SECOND)

    async def collect(self) -> int:
        """One round over all tenants; how many reports went."""
        gone = 0
        async for tenant in walk_resources(self._catalog, SYSTEM_TENANT, "tenant"):
            async for info in self._objects.walk(reports.reports_prefix(tenant.id)):
                # Resources are read on this thread, and there may be many: others have their turn.
                await asyncio.sleep(0)
                is_old = info.modified_at < self._now() - self._kept
                if is_old or not await self._has_evidence(tenant.id, info.key):
                    gone += await self._objects.delete(info.key)
        return gone

    async def _has_evidence(self, tenant: str, key: str) -> bool:
        evidence = await self._catalog.read(tenant, EVIDENCE, reports.evidence_of(key))
        return evidence is not None
