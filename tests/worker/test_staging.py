"""What an attempt needs is brought before it starts, and stopping does not wait for it."""

import asyncio
import time
from typing import Any

import pytest
from installation import MEMBER, until

from outlast.operations.errors import Fatal, Unavailable
from outlast.operations.kind import Kind, Prepared
from outlast.operations.model import SECOND
from outlast.operations.retry import RetryPolicy
from outlast.operations.states import State
from outlast.resources.objects import LocalObjects
from outlast.resources.staging import OperationFiles


class FolderStager:
    """Gives files of a folder, after some time."""

    def __init__(self, folder, seconds=0.0):
        self.folder = folder
        self.seconds = seconds
        self.asked = asyncio.Event()
        self.closed = asyncio.Event()

    async def stage(self, inputs, exports, stack):
        stack.callback(self.closed.set)
        self.asked.set()
        await asyncio.sleep(self.seconds)
        staged = {}
        for name in (*inputs, *exports):
            staged[name] = self.folder / name.replace("/", "-")
            staged[name].write_text(name)
        return staged


def kind(run, prepared=None, **options):
    async def prepare(_spec, _catalog):
        return prepared or Prepared(
            plan=None, inputs={"model/a": "key"}, exports={"rows": ["k1", "k2"]}
        )

    return Kind(
        "read", spec=Any, result=Any, run=run, prepare=prepare, executor="inline", **options
    )


async def _read(_plan, context):
    found = sorted(path for path in context.workdir.rglob("*") if path.is_file())
    return {str(path.relative_to(context.workdir)): path.read_text() for path in found}


async def test_an_inline_handler_finds_inputs_and_exports_in_its_workdir(
    installation, work, tmp_path
):
    stager = FolderStager(tmp_path)
    installation.add(kind(_read))
    work(stager=stager)
    operation = await installation.end_of(await installation.submit("read"))
    assert operation.result == b'{"model/a":"model/a","rows":"rows"}'
    assert stager.closed.is_set()
    assert [path for path in tmp_path.iterdir() if operation.id in path.name] == []


@pytest.mark.parametrize("how", ["cancel", "deadline"])
async def test_an_attempt_is_stopped_while_it_waits_for_its_inputs(
    installation, work, tmp_path, how
):
    stager = FolderStager(tmp_path, seconds=60)
    installation.add(kind(_read))
    work(stager=stager)
    now = installation.store.operations.now()
    deadline_at = now + SECOND // 2 if how == "deadline" else None
    operation = await installation.submit("read", deadline_at=deadline_at)
    await stager.asked.wait()
    started = time.monotonic()
    if how == "cancel":
        await installation.engine.cancel(MEMBER, operation.id)
    ended = await installation.end_of(operation)
    assert ended.state is (State.CANCELLED if how == "cancel" else State.FAILED)
    assert time.monotonic() - started < 5
    await stager.closed.wait()


async def test_staging_that_takes_long_is_told_and_is_over_when_the_handler_runs(
    installation, work, tmp_path, monkeypatch
):
    monkeypatch.setattr("outlast.worker.attempt._STAGING_TOLD_SECONDS", 0.01)
    go_on = asyncio.Event()

    async def wait(_plan, _context):
        await go_on.wait()

    installation.add(kind(wait))
    work(stager=FolderStager(tmp_path, seconds=0.8))
    operation = await installation.submit("read")

    def stage_is(stage):
        async def check():
            progress = (await installation.get(operation)).progress
            return progress is not None and progress.stage == stage

        return check

    await until(stage_is("staging"))
    await until(stage_is("running"))
    go_on.set()
    assert (await installation.end_of(operation)).state is State.SUCCEEDED


async def test_a_kind_that_names_an_input_twice_is_refused(installation):
    twice = Prepared(plan=None, inputs={"rows": "key"}, exports={"rows": ["key"]})
    installation.add(kind(_read, twice))
    with pytest.raises(Unavailable, match="names inputs twice: rows"):
        await installation.submit("read")


async def test_a_worker_without_an_object_store_fails_the_attempt(installation, work):
    installation.add(kind(_read, retry=RetryPolicy(attempts_max=1)))
    work()
    operation = await installation.end_of(await installation.submit("read"))
    assert operation.failure.code == "unavailable"


async def test_a_retry_goes_on_with_the_files_of_its_parent(installation, work, tmp_path):
    async def grow(_plan, context):
        here = context.workdir / "rows"
        found = await asyncio.to_thread(context.files.get, "rows", here)
        here.write_text((here.read_text() if found else "") + "row ")
        await asyncio.to_thread(context.files.put, "rows", here)
        await context.checkpoint({"rows": (context.last_checkpoint or {"rows": 0})["rows"] + 1})
        if context.last_checkpoint is None:
            raise Fatal("not_yet", "try again")
        return here.read_text()

    installation.add(Kind("grow", spec=Any, result=str, run=grow, executor="inline"))
    work(files=OperationFiles(LocalObjects(tmp_path / "objects")))
    first = await installation.end_of(await installation.submit("grow"))
    assert first.failure.code == "not_yet"
    retry = (await installation.engine.retry(MEMBER, first.id)).operation
    assert (await installation.end_of(retry)).result == b'"row row "'
