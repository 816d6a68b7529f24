"""The contract of an object store: the sentences of `outlast.resources.objects.ObjectStore`.

    class TestMyObjects(ObjectsContract):
        @pytest.fixture
        def objects(self, tmp_path):
            return MyObjects(tmp_path)

`objects` gives a store that is empty. Put
`pytest.register_assert_rewrite("outlast.testing.objects_contract")` into a conftest.
"""
# ruff: noqa: D102  the name of a test is its sentence

import asyncio
from pathlib import Path

import pytest

from outlast.operations.errors import Invalid, NotFound
from outlast.resources.objects import ObjectInfo, ObjectStore

_LARGE = b"0123456789abcdef" * 1_100_000  # more than one part of an upload


class ObjectsContract:
    """What every adapter does."""

    tick_seconds = 1.1
    """After how long a later store is seen as later: many servers tell whole seconds."""

    async def test_a_file_comes_back_byte_for_byte(
        self, objects: ObjectStore, tmp_path: Path
    ) -> None:
        for name, content in (("empty", b""), ("small", b"abc"), ("large", _LARGE)):
            (tmp_path / name).write_bytes(content)
            await objects.put_file(f"tenant/t/{name}", tmp_path / name)
            assert await _content(objects, f"tenant/t/{name}") == content
            await objects.fetch(f"tenant/t/{name}", tmp_path / "copy")
            assert (tmp_path / "copy").read_bytes() == content
            found = await objects.find(f"tenant/t/{name}")
            assert found is not None
            assert (found.key, found.bytes) == (f"tenant/t/{name}", len(content))
            assert (tmp_path / name).exists()

    async def test_a_moved_file_is_gone_and_what_was_there_is_replaced(
        self, objects: ObjectStore, tmp_path: Path
    ) -> None:
        await objects.put_bytes("a/b", b"before")
        (tmp_path / "file").write_bytes(b"after")
        await objects.put_file("a/b", tmp_path / "file", move=True)
        assert not (tmp_path / "file").exists()
        assert await _content(objects, "a/b") == b"after"
        assert [(info.key, info.bytes) for info in await _walk(objects)] == [("a/b", 5)]

    @pytest.mark.parametrize("key", ["a", "A-z_0.9~=", "a/b.c/d=1/e~", "x" * 200])
    async def test_keys_are_what_they_were_given_as(self, objects: ObjectStore, key: str) -> None:
        await objects.put_bytes(key, b"x")
        assert [info.key for info in await _walk(objects)] == [key]
        assert await objects.delete(key)
        assert await _walk(objects) == []

    @pytest.mark.parametrize(
        "key",
        ["", "/a", "a/", "a//b", "../a", "a/../b", "a/.b", ".a", "a\0b", "a b", "a" * 2000],
    )
    async def test_what_is_no_key_is_refused(self, objects: ObjectStore, key: str) -> None:
        with pytest.raises(Invalid):
            await objects.put_bytes(key, b"x")
        with pytest.raises(Invalid):
            await objects.find(key)
        with pytest.raises(Invalid):
            objects.local_path(key)

    async def test_what_is_missing_is_not_found(self, objects: ObjectStore, tmp_path: Path) -> None:
        assert await objects.find("a/b") is None
        assert not await objects.touch("a/b")
        assert not await objects.delete("a/b")
        assert not await objects.delete("a/b", unless_modified_since=1)
        assert await _walk(objects, "a/") == []
        with pytest.raises(NotFound):
            await _content(objects, "a/b")
        with pytest.raises(NotFound):
            await objects.fetch("a/b", tmp_path / "copy")
        with pytest.raises(NotFound):
            await objects.copy("a/b", "c/d")
        assert await objects.find("c/d") is None

    async def test_a_copy_outlives_what_it_was_made_of(self, objects: ObjectStore) -> None:
        await objects.put_bytes("a/b", b"x")
        await objects.copy("a/b", "c/d")
        await objects.put_bytes("a/b", b"y")
        assert await _content(objects, "c/d") == b"x"
        assert await objects.delete("a/b")
        await objects.copy("c/d", "c/d")
        assert [info.key for info in await _walk(objects)] == ["c/d"]

    async def test_an_object_that_was_touched_is_not_deleted(self, objects: ObjectStore) -> None:
        await objects.put_bytes("a/b", b"x")
        stored = await _find(objects, "a/b")
        await asyncio.sleep(self.tick_seconds)
        assert await objects.touch("a/b")
        touched = await _find(objects, "a/b")
        assert touched.modified_at > stored.modified_at
        assert not await objects.delete("a/b", unless_modified_since=touched.modified_at)
        assert await _content(objects, "a/b") == b"x"
        assert await objects.delete("a/b", unless_modified_since=touched.modified_at + 1)
        assert await objects.find("a/b") is None

    async def test_a_walk_shows_every_object_below_its_prefix(self, objects: ObjectStore) -> None:
        keys = [f"t/{number % 3}/{number}" for number in range(30)]
        await asyncio.gather(*(objects.put_bytes(key, b"x") for key in [*keys, "t/11/0"]))
        assert sorted(info.key for info in await _walk(objects, "t/1/")) == sorted(keys[1::3])
        assert len(await _walk(objects, "t/")) == len(keys) + 1
        assert len(await _walk(objects)) == len(keys) + 1

    async def test_nothing_is_left_behind_by_what_was_done_whole(
        self, objects: ObjectStore, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_bytes(_LARGE)
        await objects.put_file("a/b", tmp_path / "file")
        await objects.copy("a/b", "c/d")
        await objects.touch("a/b")
        await objects.delete("c/d")
        assert await objects.delete_leftovers(before=2**62) == 0
        assert await _content(objects, "a/b") == _LARGE

    async def test_the_last_of_many_who_store_at_once_is_whole(self, objects: ObjectStore) -> None:
        contents = [bytes([number]) * 100_000 for number in range(10)]
        await asyncio.gather(*(objects.put_bytes("a/b", content) for content in contents))
        assert await _content(objects, "a/b") in contents


async def _content(objects: ObjectStore, key: str) -> bytes:
    return b"".join([chunk async for chunk in objects.read(key)])


async def _find(objects: ObjectStore, key: str) -> ObjectInfo:
    found = await objects.find(key)
    assert found is not None
    return found


async def _walk(objects: ObjectStore, prefix: str = "") -> list[ObjectInfo]:
    return [info async for info in objects.walk(prefix)]
