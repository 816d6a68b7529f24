"""Datasets that arrive in parts, that are declared, changed, and made of a body's rows."""

import json

import pytest
from datasets_for_tests import principal, stream

from outlast.engine import Role
from outlast.operations.errors import (
    Conflict,
    Forbidden,
    Invalid,
    InvalidSpec,
    NotFound,
    TooLarge,
)
from outlast.resources.datasets import Uploads
from outlast.resources.datasets.declaration import Declaration, DeclaredColumn
from outlast.resources.datasets.model import DatasetStatus
from outlast.resources.datasets.upload_collecting import UploadCollector
from outlast.resources.datasets.uploads import LIFETIME_SECONDS

NUMBERS = Declaration(
    title="numbers of mine", columns=(DeclaredColumn(name="n", type="int64"),), project="p"
)


@pytest.fixture
def uploads(store, objects, library, spool):
    return Uploads(store, objects, library, spool=spool, upload_bytes_max=100)


@pytest.fixture
def expire(store, objects):
    collector = UploadCollector(store.catalog, objects, now=store.operations.now)

    async def expire():
        gone = await collector.collect("default")
        return gone, len(await keys(objects, "tenant/default/uploads/"))

    return expire


async def keys(objects, prefix):
    return [info.key async for info in objects.walk(prefix)]


async def rows_of(library, ann, dataset):
    return json.loads((await library.rows(ann, dataset)).rows)


async def test_parts_become_a_version_in_the_order_in_which_they_are_named(
    uploads, library, ann, objects
):
    upload = await uploads.begin(ann, NUMBERS)
    draft = await library.get(ann, upload.dataset)
    assert (draft.status, draft.title, draft.current_version) == ("draft", NUMBERS.title, None)
    second = await uploads.add_part(ann, upload.id, stream(b'2}\n{"n":3}\n'))
    first = await uploads.add_part(ann, upload.id, stream(b'{"n":1}\n{"n":'))
    done = await uploads.complete(ann, upload.id, [first.id, second.id])
    assert done.completed_at is not None
    assert await rows_of(library, ann, upload.dataset) == [{"n": 1}, {"n": 2}, {"n": 3}]
    ready = await library.get(ann, upload.dataset)
    assert (ready.status, ready.required, ready.origin) == (DatasetStatus.READY, ("n",), "upload")
    assert await keys(objects, "tenant/default/uploads/") == []
    assert await uploads.complete(ann, upload.id, [first.id]) == done
    with pytest.raises(Conflict):
        await uploads.add_part(ann, upload.id, stream(b""))


async def test_what_does_not_fit_is_refused_and_may_be_replaced(uploads, library, ann):
    upload = await uploads.begin(ann, NUMBERS)
    wrong = await uploads.add_part(ann, upload.id, stream(b'{"n":1}\n{"n":"x"}\n'))
    with pytest.raises(Invalid, match="line 2, column 'n'"):
        await uploads.complete(ann, upload.id, [wrong.id])
    assert (await library.get(ann, upload.dataset)).status == "draft"
    right = await uploads.add_part(ann, upload.id, stream(b'{"n":1}\n'))
    await uploads.complete(ann, upload.id, [right.id])
    assert await rows_of(library, ann, upload.dataset) == [{"n": 1}]


async def test_parts_are_named_once_and_must_be_there(uploads, ann):
    upload, other = await uploads.begin(ann, NUMBERS), await uploads.begin(ann, NUMBERS)
    part = await uploads.add_part(ann, other.id, stream(b"{}"))
    for named in ([], ["nothing"], [part.id], [part.id, part.id]):
        with pytest.raises(InvalidSpec) as caught:
            await uploads.complete(ann, upload.id, named)
        assert list(caught.value.field_errors) == ["part_ids"]


async def test_an_upload_has_a_size(uploads, ann, objects):
    upload = await uploads.begin(ann, NUMBERS)
    await uploads.add_part(ann, upload.id, stream(b"x" * 60))
    with pytest.raises(TooLarge):
        await uploads.add_part(ann, upload.id, stream(b"x" * 60))
    assert len(await keys(objects, "tenant/default/uploads/")) == 1


