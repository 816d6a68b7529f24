"""Garbage collection: temporary datasets that have expired, and objects that nothing names."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from outlast.engine.access import SYSTEM_TENANT
from outlast.operations.errors import RevisionMismatch
from outlast.resources.datasets import model
from outlast.resources.datasets.library import delete_dataset
from outlast.resources.datasets.publishing import DAY
from outlast.resources.datasets.resolving import dataset_document, version_document
from outlast.resources.datasets.upload_collecting import UploadCollector
from outlast.resources.objects import ObjectStore
from outlast.resources.walking import walk_resources
from outlast.store.port import AuditEntry, CatalogStore

_CANDIDATES_MAX: Final = 10_000
_ACTOR: Final = "outlast"


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """How much went: temporary datasets, objects, uploads, what interrupted writes had left."""

    datasets: int = 0
    objects: int = 0
    uploads: int = 0
    leftovers: int = 0


class Collector:
    """Collects what no version names. Any process may run it, and any number at once.

    An object goes only when no version of its tenant names it and it has been neither stored nor
    touched for a day: whoever publishes touches what it reuses before it writes the version.
    """

    def __init__(
        self,
        catalog: CatalogStore,
        objects: ObjectStore,
        *,
        now: Callable[[], int],
        spool: Path,
    ) -> None:
        self._catalog = catalog
        self._objects = objects
        self._now = now
        self._spool = spool
        self._uploads = UploadCollector(catalog, objects, now=now)

    async def collect(self) -> Collected:
        """One round over all tenants."""
        datasets = objects = uploads = 0
        async for tenant in walk_resources(self._catalog, SYSTEM_TENANT, "tenant"):
            datasets += await self.expire(tenant.id)
            objects += await self.sweep(tenant.id)
            uploads += await self._uploads.collect(tenant.id)
        before = self._now() - DAY
        leftovers = await self._objects.delete_leftovers(before)
        leftovers += await asyncio.to_thread(_delete_old_files, self._spool, before)
        return Collected(datasets=datasets, objects=objects, uploads=uploads, leftovers=leftovers)

    async def expire(self, tenant: str) -> int:
        """Delete a tenant's temporary datasets whose time has come; how many."""
        gone = 0
        now = self._now()
        async for dataset in walk_resources(
            self._catalog, tenant, model.DATASET, fields={"temporary": "true"}
        ):
            expire_at = dataset_document(dataset).expire_at
            if expire_at is None or expire_at > now:
                continue
            audit = AuditEntry(actor=_ACTOR, action="dataset.expire", target=dataset.id)
            try:
                await delete_dataset(self._catalog, dataset, audit)
            except RevisionMismatch:
                # Somebody has just published into it, which renews it, or deleted it.
                continue
            gone += 1
        return gone

    async def sweep(self, tenant: str) -> int:
        """Delete a tenant's old objects that no version names; how many."""
        before = self._now() - DAY
        gone = 0
        for prefix in (model.parts_prefix(tenant), model.manifests_prefix(tenant)):
            candidates: set[str] = set()
            async for info in self._objects.walk(prefix):
                if info.modified_at < before:
                    candidates.add(info.key)
                if len(candidates) >= _CANDIDATES_MAX:
                    gone += await self._delete_unnamed(tenant, candidates, before)
                    candidates = set()
            gone += await self._delete_unnamed(tenant, candidates, before)
        return gone

    async def _delete_unnamed(self, tenant: str, candidates: set[str], before: int) -> int:
        if not candidates:
            return 0
        async for resource in walk_resources(self._catalog, tenant, model.VERSION):
            manifest = version_document(resource).manifest
            candidates.discard(model.manifest_key(tenant, manifest.version))
            candidates.difference_update(
                model.part_key(tenant, part.sha256) for part in manifest.parts
            )
        gone = 0
        for key in candidates:
            gone += await self._objects.delete(key, unless_modified_since=before)
        return gone


def _delete_old_files(folder: Path, before: int) -> int:
    gone = 0
    for path in folder.iterdir():
        try:
            if path.stat().st_mtime_ns // 1000 >= before:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
            gone += 1
        except FileNotFoundError:
            continue
    return gone
