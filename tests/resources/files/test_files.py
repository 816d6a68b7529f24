import pytest
from datasets_for_tests import gather, principal, stream

from outlast.engine import Role
from outlast.operations import ids
from outlast.operations.errors import Forbidden, Invalid, InvalidSpec, NotFound, TooLarge

DAY = 86_400_000_000


async def create(files, who, content=b"abc", **fields):
    wish = {"name": "a.jsonl", "purpose": "batch"} | fields
    return await files.create(who, chunks=stream(content), **wish)


async def test_a_file_can_be_read_back(files, ann, spool):
    made = await create(files, ann, b"x" * 500_000, project="p1")
    assert (made.bytes, made.name, made.purpose, made.project) == (
        500_000,
        "a.jsonl",
        "batch",
        "p1",
    )
    assert await files.get(ann, made.id) == made
    assert await gather(files.read(ann, made.id)) == b"x" * 500_000
    assert list(spool.iterdir()) == []


async def test_an_empty_file_is_a_file(files, ann):
    made = await create(files, ann, b"")
    assert made.bytes == 0
    assert await gather(files.read(ann, made.id)) == b""


async def test_a_file_is_found_by_every_form_of_its_id(files, ann):
    made = await create(files, ann)
    for form in (made.id, ids.to_hex(made.id), str(ids.to_uuid(made.id))):
        assert (await files.get(ann, form)).id == made.id


async def test_files_may_bear_the_same_name(files, ann):
    first, second = await create(files, ann), await create(files, ann)
    assert first.id != second.id
    assert [file.id for file in await files.find(ann)] == [second.id, first.id]


async def test_lists_are_filtered_and_paged(files, ann):
    made = [
        await create(files, ann, purpose=purpose, project=project)
        for purpose in ("batch", "user_data")
        for project in ("p1", "p2", "p2")
    ]
    newest_first = [file.id for file in reversed(made)]
    assert [file.id for file in await files.find(ann)] == newest_first
    page = await files.find(ann, limit=2)
    rest = await files.find(ann, before_id=page[-1].id)
    assert [file.id for file in (*page, *rest)] == newest_first
    first = await files.find(ann, after_id="", limit=4)
    rest = await files.find(ann, after_id=first[-1].id)
    assert [file.id for file in (*first, *rest)] == newest_first[::-1]
    found = await files.find(ann, purpose="batch", project="p2")
    assert [file.id for file in found] == [made[2].id, made[1].id]
    with pytest.raises(Invalid):
        await files.find(ann, limit=0)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": ""}, "name"),
        ({"name": "a" * 256}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "../a"}, "name"),
        ({"name": "a\\b"}, "name"),
        ({"name": ".."}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"purpose": ""}, "purpose"),
        ({"purpose": "Batch"}, "purpose"),
        ({"purpose": "a" * 65}, "purpose"),
        ({"project": ""}, "project"),
        ({"expire_seconds": 0}, "expire_seconds"),
        ({"expire_seconds": float("nan")}, "expire_seconds"),
        ({"expire_seconds": 1e12}, "expire_seconds"),
    ],
)
async def test_what_no_file_may_be_is_refused_before_a_byte_is_read(
    files, ann, fields, wrong, keys
):
    with pytest.raises(InvalidSpec) as caught:
        await create(files, ann, **fields)
    assert list(caught.value.field_errors) == [wrong]
    assert await keys() == []


async def test_an_upload_that_is_too_large_leaves_nothing(files, ann, spool, keys):
    with pytest.raises(TooLarge):
        await create(files, ann, b"x" * 1_000_001)
    assert list(spool.iterdir()) == await keys() == await files.find(ann) == []


async def test_an_upload_that_breaks_off_leaves_nothing(files, ann, spool, keys):
    async def broken():
        yield b"x"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await files.create(ann, name="a", purpose="batch", chunks=broken())
    assert list(spool.iterdir()) == await keys() == await files.find(ann) == []


async def test_a_deleted_file_is_gone_with_its_bytes(files, ann, keys):
    made = await create(files, ann)
    await files.delete(ann, made.id)
    assert await keys() == []
    for call in (files.get, files.delete):
        with pytest.raises(NotFound):
            await call(ann, made.id)
    with pytest.raises(NotFound):
        await anext(files.read(ann, made.id))


async def test_who_may_do_what(files, ann):
    made = await create(files, ann)
    viewer, operator = principal("vic", Role.VIEWER), principal("ops", Role.OPERATOR)
    assert await files.get(viewer, made.id) == made
    with pytest.raises(Forbidden):
        await create(files, viewer)
    for other in (viewer, principal("bob")):
        with pytest.raises(Forbidden):
            await files.delete(other, made.id)
    await files.delete(operator, made.id)


async def test_what_is_anothers_looks_like_what_is_not_there(files, ann):
    made = await create(files, ann)
    stranger = principal("ann", tenant="elsewhere")
    for call in (files.get, files.delete):
        with pytest.raises(NotFound):
            await call(stranger, made.id)
    assert await files.find(stranger) == []


async def test_an_expired_file_is_gone_before_it_is_collected(files, ann, clock):
    kept = await create(files, ann)
    gone = [await create(files, ann, expire_seconds=3600) for _ in range(3)]
    assert len(await files.find(ann)) == 4
    clock.now += DAY
    assert await files.find(ann, limit=1) == [kept]
    with pytest.raises(NotFound):
        await files.get(ann, gone[0].id)