async def test_an_upload_that_is_not_completed_goes_with_its_dataset(
    uploads, library, ann, clock, expire
):
    upload = await uploads.begin(ann, NUMBERS)
    await uploads.add_part(ann, upload.id, stream(b"x"))
    assert await expire() == (0, 1)
    clock.now += (LIFETIME_SECONDS + 1) * 1_000_000
    with pytest.raises(NotFound):
        await uploads.add_part(ann, upload.id, stream(b"x"))
    assert await expire() == (1, 0)
    with pytest.raises(NotFound):
        await library.get(ann, upload.dataset)


async def test_a_dataset_outlives_its_completed_upload(uploads, library, ann, clock, expire):
    upload = await uploads.begin(ann, NUMBERS)
    part = await uploads.add_part(ann, upload.id, stream(b'{"n":1}'))
    await uploads.complete(ann, upload.id, [part.id])
    clock.now += (LIFETIME_SECONDS + 1) * 1_000_000
    assert await expire() == (1, 0)
    assert await rows_of(library, ann, upload.dataset) == [{"n": 1}]


async def test_an_upload_is_its_beginners_alone(uploads, ann):
    upload = await uploads.begin(ann, NUMBERS)
    for other in (principal("bob"), principal("ann", tenant="away")):
        with pytest.raises(NotFound):
            await uploads.add_part(other, upload.id, stream(b"{}"))
        with pytest.raises(NotFound):
            await uploads.complete(other, upload.id, ["x"])
    with pytest.raises(Forbidden):
        await uploads.begin(principal("eve", Role.VIEWER), NUMBERS)


@pytest.mark.parametrize(
    ("declaration", "field"),
    [
        ({"title": ""}, "name"),
        ({"title": "a\0"}, "name"),
        ({"title": "a", "folder": "no/slash"}, "folder"),
        ({"title": "a", "folder": "/" + "x" * 2000}, "folder"),
        ({"title": "a", "project": ""}, "project"),
        ({"title": "a", "columns": ()}, "columns"),
        ({"title": "a", "columns": NUMBERS.columns * 2}, "columns.1.name"),
    ],
)
async def test_a_declaration_is_checked(library, ann, declaration, field):
    with pytest.raises(InvalidSpec) as caught:
        await library.declare(ann, Declaration(**declaration))
    assert list(caught.value.field_errors) == [field]


async def test_titles_and_folders_change_and_are_no_names(library, ann):
    one, two = [await library.declare(ann, NUMBERS) for _ in range(2)]
    assert one.name == one.id
    changed = await library.change(ann, one.id, title="other", folder="/a/b/")
    assert (changed.title, changed.folder, changed.project) == ("other", "/a/b", "p")
    assert (await library.get(ann, two.id)).title == NUMBERS.title
    assert [found.id for found in await library.find(ann, project="p")] == [two.id, one.id]
    assert await library.find(ann, project="q") == []
    with pytest.raises(Forbidden):
        await library.change(principal("bob"), one.id, title="mine")


async def test_the_rows_of_a_body_are_parsed_behind_the_lock(library, ann):
    reader = "outlast.dialects.nebius.datasets:read_new_dataset"
    schema = [{"name": "n", "type": {"name": "integer"}}]
    body = {"name": "of a body", "folder": "/", "schema": schema, "rows": [{"n": 1}]}
    made = await library.create_from_body(ann, stream(json.dumps(body).encode()), reader, 1000)
    assert (made.title, made.origin) == ("of a body", "rows")
    assert await rows_of(library, ann, made.id) == [{"n": 1}]
    body["rows"][0]["n"] = "x"
    with pytest.raises(InvalidSpec, match="row 1, column 'n'"):
        await library.create_from_body(ann, stream(json.dumps(body).encode()), reader, 1000)
    with pytest.raises(TooLarge):
        await library.create_from_body(ann, stream(b" " * 2000), reader, 1000)
