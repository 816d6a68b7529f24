"""From the journal to segments: what waits on the server's disk becomes objects."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from outlast.operations.errors import OutlastError, ResourceExists
from outlast.resources.chat_log.journal import Journal, read_lines
from outlast.resources.chat_log.model import (
    SegmentDocument,
    hour_of,
    segment_key,
    segment_write,
)
from outlast.resources.objects import ObjectStore
from outlast.store.port import CatalogStore

_AT_ONCE: Final = 8

logger = logging.getLogger(__name__)


class Batch:
    """The entries of one tenant in one journal file."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.first_at = 0
        self.last_at = 0

    def add(self, at: int, entry: bytes) -> None:
        """One entry more."""
        self.first_at = min(self.first_at, at) if self.lines else at
        self.last_at = max(self.last_at, at)
        self.lines.append(entry)


class SegmentPublisher:
    """Publishes journal files as segments, each exactly once."""

    def __init__(self, catalog: CatalogStore, objects: ObjectStore, journal: Journal) -> None:
        self._catalog = catalog
        self._objects = objects
        self._journal = journal

    async def publish(self) -> Sequence[tuple[str, str]]:
        """Publish all that waits; (tenant, hour) of each new segment.

        What cannot be published now stays where it is: call again.
        """
        published: list[tuple[str, str]] = []
        for path in self._journal.seal():
            try:
                published += await self._publish_file(path)
                self._journal.remove(path)
            except (OutlastError, OSError) as error:
                logger.warning("the chat log waits to be published: %s", error)
                break
        return published

    async def _publish_file(self, path: Path) -> list[tuple[str, str]]:
        batches = await asyncio.to_thread(_read, path)
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def publish(tenant: str, batch: Batch) -> tuple[str, str]:
            async with at_once:
                return await self._publish_batch(path.stem, tenant, batch)

        # All of them end before an error is told: none writes into a file's second publication.
        answers = await asyncio.gather(
            *(publish(tenant, batch) for tenant, batch in batches.items()), return_exceptions=True
        )
        published: list[tuple[str, str]] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            published.append(answer)
        return published

    async def _publish_batch(self, id: str, tenant: str, batch: Batch) -> tuple[str, str]:
        hour = hour_of(batch.first_at)
        content = b"\n".join(batch.lines) + b"\n"
        document = SegmentDocument(
            key=segment_key(tenant, hour, id),
            bytes=len(content),
            entries=len(batch.lines),
            first_at=batch.first_at,
            last_at=batch.last_at,
        )
        await self._objects.put_bytes(document.key, content)
        # There already: this file was published by a server that was killed before it removed it.
        with contextlib.suppress(ResourceExists):
            await self._catalog.write(tenant, [segment_write(id, hour, document, 0)])
        return tenant, hour


def _read(path: Path) -> Mapping[str, Batch]:
    batches: dict[str, Batch] = {}
    for line in read_lines(path):
        batches.setdefault(line.tenant, Batch()).add(line.at, bytes(line.entry))
    return batches
