import os

import pytest
from datasets_for_tests import manifest_of, parsed
from publications import publication

from outlast.clock import system_clock
from outlast.engine import Role
from outlast.engine.access import Principal
from outlast.engine.tokens import Tokens
from outlast.operations.kind import CatalogWrite
from outlast.resources.datasets import NewVersion
from outlast.resources.datasets.model import manifest_key, part_key

DAY = 86_400_000_000
OPERATION = "01J00000000000000000"


@pytest.fixture
async def publish(publisher, store, tmp_path):
    await store.catalog.write(
        "system", [CatalogWrite(type="tenant", id="default", name="default", document=b"{}")]
    )

    async def publish(content: bytes, *, commit: bool = True, **fields):
        answer = parsed(tmp_path / "workdir", content, "jsonl")
        manifest = manifest_of(answer)
        wish = NewVersion(
            **{
                "dataset": "results",
                "version": manifest.version,
                "manifest": manifest,
                "files": tuple(answer["files"]),
            }
            | fields
        )
        writes = await publisher.publish(publication(wish, tmp_path / "workdir", OPERATION))
        if commit:
            await store.catalog.write("default", writes)
        return wish, writes

    return publish


async def keys(objects):
    return {info.key async for info in objects.walk("")}


def keys_of(wish):
    part = wish.manifest.parts[0]
    return {part_key("default", part.sha256), manifest_key("default", wish.version)}


async def make_old(objects, clock):
    """Let two days pass: for the clock, and for the files as seen by it."""
    clock.now += 2 * DAY
    then = clock.now / 1_000_000 - 1.5 * 86_400
    async for info in objects.walk(""):
        os.utime(objects.local_path(info.key), (then, then))


async def test_what_no_version_names_goes_after_a_day(publish, collector, objects, clock):
    clock.now = system_clock()
    orphan, _ = await publish(b'{"a":1}\n', commit=False)
    kept, _ = await publish(b'{"a":2}\n')
    assert (await collector.collect()).objects == 0
    assert await keys(objects) == keys_of(orphan) | keys_of(kept)
    await make_old(objects, clock)
    assert (await collector.collect()).objects == 2
    assert await keys(objects) == keys_of(kept)


async def test_a_publisher_saves_what_it_reuses(publish, collector, objects, clock, store):
    clock.now = system_clock()
    orphan, _ = await publish(b'{"a":1}\n', commit=False)
    clock.now += 2 * DAY
    for key in keys_of(orphan):
        os.utime(objects.local_path(key), (1000, 1000))
    again, writes = await publish(b'{"a":1}\n', commit=False)
    clock.now -= 2 * DAY
    assert (await collector.collect()).objects == 0
    await store.catalog.write("default", writes)
    assert await keys(objects) == keys_of(again)


async def test_temporary_datasets_go_when_their_time_has_come(
    publish, collector, objects, clock, store
):
    clock.now = system_clock()
    kept, _ = await publish(b'{"a":2}\n')
    await publish(b'{"a":1}\n', dataset=OPERATION, is_temporary=True)
    clock.now += 6 * DAY
    assert (await collector.collect()).datasets == 0
    clock.now += 2 * DAY
    assert (await collector.collect()).datasets == 1
    assert [d.id for d in await store.catalog.find("default", "dataset")] == ["results"]
    assert len(await store.catalog.find("default", "dataset_version")) == 1
    await make_old(objects, clock)
    await collector.collect()
    assert await keys(objects) == keys_of(kept)


async def test_a_part_of_one_tenant_does_not_keep_another_tenants(
    publish, collector, objects, clock, store
):
    clock.now = system_clock()
    wish, _ = await publish(b'{"a":1}\n')
    root = Principal(tenant="default", member="root", role=Role.ROOT)
    tenant = await Tokens(store).create_tenant(root, "other")
    [part] = wish.manifest.parts
    await objects.put_bytes(part_key(tenant.id, part.sha256), b"x")
    await make_old(objects, clock)
    assert (await collector.collect()).objects == 1
    assert await keys(objects) == keys_of(wish)


async def test_old_files_of_the_spool_go(publish, collector, spool, clock):
    clock.now = system_clock()
    (spool / "upload-old").write_bytes(b"x")
    os.utime(spool / "upload-old", (1000, 1000))
    (spool / "upload-new").write_bytes(b"x")
    (spool / "staged-old").mkdir()
    (spool / "staged-old" / "rows").write_bytes(b"x")
    os.utime(spool / "staged-old", (1000, 1000))
    assert (await collector.collect()).leftovers == 2
    assert [path.name for path in spool.iterdir()] == ["upload-new"]
