import os

from datasets_for_tests import gather, stream

from outlast.clock import system_clock

DAY = 86_400_000_000


async def create(files, who, **fields):
    return await files.create(who, name="a", purpose="batch", chunks=stream(b"x"), **fields)


async def make_old(objects, clock):
    clock.now += 2 * DAY
    then = clock.now / 1_000_000 - 1.5 * 86_400
    async for info in objects.walk(""):
        os.utime(objects.local_path(info.key), (then, then))


async def test_what_no_file_names_goes_after_a_day(files, ann, file_collector, objects, clock):
    clock.now = system_clock()
    made = await create(files, ann)
    await objects.put_bytes(f"tenant/default/files/{made.id}-other", b"x")
    await objects.put_bytes("tenant/default/files/01J00000000000000000-0", b"x")
    await objects.put_bytes("tenant/default/parts/0", b"x")
    assert await file_collector.collect() == 0
    await make_old(objects, clock)
    assert await file_collector.collect() == 2
    assert len([info async for info in objects.walk("")]) == 2
    assert await gather(files.read(ann, made.id)) == b"x"


async def test_expired_files_go_with_their_bytes(files, ann, file_collector, clock, store):
    clock.now = system_clock()
    kept = await create(files, ann, expire_seconds=10 * 86_400)
    await create(files, ann, expire_seconds=3600)
    assert await file_collector.collect() == 0
    clock.now += DAY
    assert await file_collector.collect() == 1
    assert [found.id for found in await store.catalog.find("default", "file")] == [kept.id]
    audited = [record.entry.action for record in await store.operations.audit("default")]
    assert audited.count("file.expire") == 1
