"""A kind may have another one run its operation, and says what it is about when it prepares."""

import msgspec
import pytest
from installation import MEMBER

from outlast.engine import Principal, Role, Wish
from outlast.operations.errors import Forbidden, InvalidSpec, Unavailable, UnknownKind
from outlast.operations.kind import CatalogWrite, Kind, Prepared
from outlast.operations.retry import RetryPolicy

SUBMITTER = Principal(tenant="default", member="sue", role=Role.SUBMITTER)


class Number(msgspec.Struct):
    """A number."""

    n: int


async def double(plan, context):
    """Double a number."""
    _ = context
    return 2 * plan["n"]


def hand(to, **named):
    async def prepare(spec, catalog):
        _ = catalog
        return Prepared(plan=spec, kind=to, **named)

    return prepare


def kind(name, prepare=None, **options):
    return Kind(
        name, spec=dict, result=int, run=double, executor="inline", prepare=prepare, **options
    )


async def note(spec, catalog):
    """Keep who asks, and whether there is an operation already."""
    write = CatalogWrite(type="note", id="last", name="last", document=b"{}", is_owned=True)
    found = await catalog.get("operation", catalog.operation_id or "")
    _ = found
    return Prepared(
        plan=spec,
        writes=[write],
        concurrency_key="note:last",
        resource_type="note",
        resource_id="last",
    )


async def test_the_other_kind_prepares_and_runs_it_and_says_what_it_is_about(installation, work):
    installation.add(kind("doubler", note, retry=RetryPolicy(attempts_max=7), is_part=True))
    installation.add(kind("front", hand("doubler")))
    work()
    operation = await installation.submit("front", {"n": 21})
    assert (operation.kind, operation.attempts_max) == ("front", 7)
    assert operation.concurrency_key == "note:last"
    assert (operation.resource_type, operation.resource_id) == ("note", "last")
    ended = await installation.end_of(operation)
    assert (ended.state, ended.result) == ("succeeded", b"42"), ended.failure
    written = await installation.store.catalog.read("default", "note", "last")
    assert written.fields == {"operation_id": operation.id}


async def test_a_spec_that_does_not_fit_the_other_is_refused_at_once(installation):
    strict = Kind("strict", spec=Number, result=int, run=double, executor="inline")
    installation.add(strict)
    installation.add(kind("front", hand("strict")))
    with pytest.raises(InvalidSpec, match="strict: Expected `int`"):
        await installation.submit("front", {"n": "x"})


async def test_the_role_must_allow_what_the_other_needs(installation):
    installation.add(kind("history", verb="read_history", is_part=True))
    installation.add(kind("front", hand("history")))
    with pytest.raises(Forbidden, match="read_history"):
        await installation.engine.submit(SUBMITTER, Wish(kind="front", spec=b"{}"))


@pytest.mark.parametrize(("to", "says"), [("nobody", "not installed"), ("front", "handed on")])
async def test_a_kind_that_hands_on_to_nobody_is_at_fault_itself(installation, to, says):
    installation.add(kind("front", hand(to)))
    with pytest.raises(Unavailable, match=says):
        await installation.submit("front", {"n": 1})


async def test_a_part_is_not_there_for_those_who_submit(installation):
    installation.add(kind("part", is_part=True))
    with pytest.raises(UnknownKind):
        await installation.submit("part", {"n": 1})


async def test_what_is_anothers_is_for_operators(installation):
    async def prepare(spec, catalog):
        _ = catalog
        return Prepared(plan=spec, owner="ann")

    installation.add(kind("changing", prepare))
    with pytest.raises(Forbidden):
        await installation.engine.submit(SUBMITTER, Wish(kind="changing", spec=b"{}"))
    owner = msgspec.structs.replace(SUBMITTER, member="ann")
    for who in (owner, MEMBER):
        assert (await installation.engine.submit(who, Wish(kind="changing", spec=b"{}"))).is_new


async def test_a_prepare_knows_whether_there_is_an_operation_already(installation, work):
    seen = []

    async def prepare(spec, catalog):
        seen.append(catalog.operation_id)
        return spec

    installation.add(kind("asking", prepare))
    work()
    operation = await installation.submit("asking", {"n": 1})
    await installation.end_of(operation)
    assert seen == [None, operation.id]


async def test_who_loses_a_race_is_told_of_what_is_there_then(installation):
    catalog = installation.store.catalog
    thing = CatalogWrite(type="thing", id="one", name="one", document=b"{}")
    await catalog.write("default", [thing])

    async def prepare(spec, shown):
        found = await shown.get("thing", "one")
        if found.revision > 1:
            raise InvalidSpec("it has changed")
        await catalog.write("default", [thing])  # somebody is faster
        write = msgspec.structs.replace(thing, expected_revision=found.revision)
        return Prepared(plan=spec, writes=[write])

    installation.add(kind("racing", prepare))
    with pytest.raises(InvalidSpec, match="it has changed"):
        await installation.submit("racing", {"n": 1})
