import os

from outlast.resources.objects import LocalObjects
from outlast.testing.objects_contract import ObjectsContract


class TestLocalObjects(ObjectsContract):
    """`objects` is a folder."""

    tick_seconds = 0.02


async def test_an_object_is_private(objects, tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    await objects.put_file("tenant/t/a.bin", tmp_path / "file")
    path = objects.local_path("tenant/t/a.bin")
    assert path.read_bytes() == b"abc"
    assert path.stat().st_mode & 0o777 == 0o600
    assert all(p.stat().st_mode & 0o777 == 0o700 for p in (path.parent, path.parent.parent))


async def test_a_copy_costs_no_bytes(objects):
    await objects.put_bytes("a/b", b"x")
    os.utime(objects.local_path("a/b"), (1000, 1000))
    await objects.copy("a/b", "c/d")
    assert objects.local_path("c/d").samefile(objects.local_path("a/b"))
    assert (await objects.find("c/d")).modified_at > 1000 * 1_000_000


async def test_an_object_that_is_put_aside_and_was_touched_comes_back(objects):
    await objects.put_bytes("a/b", b"x")
    os.utime(objects.local_path("a/b"), (1000, 1000))
    assert not await objects.delete("a/b", unless_modified_since=999 * 1_000_000)
    assert objects.local_path("a/b").read_bytes() == b"x"


async def test_leftovers_are_no_objects_and_can_be_removed(tmp_path):
    objects = LocalObjects(tmp_path / "objects")
    leftover = tmp_path / "objects" / ".incoming" / "half"
    leftover.write_bytes(b"x")
    os.utime(leftover, (1000, 1000))
    assert [info async for info in objects.walk("")] == []
    assert await objects.delete_leftovers(before=999 * 1_000_000) == 0
    assert await objects.delete_leftovers(before=1001 * 1_000_000) == 1
