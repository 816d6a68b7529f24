import contextlib
import os

import pytest

from outlast.operations.errors import Invalid, NotFound, Unavailable
from outlast.resources.configured import ObjectStoreDocument
from outlast.resources.objects.port import ObjectChanged
from outlast.resources.objects.sources import key_references, open_source


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "in" / "day=1").mkdir(parents=True)
    (root / "in" / "a.csv").write_text("n\n1\n")
    (root / "in" / "day=1" / "b.csv").write_text("n\n22\n")
    (root / "in-another").mkdir()
    (root / "in-another" / "c.csv").write_text("n\n3\n")
    (tmp_path / "secret.csv").write_text("n\n4\n")
    (root / "in" / "link.csv").symlink_to(tmp_path / "secret.csv")
    (root / "in" / "outside").symlink_to(tmp_path)
    os.mkfifo(root / "in" / "pipe.csv")
    return root


@pytest.fixture
async def source(root):
    store = ObjectStoreDocument(url=f"file://{root}", endpoint=None, region=None)
    async with open_source(store, allow=(), keys={}) as source:
        yield source


async def content(source, *arguments):
    return b"".join([chunk async for chunk in source.read(*arguments)])


async def test_the_files_below_a_prefix_of_whole_names_are_listed(source):
    listed = {info.key: info.bytes async for info in source.list("in")}
    assert listed == {"in/a.csv": 4, "in/day=1/b.csv": 5}
    assert {info.key async for info in source.list()} == {*listed, "in-another/c.csv"}
    assert [info async for info in source.list("nothing")] == []


async def test_a_file_is_read(source):
    assert await content(source, "in/day=1/b.csv") == b"n\n22\n"
    with pytest.raises(NotFound):
        await content(source, "in/missing.csv")


@pytest.mark.parametrize(
    "key",
    ["in/link.csv", "in/outside/secret.csv", "../secret.csv", "in/../../secret.csv", "/etc/passwd"],
)
async def test_nothing_leads_out_of_the_folder(source, key):
    with pytest.raises((NotFound, Invalid)):
        await content(source, key)
    with contextlib.suppress(Invalid):
        assert [info async for info in source.list(key)] == []


async def test_what_is_no_regular_file_is_not_read(source):
    for key in ("in", "in/pipe.csv"):
        with pytest.raises(NotFound):
            await content(source, key)


async def test_a_file_that_has_changed_since_it_was_listed_is_told(source, root):
    [before] = [info async for info in source.list("in/day=1")]
    assert await content(source, before.key, before.etag) == b"n\n22\n"
    (root / before.key).write_text("n\n333\n")
    with pytest.raises(ObjectChanged):
        await content(source, before.key, before.etag)


async def test_a_file_that_changes_while_it_is_read_is_told(source, root):
    reading = source.read("in/a.csv")
    await anext(reading)
    (root / "in/a.csv").write_text("n\n1\n2\n")
    with pytest.raises(ObjectChanged):
        [chunk async for chunk in reading]


async def test_a_folder_that_is_not_there_is_no_empty_one(tmp_path):
    store = ObjectStoreDocument(url=f"file://{tmp_path}/gone", endpoint=None, region=None)
    async with open_source(store, allow=(), keys={}) as source:
        with pytest.raises(Unavailable):
            await anext(source.list("in"))


def test_references_to_keys_are_made_for_stores_that_have_them():
    store = ObjectStoreDocument(url="s3://b", endpoint=None, region=None, has_keys=True)
    assert key_references("lake", store) == {
        "access_key": "object_store:lake/access_key",
        "secret_key": "object_store:lake/secret_key",
    }
