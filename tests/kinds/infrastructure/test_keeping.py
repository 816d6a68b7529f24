"""The last state that the tool has written is the one that stays, whatever stores do."""

import asyncio
import threading
from types import SimpleNamespace

import pytest
from listed_stacks import PIN

from outlast.kinds.infrastructure import keeping
from outlast.kinds.infrastructure.keeping import StateKeeper
from outlast.kinds.infrastructure.plan import InfrastructurePlan
from outlast.operations.errors import Unavailable
from outlast.resources.configured import InfrastructureDocument
from outlast.resources.keyring import make_key
from outlast.resources.stacks import states


class Files:
    """An object store whose `disturbed` puts wait, or fail."""

    def __init__(self):
        self.kept = {}
        self.disturbed = []
        self.entered, self.go_on = threading.Event(), threading.Event()

    def list(self):
        return sorted(self.kept)

    def put(self, name, path):
        content = path.read_bytes()
        if self.disturbed:
            error = self.disturbed.pop(0)
            self.entered.set()
            self.go_on.wait(10)
            if error is not None:
                raise error
        self.kept[name] = content


@pytest.fixture
def keys():
    return make_key()


@pytest.fixture
def kept(tmp_path, keys, monkeypatch):
    """A keeper that has begun, its files, and where the tool writes."""
    monkeypatch.setattr(keeping, "_PAUSE_SECONDS_MAX", 0.01)
    workdir = tmp_path / "attempt"
    workdir.mkdir()
    plan = InfrastructurePlan(
        stack="06EV0000000000000STK", name="site", word="stack", module=PIN, variables={},
        secret_names=(), connection=None, state=None, tool=InfrastructureDocument(),
    )  # fmt: skip
    files = Files()
    context = SimpleNamespace(
        workdir=workdir, files=files, secrets={"state_keys": keys}, log=lambda _: None,
        operation_id="06EV0000000000000PPP", attempt=1,
    )  # fmt: skip
    file = tmp_path / "terraform.tfstate"
    keeper = StateKeeper(plan, context, SimpleNamespace(state=file))
    keeper.load()
    keeper.claim()
    keeper.begin(None, {})
    return keeper, files, file


async def test_a_state_that_is_stored_slowly_does_not_come_after_a_later_one(kept, keys):
    keeper, files, file = kept
    files.disturbed = [None]
    async with keeper.keeping():
        file.write_text('{"serial":1}')
        await asyncio.to_thread(files.entered.wait, 10)
        file.write_text('{"serial":22}')
        loop = asyncio.get_running_loop()
        loop.call_later(0.2, files.go_on.set)
    await loop.shutdown_default_executor()
    opened = states.open_state(keys, files.kept[keeper.name], keeper.name)
    assert bytes(opened.state) == b'{"serial":22}'


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Unavailable("away")])
async def test_a_state_that_cannot_be_stored_is_tried_again(kept, keys, error):
    keeper, files, file = kept
    files.disturbed = [error]
    files.go_on.set()
    async with keeper.keeping():
        file.write_text('{"serial":1}')
        await asyncio.to_thread(files.entered.wait, 10)
        await asyncio.sleep(0)
    opened = states.open_state(keys, files.kept[keeper.name], keeper.name)
    assert bytes(opened.state) == b'{"serial":1}'
