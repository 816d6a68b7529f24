import asyncio
import json

import pytest
from datasets_for_tests import gather, principal, stream

from outlast.engine import Role
from outlast.operations.errors import (
    Forbidden,
    Invalid,
    InvalidSpec,
    NotFound,
    ResourceExists,
    TooLarge,
)

PEOPLE = b'{"name":"ann","age":30}\n{"name":"bob","age":null}\n{"name":"cy","age":41}\n'


async def test_an_upload_can_be_read_back_row_by_row(library, ann):
    dataset = await library.create(ann, "people")
    version = await library.upload(ann, "people", stream(PEOPLE), "jsonl", version_name="first")
    assert (version.rows, version.parts, version.name) == (3, 1, "first")
    assert [(c.name, c.type) for c in version.columns] == [("name", "string"), ("age", "int64")]
    assert version.dataset_id == dataset.id
    assert version.operation_id is None
    found = await library.rows(ann, dataset.id, "first", offset=1, limit=1)
    assert json.loads(found.rows) == [{"name": "bob", "age": None}]
    assert found.version == version
    assert (await library.get(ann, "people")).current_version == version.version
    assert json.loads((await library.rows(ann, "people", offset=3)).rows) == []


async def test_export_gives_what_was_uploaded(library, ann):
    await library.create(ann, "people")
    await library.upload(ann, "people", stream(PEOPLE), "jsonl")
    assert await gather(library.export(ann, "people")) == PEOPLE
    csv = await gather(library.export(ann, "people", format="csv"))
    assert csv == b'"name","age"\n"ann",30\n"bob",\n"cy",41\n'
    parquet = await gather(library.export(ann, "people", format="parquet"))
    await library.create(ann, "again")
    again = await library.upload(ann, "again", stream(parquet), "parquet")
    assert again.version == (await library.version(ann, "people")).version


async def test_the_same_content_is_the_same_version_and_can_get_further_names(library, ann):
    await library.create(ann, "people")
    first = await library.upload(ann, "people", stream(PEOPLE), "jsonl")
    other = await library.upload(ann, "people", stream(PEOPLE + PEOPLE), "jsonl")
    named = await library.upload(ann, "people", stream(PEOPLE), "jsonl", version_name="a")
    renamed = await library.upload(ann, "people", stream(PEOPLE), "jsonl", version_name="b")
    assert named.version == renamed.version == first.version
    assert (first.name, named.name, renamed.name) == (None, "a", "a")
    assert (await library.version(ann, "people", "b")).version == first.version
    assert (await library.get(ann, "people")).current_version == first.version
    listed = await library.versions(ann, "people")
    assert [v.version for v in listed] == [other.version, first.version]
    assert [v.version for v in await library.versions(ann, "people", 1, 1)] == [first.version]


async def test_a_version_name_that_is_taken_is_refused_and_nothing_changes(library, ann):
    await library.create(ann, "people")
    first = await library.upload(ann, "people", stream(PEOPLE), "jsonl", version_name="a")
    with pytest.raises(ResourceExists):
        await library.upload(ann, "people", stream(PEOPLE + PEOPLE), "jsonl", version_name="a")
    assert (await library.get(ann, "people")).current_version == first.version
    assert len(await library.versions(ann, "people")) == 1


async def test_concurrent_uploads_to_one_dataset_lose_no_version(library, ann):
    await library.create(ann, "people")
    uploads = [
        library.upload(ann, "people", stream(b'{"n":%d}\n' % n), "jsonl", version_name=f"v{n}")
        for n in range(6)
    ]
    versions = {version.version for version in await asyncio.gather(*uploads)}
    assert len(versions) == 6
    assert {v.version for v in await library.versions(ann, "people")} == versions
    for n in range(6):
        assert json.loads((await library.rows(ann, "people", f"v{n}")).rows) == [{"n": n}]


async def test_of_two_uploads_with_one_name_exactly_one_wins(library, ann):
    await library.create(ann, "people")
    uploads = [
        library.upload(ann, "people", stream(b'{"n":%d}\n' % n), "jsonl", version_name="same")
        for n in range(3)
    ]
    outcomes = await asyncio.gather(*uploads, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        "ResourceExists",
        "ResourceExists",
        "Version",
    ]
    assert len(await library.versions(ann, "people")) == 1


async def test_a_file_that_cannot_be_parsed_leaves_nothing_behind(library, ann, objects, spool):
    await library.create(ann, "people")
    with pytest.raises(Invalid, match=r"line 2, column 'a': a text, but a number in line 1"):
        await library.upload(ann, "people", stream(b'{"a":1}\n{"a":"x"}\n'), "jsonl")
    assert (await library.get(ann, "people")).current_version is None
    assert [info async for info in objects.walk("")] == []
    assert list(spool.iterdir()) == []


