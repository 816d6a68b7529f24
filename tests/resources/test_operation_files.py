"""The files of an operation, and those that its retry takes along."""

import msgspec
import pytest

from outlast.operations import ids
from outlast.operations.errors import Unavailable
from outlast.operations.model import Operation
from outlast.operations.states import State
from outlast.resources.objects import LocalObjects
from outlast.resources.staging import OperationFiles


class Flaky(LocalObjects):
    """Loses its connection after some copies."""

    copies_left = 2

    async def copy(self, source_key, target_key):
        if not self.copies_left:
            raise Unavailable("no connection")
        self.copies_left -= 1
        await super().copy(source_key, target_key)


def operation(number, parent=None):
    return Operation(
        id=ids.make_id(number, number),
        tenant="default",
        created_by="ada",
        kind="k",
        kind_version="1",
        state=State.RUNNING,
        revision=1,
        event_count=1,
        created_at=1,
        updated_at=1,
        available_at=1,
        attempt=1,
        attempts_max=1,
        priority=0,
        retention_seconds=1,
        parent_id=None if parent is None else parent.id,
    )


@pytest.fixture
def objects(tmp_path):
    return Flaky(tmp_path / "objects")


@pytest.fixture
def files(objects):
    return OperationFiles(objects)


@pytest.fixture
async def parent(files, tmp_path):
    made = operation(1)
    for name in ("a", "b/c", "d"):
        (tmp_path / "source").write_text(f"parent's {name}")
        await files.put(made, name, tmp_path / "source")
    return made


async def contents(files, operation, folder):
    found = {}
    for name in await files.list(operation):
        assert await files.get(operation, name, folder / "read")
        found[name] = (folder / "read").read_text()
        (folder / "read").unlink()
    return found


async def test_a_retry_has_its_parents_files_and_writes_its_own(files, objects, parent, tmp_path):
    objects.copies_left = 9
    retry = operation(2, parent)
    (tmp_path / "own").write_text("own")
    await files.put(retry, "a", tmp_path / "own")
    await files.inherit(retry)
    (tmp_path / "own").write_text("own d")
    await files.put(retry, "d", tmp_path / "own")
    await files.inherit(retry)
    assert await contents(files, retry, tmp_path) == {
        "a": "own",
        "b/c": "parent's b/c",
        "d": "own d",
    }
    assert (await contents(files, parent, tmp_path))["d"] == "parent's d"


async def test_a_copy_that_was_interrupted_goes_on_before_the_next_attempt(
    files, objects, parent, tmp_path
):
    retry = operation(2, parent)
    with pytest.raises(Unavailable):
        await files.inherit(retry)
    assert len(await files.list(retry)) == 2
    objects.copies_left = 1
    await files.inherit(msgspec.structs.replace(retry, attempt=2))
    assert len(await contents(files, retry, tmp_path)) == 3
    await files.inherit(retry)


async def test_what_is_no_retry_has_no_files_to_begin_with(files, parent):
    other = operation(3)
    await files.inherit(other)
    assert await files.list(other) == []
