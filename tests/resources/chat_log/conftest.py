import msgspec
import pytest

from outlast.operations.kind import CatalogWrite
from outlast.resources.chat_log import ChatLog, Entry, Journal, Keeper, SegmentPublisher
from outlast.resources.chat_log.model import SEGMENT, segment_document


class Bench:
    """A chat log over a real store and a real folder, and what a server does with it."""

    def __init__(self, folder, store, objects, **options) -> None:
        now = store.operations.now
        spool = folder / "spool"
        spool.mkdir(exist_ok=True)
        self.store, self.objects = store, objects
        self.journal = Journal(folder / "journal", now, options.pop("journal_bytes", 1_000_000))
        self.journal.open()
        self.keeper = Keeper(
            store.catalog, objects, now=now, spool=spool, kept_days=options.pop("kept_days", 30)
        )
        self.publisher = SegmentPublisher(store.catalog, objects, self.journal)
        self.log = ChatLog(
            store.catalog,
            self.journal,
            self.publisher,
            self.keeper,
            now=now,
            entry_bytes_max=options.pop("entry_bytes_max", 10_000),
            **options,
        )

    async def say(self, text, tenant="default", **fields):
        entry = Entry(
            id="",
            created_at=0,
            member="ann",
            model="m",
            status="succeeded",
            duration_ms=1,
            messages=[{"role": "user", "content": text}],
        )
        await self.log.record(tenant, msgspec.structs.replace(entry, **fields))

    async def segments(self, tenant="default"):
        found = await self.store.catalog.find(tenant, SEGMENT)
        return [segment_document(one) for one in reversed(found)]

    async def said(self, tenant="default"):
        """What stands in the segments of a tenant, in order."""
        texts = []
        for segment in await self.segments(tenant):
            entries = await self.entries(segment)
            assert len(entries) == segment.entries
            texts += [entry.messages[0]["content"] for entry in entries]
        return texts

    async def entries(self, segment):
        content = b"".join([chunk async for chunk in self.objects.read(segment.key)])
        assert len(content) == segment.bytes
        return [msgspec.json.decode(line, type=Entry) for line in content.splitlines()]

    async def objects_of(self, tenant="default"):
        return [info.key async for info in self.objects.walk(f"tenant/{tenant}/chat/")]


@pytest.fixture
def make_bench(tmp_path, store, objects):
    return lambda **options: Bench(tmp_path, store, objects, **options)


@pytest.fixture
def bench(make_bench):
    return make_bench()


@pytest.fixture
async def tenant(store):
    """A tenant that the chores of all tenants find."""
    write = CatalogWrite(type="tenant", id="default", name="default", document=b"{}")
    await store.catalog.write("system", [write])
