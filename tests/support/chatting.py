"""What asks models and logs chats, over a store of tests."""

import msgspec

from outlast.inference.relaying import Relay
from outlast.inference.warm import WarmEndpoints
from outlast.resources.chat_log import ChatLog, Journal, Keeper, SegmentPublisher
from outlast.resources.chat_log.model import SEGMENT, Entry, segment_document
from outlast.resources.configured import ConfiguredStore
from outlast.resources.objects import LocalObjects


class Chatting:
    """A relay and a chat log. `keys` are those of the backends, by name.

    `endpoints` is what else WarmEndpoints takes.
    """

    def __init__(self, folder, store, settings, *, keys=None, redact=None, **endpoints):
        configured = ConfiguredStore(store, settings)
        self.store = store
        self.objects = LocalObjects(folder / "objects")
        now = store.operations.now
        spool = folder / "spool"
        spool.mkdir(exist_ok=True)
        journal = Journal(folder / "chat-journal", now)
        journal.open()
        self.log = ChatLog(
            store.catalog,
            journal,
            SegmentPublisher(store.catalog, self.objects, journal),
            Keeper(store.catalog, self.objects, now=now, spool=spool, kept_days=30),
            now=now,
            entry_bytes_max=settings.limits.chat_entry_bytes,
            is_enabled=settings.chat_log.is_enabled,
            redact=redact,
        )
        keys = (keys or {}).__getitem__
        self.endpoints = WarmEndpoints(keys, self.objects.fetch, spool, **endpoints)
        self.relay = Relay(
            configured.catalog,
            self.endpoints,
            self.log,
            answer_bytes_max=settings.limits.chat_answer_bytes,
        )

    async def close(self):
        await self.endpoints.close()
        await self.log.close()

    async def logged(self, tenant="default"):
        """Every entry of a tenant's log, oldest first."""
        await self.log.publish()
        entries = []
        for segment in reversed(await self.store.catalog.find(tenant, SEGMENT)):
            key = segment_document(segment).key
            content = b"".join([chunk async for chunk in self.objects.read(key)])
            entries += [msgspec.json.decode(line, type=Entry) for line in content.splitlines()]
        return entries
