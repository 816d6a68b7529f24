"""Keeps the chat log small and no longer than allowed: merges, expires, sweeps."""

import logging
import secrets
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from outlast.engine.access import SYSTEM_TENANT
from outlast.operations.errors import NotFound, RevisionMismatch
from outlast.operations.kind import CatalogWrite, Resource
from outlast.operations.model import SECOND
from outlast.resources.chat_log.model import (
    SEGMENT,
    SegmentDocument,
    day_of,
    hour_of,
    segment_document,
    segment_key,
    segment_of_key,
    segment_write,
    segments_prefix,
)
from outlast.resources.objects import ObjectStore
from outlast.resources.walking import walk_resources
from outlast.store.port import CatalogStore

SMALL_BYTES: Final = 32 * 1024 * 1024
"""A segment of this size is left alone."""

DAY: Final = 86_400 * SECOND

logger = logging.getLogger(__name__)


class Keeper:
    """The chores of the chat log. Any process may run them, and any number at once.

    What was merged away stays for a day, for operations that have begun to read it.
    """

    def __init__(
        self,
        catalog: CatalogStore,
        objects: ObjectStore,
        *,
        now: Callable[[], int],
        spool: Path,
        kept_days: float,
    ) -> None:
        self._catalog = catalog
        self._objects = objects
        self._now = now
        self._spool = spool
        self._kept = int(kept_days * DAY)

    async def keep(self) -> int:
        """One round over all tenants; how many segments have expired."""
        expired = 0
        async for tenant in walk_resources(self._catalog, SYSTEM_TENANT, "tenant"):
            expired += await self.expire(tenant.id)
            await self.merge_past(tenant.id)
            await self.sweep(tenant.id)
        return expired

    async def expire(self, tenant: str) -> int:
        """Delete a tenant's segments whose newest entry has been kept enough; how many."""
        before = self._now() - self._kept
        gone = 0
        async for segment in walk_resources(self._catalog, tenant, SEGMENT):
            document = segment_document(segment)
            if document.last_at < before:
                await self._catalog.write(tenant, [CatalogWrite(type=SEGMENT, id=segment.id)])
                await self._objects.delete(document.key)
                gone += 1
        return gone

    async def merge_past(self, tenant: str) -> None:
        """Merge the small segments of each hour that is over, then of each day that is over."""
        now = self._now()
        counts: Counter[tuple[str, str]] = Counter()
        async for segment in walk_resources(self._catalog, tenant, SEGMENT):
            day, hour = segment.fields["day"], segment.fields["hour"]
            if _is_small(segment) and day < day_of(now):
                counts["day", day] += 1
            elif _is_small(segment) and hour < hour_of(now):
                counts["hour", hour] += 1
        for (field, value), count in counts.items():
            if count > 1:
                await self._merge(tenant, {field: value})

    async def merge_fresh(self, tenant: str, hour: str) -> None:
        """Merge the small segments of an hour that were not merged before."""
        await self._merge(tenant, {"hour": hour}, only_fresh=True)

    async def sweep(self, tenant: str) -> None:
        """Delete a tenant's old objects that are no segment's any more."""
        before = self._now() - DAY
        async for info in self._objects.walk(segments_prefix(tenant)):
            if info.modified_at < before:
                segment = await self._catalog.read(tenant, SEGMENT, segment_of_key(info.key))
                if segment is None or segment_document(segment).key != info.key:
                    await self._objects.delete(info.key, unless_modified_since=before)

    async def _merge(
        self, tenant: str, fields: Mapping[str, str], *, only_fresh: bool = False
    ) -> None:
        found = [
            segment
            async for segment in walk_resources(self._catalog, tenant, SEGMENT, fields=fields)
            if _is_small(segment) and not (only_fresh and segment_document(segment).is_merged)
        ]
        group: list[Resource] = []
        size = 0
        for segment in reversed(found):
            group.append(segment)
            size += segment_document(segment).bytes
            if size >= SMALL_BYTES:
                await self._merge_group(tenant, group)
                group, size = [], 0
        await self._merge_group(tenant, group)

    async def _merge_group(self, tenant: str, group: Sequence[Resource]) -> None:
        """Make one segment of several, which are in the order of time. The first one's id stays."""
        if len(group) < 2:  # noqa: PLR2004  there is nothing to merge
            return
        documents = [segment_document(segment) for segment in group]
        first, *others = group
        hour = first.fields["hour"]
        merged = SegmentDocument(
            key=segment_key(tenant, hour, f"{first.id}.{secrets.token_hex(8)}"),
            bytes=sum(document.bytes for document in documents),
            entries=sum(document.entries for document in documents),
            first_at=min(document.first_at for document in documents),
            last_at=max(document.last_at for document in documents),
            is_merged=True,
        )
        writes = [segment_write(first.id, hour, merged, first.revision)]
        writes += [
            CatalogWrite(type=SEGMENT, id=other.id, expected_revision=other.revision)
            for other in others
        ]
        try:
            await self._store_joined(merged.key, [document.key for document in documents])
            await self._catalog.write(tenant, writes)
        except (RevisionMismatch, NotFound) as error:
            logger.info("segments of %s were changed by another process: %s", hour, error)

    async def _store_joined(self, key: str, sources: Sequence[str]) -> None:
        with tempfile.NamedTemporaryFile(dir=self._spool, suffix=".jsonl") as file:
            for source in sources:
                async for chunk in self._objects.read(source):
                    file.write(chunk)
            file.flush()
            await self._objects.put_file(key, Path(file.name))


def _is_small(segment: Resource) -> bool:
    return segment_document(segment).bytes < SMALL_BYTES