async def test_an_upload_beyond_the_limit_is_refused_before_it_ends(library, ann, spool):
    await library.create(ann, "people")

    async def endless():
        while True:
            yield b"x" * 1_000_000

    with pytest.raises(TooLarge):
        await library.upload(ann, "people", endless(), "jsonl")
    assert list(spool.iterdir()) == []


async def test_an_upload_that_breaks_off_leaves_nothing_behind(library, ann, spool):
    await library.create(ann, "people")

    async def broken():
        yield PEOPLE
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await library.upload(ann, "people", broken(), "jsonl")
    assert list(spool.iterdir()) == []
    assert (await library.get(ann, "people")).current_version is None


async def test_another_tenant_sees_nothing(library, ann):
    dataset = await library.create(ann, "people")
    await library.upload(ann, "people", stream(PEOPLE), "jsonl")
    stranger = principal("ann", Role.ADMIN, tenant="other")
    for ref in (dataset.id, "people"):
        for call in (
            library.get(stranger, ref),
            library.version(stranger, ref),
            library.versions(stranger, ref),
            library.rows(stranger, ref),
            library.upload(stranger, ref, stream(PEOPLE), "jsonl"),
            library.delete(stranger, ref),
            gather(library.export(stranger, ref)),
        ):
            with pytest.raises(NotFound):
                await call
    assert await library.find(stranger) == []
    await library.create(stranger, "people")


async def test_a_viewer_reads_and_changes_nothing(library, ann):
    await library.create(ann, "people")
    await library.upload(ann, "people", stream(PEOPLE), "jsonl")
    viewer = principal("vic", Role.VIEWER)
    assert await gather(library.export(viewer, "people")) == PEOPLE
    for call in (
        library.create(viewer, "more"),
        library.upload(viewer, "people", stream(PEOPLE), "jsonl"),
        library.delete(viewer, "people"),
    ):
        with pytest.raises(Forbidden):
            await call


async def test_deleting_takes_the_versions_and_the_names_with_it(library, ann, store):
    await library.create(ann, "people")
    await library.upload(ann, "people", stream(PEOPLE), "jsonl", version_name="a")
    with pytest.raises(Forbidden):
        await library.delete(principal("bob"), "people")
    await library.delete(principal("olga", Role.OPERATOR), "people")
    with pytest.raises(NotFound):
        await library.get(ann, "people")
    for type in ("dataset", "dataset_version", "dataset_alias"):
        assert await store.catalog.find("default", type) == []
    await library.create(ann, "people")
    await library.upload(ann, "people", stream(PEOPLE), "jsonl", version_name="a")


async def test_names_are_unique_and_readable(library, ann):
    await library.create(ann, "people")
    with pytest.raises(ResourceExists):
        await library.create(ann, "people")
    for name in ("", "a/b", "../x", "a b", "x" * 129, "01J00000000000000000", ".hidden"):
        with pytest.raises(InvalidSpec):
            await library.create(ann, name)


async def test_unknown_versions_and_empty_datasets_are_not_found(library, ann):
    await library.create(ann, "people")
    for version in (None, "0" * 32, "nope", "../x"):
        with pytest.raises(NotFound):
            await library.version(ann, "people", version)
        with pytest.raises(NotFound):
            await library.rows(ann, "people", version)
    for offset, limit in ((-1, 10), (0, 0), (0, 1001)):
        with pytest.raises(Invalid):
            await library.rows(ann, "people", offset=offset, limit=limit)


async def test_datasets_list_in_pages(library, ann):
    made = [await library.create(ann, f"d{n}") for n in range(5)]
    first = await library.find(ann, limit=3)
    rest = await library.find(ann, before_id=first[-1].id, limit=3)
    assert [d.name for d in first + rest] == [d.name for d in reversed(made)]


async def test_changes_are_audited(library, ann, store):
    dataset = await library.create(ann, "people")
    version = await library.upload(ann, "people", stream(PEOPLE), "jsonl", request_id="r1")
    await library.delete(ann, "people")
    records = [record.entry for record in await store.operations.audit("default")]
    assert [(e.actor, e.action, e.target) for e in reversed(records)] == [
        ("ann", "dataset.create", dataset.id),
        ("ann", "dataset.upload", dataset.id),
        ("ann", "dataset.delete", dataset.id),
    ]
    assert (records[1].request_id, records[1].data) == ("r1", {"version": version.version})
