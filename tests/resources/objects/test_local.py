import os

import pytest

from outlast.operations.errors import Invalid, NotFound
from outlast.resources.objects import LocalObjects


async def test_an_object_can_be_read_back_and_is_private(objects, tmp_path):
    (tmp_path / "file").write_bytes(b"abc" * 1_000_000)
    await objects.put_file("tenant/t/a.bin", tmp_path / "file")
    content = b"".join([chunk async for chunk in objects.read("tenant/t/a.bin")])
    assert content == b"abc" * 1_000_000
    path = objects.local_path("tenant/t/a.bin")
    assert path.stat().st_mode & 0o777 == 0o600
    assert all(p.stat().st_mode & 0o777 == 0o700 for p in (path.parent, path.parent.parent))
    assert (tmp_path / "file").exists()


async def test_a_moved_file_is_gone_and_no_other_file_is_left(objects, tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    await objects.put_file("a/b", tmp_path / "file", move=True)
    assert not (tmp_path / "file").exists()
    await objects.put_bytes("a/b", b"y")
    assert objects.local_path("a/b").read_bytes() == b"y"
    assert [(info.key, info.bytes) async for info in objects.walk("")] == [("a/b", 1)]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/../b",
        "a/.hidden",
        ".incoming/x",
        "a\0b",
        "a b",
        "a" * 2000,
    ],
)
async def test_what_is_not_a_key_reaches_no_file(objects, key):
    with pytest.raises(Invalid):
        await objects.put_bytes(key, b"x")
    with pytest.raises(Invalid):
        objects.local_path(key)


async def test_a_missing_object_is_not_found(objects, tmp_path):
    assert await objects.find("a/b") is None
    assert not await objects.touch("a/b")
    assert not await objects.delete("a/b")
    assert not await objects.delete("a/b", unless_modified_since=1)
    with pytest.raises(NotFound):
        await anext(objects.read("a/b"))
    with pytest.raises(NotFound):
        await objects.fetch("a/b", tmp_path / "copy")
    assert [info async for info in objects.walk("a/")] == []


async def test_an_object_that_was_touched_is_not_deleted(objects):
    await objects.put_bytes("a/b", b"x")
    path = objects.local_path("a/b")
    os.utime(path, (1000, 1000))
    assert await objects.touch("a/b")
    modified_at = (await objects.find("a/b")).modified_at
    assert not await objects.delete("a/b", unless_modified_since=modified_at - 1)
    assert path.read_bytes() == b"x"
    assert await objects.delete("a/b", unless_modified_since=modified_at + 1)
    assert await objects.find("a/b") is None


async def test_leftovers_are_no_objects_and_can_be_removed(tmp_path):
    objects = LocalObjects(tmp_path / "objects")
    leftover = tmp_path / "objects" / ".incoming" / "half"
    leftover.write_bytes(b"x")
    os.utime(leftover, (1000, 1000))
    assert [info async for info in objects.walk("")] == []
    assert await objects.delete_leftovers(before=999 * 1_000_000) == 0
    assert await objects.delete_leftovers(before=1001 * 1_000_000) == 1


async def test_a_walk_shows_every_object_below_its_prefix(objects):
    keys = [f"t/{n % 3}/{n}" for n in range(30)]
    for key in keys:
        await objects.put_bytes(key, b"x")
    assert sorted([info.key async for info in objects.walk("t/1/")]) == sorted(keys[1::3])
    assert sorted([info.key async for info in objects.walk("")]) == sorted(keys)


async def test_a_copy_outlives_what_it_was_made_of(objects):
    await objects.put_bytes("a/b", b"x")
    os.utime(objects.local_path("a/b"), (1000, 1000))
    await objects.copy("a/b", "c/d")
    assert (await objects.find("c/d")).modified_at > 1000 * 1_000_000
    await objects.put_bytes("a/b", b"y")
    assert objects.local_path("c/d").read_bytes() == b"x"
    await objects.delete("a/b")
    await objects.copy("c/d", "c/d")
    assert [info.key async for info in objects.walk("")] == ["c/d"]
    assert await objects.delete_leftovers(before=2**62) == 0


async def test_what_is_not_there_cannot_be_copied(objects):
    await objects.put_bytes("c/d", b"x")
    with pytest.raises(NotFound):
        await objects.copy("a/b", "c/d")
    assert objects.local_path("c/d").read_bytes() == b"x"
