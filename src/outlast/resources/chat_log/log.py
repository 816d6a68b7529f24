"""The chat log as the server uses it: who is logged, what is kept of an entry, and when."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias

import msgspec

from outlast.engine.access import Principal
from outlast.operations import ids
from outlast.operations.errors import OutlastError
from outlast.resources.chat_log.deciding import ChatLogSettings
from outlast.resources.chat_log.journal import Journal, JournalFull
from outlast.resources.chat_log.keeping import Keeper
from outlast.resources.chat_log.model import Entry, as_document, from_document, hour_of
from outlast.resources.chat_log.publishing import SegmentPublisher
from outlast.store.port import CatalogStore

FRESH_MAX: Final = 60
"""After so many segments of one tenant and hour, they are merged at once."""

Redact: TypeAlias = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Given an entry, what shall be kept of it, or None."""

_PUBLISH_SECONDS: Final = 1.0
_REDACT_SECONDS: Final = 5.0

logger = logging.getLogger(__name__)


class ChatLog:
    """Logs chat completions. `dropped` counts, by reason, the entries that were not kept."""

    def __init__(
        self,
        catalog: CatalogStore,
        journal: Journal,
        publisher: SegmentPublisher,
        keeper: Keeper,
        *,
        now: Callable[[], int],
        entry_bytes_max: int,
        is_enabled: bool = True,
        redact: Redact | None = None,
    ) -> None:
        self._settings = ChatLogSettings(catalog)
        self._journal = journal
        self._publisher = publisher
        self._keeper = keeper
        self._now = now
        self._entry_bytes_max = entry_bytes_max
        self._is_enabled = is_enabled
        self._redact = redact
        # Threads of its own: a hook that hangs must not hold up anything else.
        self._threads = ThreadPoolExecutor(2, "redact") if redact is not None else None
        self._fresh: dict[tuple[str, str], int] = {}
        self._publishing = asyncio.Lock()
        self.logged = 0
        self.dropped: dict[str, int] = {}

    @property
    def settings(self) -> ChatLogSettings:
        """What the tenants have decided."""
        return self._settings

    async def is_enabled(self, principal: Principal) -> bool:
        """Whether the principal's tenant is logged: by its own setting and the server's."""
        return self._is_enabled and (await self._settings.get(principal)).is_enabled

    async def record(self, tenant: str, entry: Entry) -> None:
        """Keep an entry; it is in the journal on return, or counted as dropped. Never raises.

        Its id and time are given here.
        """
        now = self._now()
        entry = msgspec.structs.replace(
            entry, id=ids.make_id(now, ids.random_bits()), created_at=now
        )
        encoded = await self._encoded(entry)
        if encoded is None:
            return
        try:
            self._journal.append(tenant, entry, encoded)
        except JournalFull as error:
            self._drop("journal_full", f"an entry of the chat log was dropped: {error}")
        else:
            self.logged += 1

    async def run(self) -> None:
        """Publish about once a second, for ever."""
        while True:
            await asyncio.sleep(_PUBLISH_SECONDS)
            try:
                await self.publish()
            except Exception:
                # An edge: a log that is never published again would be missed late.
                logger.exception("the chat log was not published; the next round tries again")

    async def publish(self) -> None:
        """Publish what waits, and merge what has become many. One at a time."""
        async with self._publishing:
            await self._publish()

    async def _publish(self) -> None:
        for place in await self._publisher.publish():
            self._fresh[place] = self._fresh.get(place, 0) + 1
        for place in [place for place, count in self._fresh.items() if count >= FRESH_MAX]:
            del self._fresh[place]
            await self._keeper.merge_fresh(*place)
        current = hour_of(self._now())
        self._fresh = {place: n for place, n in self._fresh.items() if place[1] >= current}

    async def close(self) -> None:
        """Publish what waits. What cannot be published is when the server starts again."""
        try:
            async with self._publishing:
                await self._publisher.publish()
        except OutlastError as error:
            logger.warning("the chat log waits for the next start: %s", error)
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _encoded(self, entry: Entry) -> bytes | None:
        """What is kept of an entry. One that the hook spoils is dropped, never kept as it was."""
        if self._redact is None:
            return self._bounded(entry)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_REDACT_SECONDS):
                kept = await loop.run_in_executor(self._threads, self._redact, as_document(entry))
            if kept is None:
                return None
            # The id and the time are the log's own.
            return self._bounded(
                msgspec.structs.replace(
                    from_document(kept), id=entry.id, created_at=entry.created_at
                )
            )
        except Exception as error:  # noqa: BLE001  the hook is not ours, and what it says may be secret
            self._drop("redact_failed", f"the redaction hook failed: {type(error).__name__}")
            return None

    def _bounded(self, entry: Entry) -> bytes:
        encoded = msgspec.json.encode(entry)
        if len(encoded) > self._entry_bytes_max:
            encoded = msgspec.json.encode(_without_content(entry))
        return encoded

    def _drop(self, reason: str, message: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        logger.error("%s", message)


def _without_content(entry: Entry) -> Entry:
    return msgspec.structs.replace(
        entry, messages=[], parameters={}, choices=[], metadata={}, error=None, is_omitted=True
    )
