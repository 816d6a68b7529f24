"""What an operation leaves when it ends without success."""

import asyncio
from typing import Any

import msgspec
import pytest
from installation import MEMBER, until

from outlast.operations.errors import Conflict, Fatal, ResourceExists, Retry
from outlast.operations.kind import CatalogWrite, Kind
from outlast.operations.model import SECOND
from outlast.operations.retry import RetryPolicy
from outlast.operations.states import State


class Part(msgspec.Struct, tag="part"):
    """A publication: the name of what shall be written."""

    name: str


class WholeVersion(msgspec.Struct, tag="dataset_version"):
    """Looks like a dataset's version."""


class PartPublisher:
    """Makes a resource of each part. `races` answers are lost before one is right."""

    def __init__(self, *, races=0, error=None):
        self.calls = 0
        self._races = races
        self._error = error

    async def publish(self, publication):
        self.calls += 1
        assert not publication.workdir.is_dir()
        if self._error is not None:
            raise self._error
        name = msgspec.json.decode(publication.document, type=Part).name
        expected = 7 if self.calls <= self._races else None
        return [CatalogWrite(type="part", id=name, document=b"{}", expected_revision=expected)]


def partial(checkpoint):
    return [Part(name) for name in checkpoint["parts"]]


def kind(run, *, attempts=1, make=partial, **options):
    retry = RetryPolicy(attempts_max=attempts, delay_seconds=0.01, jitter=0)
    return Kind(
        "leave",
        spec=Any,
        result=Any,
        run=run,
        partial=make,
        executor="inline",
        retry=retry,
        **options,
    )


async def parts(installation):
    return sorted(one.id for one in await installation.store.catalog.find("default", "part"))


async def test_what_the_last_checkpoint_names_is_published_when_the_operation_fails(
    installation, work
):
    async def run(_plan, context):
        await context.checkpoint({"parts": ["a"]})
        await context.checkpoint({"parts": ["a", "b"]})
        raise Fatal("bad_row", "row 3")

    installation.add(kind(run))
    work(publishers={"part": PartPublisher()})
    operation = await installation.end_of(await installation.submit("leave"))
    assert (operation.state, operation.failure.code) == (State.FAILED, "bad_row")
    assert await parts(installation) == ["a", "b"]


async def test_nothing_is_published_while_attempts_are_left(installation, work):
    seen = []

    async def run(_plan, context):
        seen.append(await parts(installation))
        await context.checkpoint({"parts": [f"p{context.attempt}"]})
        raise Retry(0.01)

    publisher = PartPublisher()
    installation.add(kind(run, attempts=3))
    work(publishers={"part": publisher})
    operation = await installation.end_of(await installation.submit("leave"))
    assert operation.failure.code == "attempts_exhausted"
    assert seen == [[], [], []]
    assert (publisher.calls, await parts(installation)) == (1, ["p3"])


async def test_nothing_partial_is_published_of_a_success(installation, work):
    async def run(_plan, context):
        await context.checkpoint({"parts": ["a"]})

    installation.add(kind(run))
    work(publishers={"part": PartPublisher()})
    operation = await installation.end_of(await installation.submit("leave"))
    assert operation.state is State.SUCCEEDED
    assert await parts(installation) == []


@pytest.mark.parametrize("named", [[], ["a"]])
async def test_a_cancelled_operation_leaves_what_it_had_checkpointed(installation, work, named):
    async def run(_plan, context):
        if named:
            await context.checkpoint({"parts": named})
        context.report(1)
        await asyncio.sleep(60)

    installation.add(kind(run, attempts=3))
    work(publishers={"part": PartPublisher()})
    operation = await installation.submit("leave")
    await until(lambda: _reported(installation, operation))
    await installation.engine.cancel(MEMBER, operation.id)
    assert (await installation.end_of(operation)).state is State.CANCELLED
    assert await parts(installation) == named
    assert await installation.store.operations.log(operation.id) == []


async def test_an_attempt_that_fails_after_a_cancel_ends_the_operation_and_leaves_its_parts(
    installation, work
):
    async def run(_plan, context):
        await context.checkpoint({"parts": ["a"]})
        context.report(1)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise Retry(0.01) from None

    installation.add(kind(run, attempts=3))
    work(publishers={"part": PartPublisher()})
    operation = await installation.submit("leave")
    await until(lambda: _reported(installation, operation))
    await installation.engine.cancel(MEMBER, operation.id)
    assert (await installation.end_of(operation)).state is State.CANCELLED
    assert await parts(installation) == ["a"]


async def test_an_operation_that_runs_into_its_deadline_leaves_its_parts(installation, work):
    async def run(_plan, context):
        await context.checkpoint({"parts": ["a"]})
        await asyncio.sleep(60)

    installation.add(kind(run))
    work(publishers={"part": PartPublisher()})
    deadline_at = installation.store.operations.now() + SECOND // 2
    operation = await installation.end_of(
        await installation.submit("leave", deadline_at=deadline_at)
    )
    assert operation.failure.code == "deadline_exceeded"
    assert await parts(installation) == ["a"]


async def test_a_released_attempt_publishes_nothing(installation, work):
    async def run(_plan, context):
        await context.checkpoint({"parts": ["a"]})
        context.report(1)
        await asyncio.sleep(60)

    installation.add(kind(run))
    worker = work(publishers={"part": PartPublisher()})
    operation = await installation.submit("leave")
    await until(lambda: _reported(installation, operation))
    worker.drain(wait_seconds=0)

    async def released():
        return (await installation.get(operation)).state is State.PENDING

    await until(released)
    assert await parts(installation) == []


async def test_a_lost_race_is_run_again(installation, work):
    publisher = PartPublisher(races=3)
    installation.add(kind(_leave_a))
    work(publishers={"part": publisher})
    operation = await installation.end_of(await installation.submit("leave"))
    assert (operation.state, publisher.calls) == (State.FAILED, 4)
    assert await parts(installation) == ["a"]


def _broken(_checkpoint):
    raise ZeroDivisionError("no parts")


@pytest.mark.parametrize(
    ("make", "publisher", "says"),
    [
        (_broken, PartPublisher(), "no parts"),
        (lambda _: [WholeVersion()], PartPublisher(), "dataset versions are never partial"),
        (lambda _: [object()], PartPublisher(), "not a JSON document"),
        (partial, PartPublisher(error=Conflict("the file is gone")), "the file is gone"),
        (partial, PartPublisher(error=OSError("the disk is on fire")), "the disk is on fire"),
        (partial, PartPublisher(races=99), "at revision"),
        (partial, PartPublisher(error=ResourceExists("taken")), "taken"),
        (lambda _: [Part("a"), CatalogWrite(type="x", id="1")], None, "publishes a 'part'"),
    ],
)
async def test_what_is_wrong_with_the_partial_output_hinders_no_end_and_stands_in_the_log(
    installation, work, make, publisher, says
):
    installation.add(kind(_leave_a, make=make))
    work(publishers={} if publisher is None else {"part": publisher})
    operation = await installation.end_of(await installation.submit("leave"))
    assert (operation.state, operation.failure.code) == (State.FAILED, "bad_row")
    assert await parts(installation) == []
    [line] = await installation.store.operations.log(operation.id)
    assert "partial output was not published" in line.text
    assert says in line.text


async def _leave_a(_plan, context):
    await context.checkpoint({"parts": ["a"]})
    raise Fatal("bad_row", "row 3")


async def _reported(installation, operation):
    return (await installation.get(operation)).progress
