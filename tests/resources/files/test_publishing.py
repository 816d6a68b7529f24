import pytest
from datasets_for_tests import gather
from publications import publication

from outlast.operations.errors import Conflict, NotFound
from outlast.resources.files import NewFile, published_id
from outlast.resources.files.model import PARTS_MAX

OPERATION = "01J00000000000000000"


@pytest.fixture
def workdir(tmp_path):
    workdir = tmp_path / "workdir"
    workdir.mkdir()
    return workdir


@pytest.fixture
def publish(file_publisher, store, workdir):
    async def publish(*, commit: bool = True, **fields):
        wish = {"purpose": "batch_output", "name": "out.jsonl"} | fields
        writes = await file_publisher.publish(
            publication(NewFile(**wish), workdir, OPERATION, project="of the operation")
        )
        if commit:
            await store.catalog.write("default", writes)

    return publish


async def test_files_of_the_workdir_become_one_file(publish, files, ann, workdir, store):
    (workdir / "a").write_bytes(b"one\n")
    (workdir / "b").write_bytes(b"two\n")
    await publish(files=("b", "a"), project="p1")
    [found] = await store.catalog.find("default", "file", fields={"operation_id": OPERATION})
    assert found.id == published_id(OPERATION, "batch_output")
    file = await files.get(ann, found.id)
    assert (file.bytes, file.created_by, file.operation_id) == (8, "ann", OPERATION)
    assert (file.project, file.is_partial) == ("p1", False)
    assert await gather(files.read(ann, found.id)) == b"two\none\n"


async def test_files_of_the_operation_outlive_it(publish, files, ann, objects):
    await objects.put_bytes(f"operations/{OPERATION}/parts/1", b"one\n")
    await publish(files=("parts/1",), is_from_operation=True, is_partial=True)
    await objects.delete(f"operations/{OPERATION}/parts/1")
    [file] = await files.find(ann)
    assert (file.is_partial, file.project) == (True, "of the operation")
    assert await gather(files.read(ann, file.id)) == b"one\n"


async def test_a_try_that_was_not_committed_is_repeated_and_its_bytes_are_garbage(
    publish, files, ann, workdir, keys
):
    (workdir / "a").write_bytes(b"one\n")
    await publish(files=("a",), commit=False)
    (workdir / "a").write_bytes(b"another\n")
    await publish(files=("a",))
    [file] = await files.find(ann)
    assert await gather(files.read(ann, file.id)) == b"another\n"
    assert len(await keys()) == 2


async def test_one_operation_publishes_one_file_for_each_purpose(publish, workdir, files, ann):
    (workdir / "a").write_bytes(b"x")
    await publish(files=("a",))
    await publish(files=("a",), purpose="batch_errors")
    with pytest.raises(Conflict, match="already"):
        await publish(files=("a",))
    assert len(await files.find(ann)) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"files": ("missing",)},
        {"files": ("link",)},
        {"files": ("../outside",)},
        {"files": ("pipe/../a",)},
        {"files": ("a",), "name": "a/b"},
        {"files": ("a",), "purpose": "no good"},
        {"files": ("a",) * (PARTS_MAX + 1)},
    ],
)
async def test_what_cannot_be_published_is_a_conflict(publish, fields, workdir, files, ann):
    (workdir / "a").write_bytes(b"x")
    (workdir.parent / "outside").write_bytes(b"secret")
    (workdir / "link").symlink_to(workdir.parent / "outside")
    with pytest.raises(Conflict):
        await publish(**fields)
    assert await files.find(ann) == []


async def test_what_the_operation_did_not_keep_cannot_be_published(publish, files, ann):
    with pytest.raises(NotFound):
        await publish(files=("nothing",), is_from_operation=True)
    assert await files.find(ann) == []


async def test_a_document_that_is_no_file_is_a_conflict(file_publisher, workdir):
    for document in (b"{", b"{}", b'{"type":"dataset_version"}'):
        with pytest.raises(Conflict):
            await file_publisher.publish(publication(document, workdir, OPERATION))
