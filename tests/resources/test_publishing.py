import os

import msgspec
import pytest
from datasets_for_tests import manifest_of, parsed
from publications import publication

from outlast.operations.errors import (
    Conflict,
    InvalidSpec,
    NotFound,
    ResourceExists,
    RevisionMismatch,
)
from outlast.resources.datasets import NewVersion
from outlast.resources.datasets.model import part_key

OPERATION = "01J00000000000000000"


@pytest.fixture
def workdir(tmp_path):
    return tmp_path / "workdir"


@pytest.fixture
def wish(workdir):
    return made(workdir, b'{"a":1}\n')


def made(workdir, content: bytes, **fields) -> NewVersion:
    answer = parsed(workdir, content, "jsonl")
    manifest = manifest_of(answer)
    return NewVersion(
        **{
            "dataset": "results",
            "version": manifest.version,
            "manifest": manifest,
            "files": tuple(answer["files"]),
        }
        | fields
    )


@pytest.fixture
def publish(publisher, workdir):
    async def publish(wish: NewVersion, **more):
        return await publisher.publish(publication(wish, workdir, OPERATION, **more))

    return publish


async def test_nothing_is_visible_until_the_writes_are_made(publish, wish, store, objects):
    writes = await publish(wish)
    assert await store.catalog.read("default", "dataset", "results") is None
    await store.catalog.write("default", writes)
    found = await store.catalog.read("default", "dataset", "results")
    assert msgspec.json.decode(found.document)["current_version"] == wish.version
    [part] = wish.manifest.parts
    assert (await objects.find(part_key("default", part.sha256))).bytes == part.bytes


async def test_the_name_of_a_version_depends_on_neither_time_nor_tenant(publisher, workdir, wish):
    ours = await publisher.publish(publication(wish, workdir, OPERATION))
    theirs = await publisher.publish(
        publication(wish, workdir, OPERATION, tenant="other", created_by="bob")
    )
    assert [w.name for w in ours] == [w.name for w in theirs]


async def test_who_loses_a_race_publishes_again_and_no_version_is_lost(publish, workdir, store):
    first = made(workdir, b'{"a":1}\n')
    writes = await publish(first)
    (workdir / "part-00000.parquet").rename(workdir / "kept.parquet")
    second = made(workdir, b'{"a":2}\n')
    late = await publish(second)
    await store.catalog.write("default", writes)
    with pytest.raises((ResourceExists, RevisionMismatch)):
        await store.catalog.write("default", late)
    late = await publish(second)
    third = await publish(msgspec.structs.replace(first, files=("kept.parquet",)))
    await store.catalog.write("default", late)
    with pytest.raises(RevisionMismatch):
        await store.catalog.write("default", third)
    versions = await store.catalog.find("default", "dataset_version")
    assert [v.name for v in versions] == [f"results.{w.version}" for w in (second, first)]


async def test_a_version_other_than_the_manifests_is_refused(publish, wish):
    with pytest.raises(Conflict, match="the manifest is that of version"):
        await publish(msgspec.structs.replace(wish, version="0" * 32))


async def test_a_file_other_than_the_manifests_is_refused_and_not_stored(
    publish, wish, workdir, objects, spool
):
    path = workdir / wish.files[0]
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"!")
    with pytest.raises(Conflict, match="does not have the hash"):
        await publish(wish)
    path.write_bytes(content + b"!")
    with pytest.raises(Conflict, match=r"does not have the \d+ bytes"):
        await publish(wish)
    assert [info async for info in objects.walk("")] == []
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/b", "", ".", "..", "folder", "pipe", "link", "hard"]
)
async def test_only_plain_files_of_the_workdir_are_published(publish, wish, workdir, objects, name):
    secret = workdir.parent / "secret"
    secret.write_bytes((workdir / wish.files[0]).read_bytes())
    (workdir / "folder").mkdir()
    os.mkfifo(workdir / "pipe")
    (workdir / "link").symlink_to(secret)
    (workdir / "hard").hardlink_to(secret)
    with pytest.raises(Conflict):
        await publish(msgspec.structs.replace(wish, files=(name,)))
    assert [info async for info in objects.walk("")] == []


@pytest.mark.parametrize(
    "change",
    [
        {"rows": 99},
        {"columns": ()},
        {"parts": ()},
        {"format": 2},
        {"parts": ({"sha256": "../../x", "bytes": 1, "rows": 1},)},
        {"columns": ({"name": "a", "type": "x"},) * 2},
        {"columns": tuple({"name": f"c{n}", "type": "x"} for n in range(10_001))},
    ],
    ids=["rows", "no columns", "no parts", "format", "hash", "twice", "many columns"],
)
async def test_a_manifest_that_is_unsound_is_refused(publisher, workdir, wish, change):
    document = msgspec.to_builtins(wish)
    document["manifest"] |= change
    encoded = msgspec.json.encode(document)
    with pytest.raises(Conflict, match="malformed"):
        await publisher.publish(publication(encoded, workdir, OPERATION))


async def test_what_is_no_new_version_at_all_is_refused(publisher, workdir):
    for document in (b"", b"{}", b'{"type":"other"}', b"[" * 1000):
        with pytest.raises(Conflict, match="malformed"):
            await publisher.publish(publication(document, workdir, OPERATION))


async def test_a_temporary_dataset_bears_the_id_of_its_operation(publish, wish, store, clock):
    with pytest.raises(Conflict):
        await publish(msgspec.structs.replace(wish, is_temporary=True))
    writes = await publish(msgspec.structs.replace(wish, is_temporary=True, dataset=OPERATION))
    await store.catalog.write("default", writes)
    found = await store.catalog.read("default", "dataset", OPERATION)
    document = msgspec.json.decode(found.document)
    assert document["is_temporary"]
    assert document["expire_at"] == pytest.approx(clock.now + 7 * 86_400_000_000, abs=1_000_000)


async def test_names_are_checked_before_any_byte_is_stored(publish, wish, store, objects):
    for change in ({"dataset": "../x"}, {"version_name": "a/b"}, {"version_name": "0" * 32}):
        with pytest.raises(InvalidSpec):
            await publish(msgspec.structs.replace(wish, **change))
    assert [info async for info in objects.walk("")] == []
    named = msgspec.structs.replace(wish, version_name="v1")
    await store.catalog.write("default", await publish(named))
    with pytest.raises(ResourceExists, match="v1"):
        await publish(named)


async def test_a_dataset_that_is_made_belongs_to_the_project_of_its_operation(
    publish, wish, store, library, ann
):
    await store.catalog.write("default", await publish(wish, project="p1"))
    dataset = await library.get(ann, "results")
    assert (dataset.project, dataset.origin, dataset.status) == ("p1", "operation", "ready")
    assert dataset.columns == wish.manifest.columns
    await store.catalog.write("default", await publish(wish, project="p2"))
    assert (await library.get(ann, "results")).project == "p1"
    assert [found.id for found in await library.find(ann, project="p1")] == ["results"]


async def test_a_dataset_that_must_exist_is_not_made_anew(publish, wish, store, library, ann):
    wish = msgspec.structs.replace(wish, must_exist=True)
    with pytest.raises(NotFound, match="deleted meanwhile"):
        await publish(wish)
    made = await library.create(ann, "results")
    await store.catalog.write("default", await publish(wish))
    assert (await library.get(ann, made.id)).current_version == wish.version
