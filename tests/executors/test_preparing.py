import asyncio
from collections.abc import Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest

from outlast.executors.port import PlainWrite
from outlast.executors.preparing import PrepareChild
from outlast.operations.errors import (
    Conflict,
    Invalid,
    InvalidSpec,
    NotFound,
    PrepareTimedOut,
    Unavailable,
)
from outlast.operations.kind import CatalogWrite, Prepared, Resource


class OneDataset:
    """A catalog with one dataset."""

    def __init__(self):
        self.asked = []

    operation_id = None

    async def get(self, type: str, id_or_name: str) -> Resource | None:
        self.asked.append((type, id_or_name))
        if id_or_name != "known":
            return None
        return Resource(
            tenant="t",
            type=type,
            id="1",
            name=id_or_name,
            document=b'{"a":1}',
            revision=1,
            created_at=1,
            updated_at=1,
        )

    async def find(self, type: str, *, limit: int = 100, **fields: str) -> Sequence[Resource]:
        self.asked.append((type, limit, fields))
        return [await self.get(type, "known")] * 2


@asynccontextmanager
async def prepare_child(bench, modules=("prepares_for_tests",), **options):
    child = PrepareChild(bench.launcher, modules, **options)
    await child.open()
    try:
        yield child
    finally:
        await child.close()


@pytest.fixture
async def child(bench):
    async with prepare_child(bench, children=1, timeout_seconds=0.5) as child:
        yield child


def spec(do, name=""):
    return msgspec.json.encode({"do": do, "name": name})


async def test_a_plan_comes_back_as_json(child):
    prepared = await child.prepare("plain", spec("plan", "x"), OneDataset())
    assert prepared == Prepared(plan=b'{"planned":"x"}', writes=[])


async def test_prepare_reads_the_catalog_of_the_server(child):
    catalog = OneDataset()
    prepared = await child.prepare("asking", spec("", "known"), catalog)
    assert msgspec.json.decode(prepared.plan) == {"id": "1", "document": '{"a":1}', "others": 2}
    assert prepared.writes == [
        CatalogWrite(type="dataset", id="new", document=b"{}", expected_revision=0)
    ]
    assert prepared.inputs == {"in": "key"}
    assert catalog.asked[1] == ("dataset", 5, {"owner": "me"})


async def test_what_prepare_raises_comes_back_as_itself(child):
    with pytest.raises(Invalid, match="no good") as caught:
        await child.prepare("plain", spec("invalid"), OneDataset())
    assert caught.value.field_errors == {"name": "is bad"}
    assert caught.value.details == {"n": 1}
    with pytest.raises(NotFound, match="no dataset nothing"):
        await child.prepare("asking", spec("", "nothing"), OneDataset())


async def test_an_error_class_of_the_kinds_own_comes_back_as_the_nearest_known_one(child):
    with pytest.raises(Conflict, match="taken") as caught:
        await child.prepare("plain", spec("picky"), OneDataset())
    assert type(caught.value) is Conflict


async def test_a_spec_that_does_not_fit_is_invalid(child):
    with pytest.raises(InvalidSpec, match="missing required field `do`"):
        await child.prepare("plain", b"{}", OneDataset())


async def test_a_child_is_used_again(child):
    pids = {(await child.prepare("plain", spec("pid"), OneDataset())).plan for _ in range(3)}
    assert len(pids) == 1


async def test_a_prepare_that_takes_too_long_is_killed_and_replaced(child, until, alive):
    before = await child.prepare("plain", spec("pid"), OneDataset())
    with pytest.raises(PrepareTimedOut):
        await child.prepare("plain", spec("sleep"), OneDataset())
    await until(lambda: not alive([msgspec.json.decode(before.plan)["pid"]]))
    after = await child.prepare("plain", spec("pid"), OneDataset())
    assert after != before


async def test_a_prepare_that_fails_otherwise_is_unavailable(child):
    with pytest.raises(Unavailable, match="ZeroDivisionError: oops"):
        await child.prepare("plain", spec("bug"), OneDataset())
    with pytest.raises(Unavailable, match="its child died"):
        await child.prepare("plain", spec("die"), OneDataset())
    assert (await child.prepare("plain", spec("plan"), OneDataset())).plan == b'{"planned":""}'


async def test_a_prepare_whose_caller_has_gone_is_not_waited_for(child):
    waiting = asyncio.create_task(child.prepare("plain", spec("sleep"), OneDataset()))
    await asyncio.sleep(0.2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await child.prepare("plain", spec("plan"), OneDataset())).plan == b'{"planned":""}'


async def test_an_error_of_the_catalog_reaches_the_caller(child):
    class Broken(OneDataset):
        async def get(self, type, id_or_name):
            raise Unavailable("the store is away")

    with pytest.raises(Unavailable, match="the store is away"):
        await child.prepare("asking", spec("", "known"), Broken())
    assert (await child.prepare("plain", spec("plan"), OneDataset())).plan == b'{"planned":""}'


async def test_what_prepare_prints_does_not_hold_it_up(child):
    assert (await child.prepare("plain", spec("print"), OneDataset())).plan == b"{}"


async def test_several_at_once_are_all_answered(bench):
    async with prepare_child(bench, timeout_seconds=5) as child:
        answers = await asyncio.gather(
            *(child.prepare("plain", spec("plan", str(n)), OneDataset()) for n in range(20))
        )
    assert [msgspec.json.decode(answer.plan)["planned"] for answer in answers] == [
        str(number) for number in range(20)
    ]


async def test_a_module_that_cannot_be_imported_is_unavailable_and_says_why(bench):
    async with prepare_child(bench, ("no_such_module_at_all",)) as child:
        with pytest.raises(Unavailable, match="no_such_module_at_all"):
            await child.prepare("plain", spec("plan"), OneDataset())


async def test_prepare_sees_only_the_variables_that_are_declared(bench):
    async with prepare_child(bench, environment=["DECLARED"]) as child:
        seen = msgspec.json.decode(
            (await child.prepare("plain", spec("environment"), OneDataset())).plan
        )
    assert seen["DECLARED"] == "declared"
    assert "WORKER_SECRET" not in seen


async def test_what_a_checkpoint_leaves_comes_back_as_encoded_publications(child):
    [encoded] = await child.partial("leaving", b'{"do":"write","name":"x"}')
    write = msgspec.json.decode(encoded, type=PlainWrite).write
    assert write == CatalogWrite(type="part", id="x", document=b"{}")
    assert await child.partial("leaving", b'{"do":"nothing"}') == []
    assert await child.partial("plain", b'{"do":"write"}') == []


@pytest.mark.parametrize(
    ("do", "says"), [("bug", "ZeroDivisionError: oops"), ("sleep", "took more"), ("die", "died")]
)
async def test_a_partial_that_goes_wrong_is_told_and_the_next_one_is_served(child, do, says):
    with pytest.raises(Unavailable, match=says):
        await child.partial("leaving", msgspec.json.encode({"do": do}))
    assert await child.partial("leaving", b'{"do":"nothing"}') == []
