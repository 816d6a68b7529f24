"""What callers do with databases, and what is collected of them."""

import asyncio
from itertools import pairwise

import pytest
from databases_for_tests import MAKER, keep_database
from datasets_for_tests import principal
from installation import Installation

from outlast.clock import system_clock
from outlast.engine import Role
from outlast.engine.tokens import Tokens
from outlast.operations.errors import (
    Conflict,
    Forbidden,
    Invalid,
    InvalidSpec,
    NotFound,
    ResourceExists,
)
from outlast.operations.ids import to_uuid
from outlast.operations.kind import Kind
from outlast.operations.model import SECOND
from outlast.resources.configured import ConfiguredStore
from outlast.resources.databases import DatabaseCollector, Databases, model
from outlast.resources.databases.clearing import DatabaseClearer
from outlast.resources.keyring import make_key, read_keys
from outlast.settings import Recovery, Settings

ADA, EVE = principal("ada"), principal("eve")
OPERATOR = principal("olga", Role.OPERATOR)
DAY = 86_400 * SECOND


@pytest.fixture
def configured(store):
    return ConfiguredStore(store, Settings())


@pytest.fixture
def library(configured, objects):
    return Databases(configured, objects, read_keys(make_key(), "a test"))


async def test_a_database_is_found_by_its_name_and_by_its_id_in_every_form(store, library):
    id = await keep_database(store, "sales")
    by_name = await library.get(ADA, "sales")
    assert (by_name.id, by_name.status, by_name.operation_id) == (id, "ready", MAKER)
    assert await library.get(ADA, id) == by_name
    assert await library.get(ADA, str(to_uuid(id))) == by_name
    assert await library.find(ADA, name="sales") == [by_name]
    assert await library.find(ADA, name=id) == []
    with pytest.raises(NotFound):
        await library.get(principal("ada", tenant="away"), id)


async def test_lists_come_in_pages_without_what_was_never_finished(store, library):
    for number in range(7):
        made = {} if number % 3 else {"operation_id": None}
        await keep_database(store, f"d{number}", **made)
    found = await library.find(ADA, limit=3)
    assert [one.name for one in found] == ["d5", "d4", "d2"]
    rest = await library.find(ADA, before_id=found[-1].id, limit=3)
    assert [one.name for one in rest] == ["d1"]
    assert all(one.id > other.id for one, other in pairwise(found + rest))
    assert await library.find(ADA, name="d0") == []
    for limit in (0, 1001):
        with pytest.raises(InvalidSpec):
            await library.find(ADA, limit=limit)


async def test_data_sources_are_attached_replaced_and_detached_but_for_the_last(store, library):
    await keep_database(store, "sales")
    made = await library.attach(ADA, "sales", "eu")
    assert (made.data_source_id, made.name) == ("eu", "eu")
    with pytest.raises(ResourceExists):
        await library.attach(ADA, "sales", "eu")
    with pytest.raises(ResourceExists):
        await library.replace_data_source(ADA, "sales", "eu", "sales")
    put = await library.replace_data_source(ADA, "sales", "eu", "us", "America")
    assert (put.id, put.data_source_id, put.name) == (made.id, "us", "America")
    assert await library.replace_data_source(ADA, "sales", "us", "us") == model.DataSource(
        id=made.id, data_source_id="us", name="us"
    )
    gone = await library.detach(ADA, "sales", "sales")
    assert gone.data_source_id == "sales"
    with pytest.raises(Conflict, match="last"):
        await library.detach(ADA, "sales", "us")
    for act in (library.detach, library.replace_data_source):
        with pytest.raises(NotFound):
            await act(ADA, "sales", "none", *(["x"] if act != library.detach else []))


async def test_only_who_made_it_and_operators_change_a_database(store, library):
    await keep_database(store, "sales")
    with pytest.raises(Forbidden):
        await library.attach(EVE, "sales", "eu")
    with pytest.raises(Forbidden):
        await library.attach(principal("vic", Role.VIEWER), "sales", "eu")
    await library.attach(OPERATOR, "sales", "eu", request_id="r-1")
    [record, *_] = await store.operations.audit("default")
    entry = record.entry
    assert (entry.actor, entry.action, entry.request_id) == ("olga", "database.attach", "r-1")


async def test_all_of_many_that_attach_at_once_are_kept(store, library):
    await keep_database(store, "sales")
    names = [f"s{number}" for number in range(6)]
    await asyncio.gather(*(library.attach(ADA, "sales", name) for name in names))
    found = await library.get(ADA, "sales")
    assert {one.data_source_id for one in found.data_sources} == {"sales", *names}


@pytest.mark.parametrize("id", ["", "\n", "x" * 256])
async def test_what_no_data_source_is_called_is_refused(store, library, id):
    await keep_database(store, "sales")
    with pytest.raises(Invalid):
        await library.attach(ADA, "sales", id)


async def test_a_file_goes_when_no_database_names_it_and_it_is_a_day_old(store, objects):
    named = await keep_database(store, "sales")
    root = principal("root", Role.ROOT)
    await Tokens(store).create_tenant(root, "default")
    kept = model.file_key("default", named, "0" * 64)
    old = [model.file_key("default", named, "1" * 64), model.file_key("default", MAKER, "0" * 64)]
    for key in (kept, *old):
        await objects.put_bytes(key, b"content")
    collector = DatabaseCollector(store.catalog, objects, now=system_clock)
    assert await collector.collect() == 0
    later = DatabaseCollector(store.catalog, objects, now=lambda: system_clock() + 2 * DAY)
    assert await later.collect() == 2
    assert await objects.find(kept) is not None
    assert [await objects.find(key) for key in old] == [None, None]


async def test_what_was_abandoned_is_deprovisioned_an_hour_later(
    store, configured, tmp_path, clock
):
    await Tokens(store).create_tenant(principal("root", Role.ROOT), "default")
    left = await keep_database(store, "left", operation_id=None)
    await keep_database(store, "ready")
    installed = Installation(configured, tmp_path, Recovery())
    specs = []

    async def prepare(spec, catalog):
        specs.append(spec)
        return spec

    async def run(plan, context):
        _ = plan, context

    installed.add(
        Kind(
            "deprovision_database",
            spec=dict,
            result=None,
            prepare=prepare,
            run=run,
            executor="inline",
        )
    )
    clearer = DatabaseClearer(installed.engine)
    assert await clearer.clear() == 0
    clock.now += 3601 * SECOND
    assert await clearer.clear() == 1
    assert specs == [{"database": left}]
