"""What an operation did to a stack becomes what the catalog tells of it, or nothing does."""

import msgspec
import pytest
from listed_stacks import MAKER, PIN, keep_stack
from publications import publication

from outlast.clock import system_clock
from outlast.engine.access import SYSTEM_TENANT
from outlast.engine.preparing import TenantCatalog
from outlast.operations.errors import Conflict, NotFound
from outlast.operations.model import SECOND
from outlast.resources.stacks import StateCollector, find_stack, model, show_stack
from outlast.resources.stacks.model import DriftedResource, RemovedStack, StackDrift, StackState
from outlast.resources.stacks.publishing import StackPublisher

OTHER = "06EV00000000000000TH"
NEWER = "00000002-06EV00000000000000TH-0001"
OLDER = "00000001-06EV00000000000000TH-0001"
DAY = 86_400 * SECOND


@pytest.fixture
def publish(store, tmp_path):
    publisher = StackPublisher(store.catalog)

    async def publish(wish, operation=OTHER):
        writes = await publisher.publish(publication(wish, tmp_path, operation, created_by="eve"))
        await store.catalog.write("default", writes)
        return writes

    return publish


def state_of(id, name=NEWER, **fields):
    about = {"variables": {"nodes": 3}, "secret_names": (), "outputs": {}, "connection": None}
    return StackState(stack=id, state=name, module=PIN, resources=5, **(about | fields))


async def shown(store, id):
    catalog = TenantCatalog(store.catalog, "default")
    return await show_stack(catalog, await find_stack(catalog, id))


async def test_a_deployment_that_is_done_is_what_the_stack_is(store, publish):
    id = await keep_stack(store, "site", owner=OTHER, created_by="")
    await publish(state_of(id, is_done=True, connection="06EV00000000000000CN"))
    stack = await shown(store, id)
    assert (stack.status, stack.resources, stack.variables) == ("ready", 5, {"nodes": 3})
    assert stack.created_by == "eve"
    kept = await store.catalog.read("default", model.STACK, id)
    assert kept.fields["connection"] == "06EV00000000000000CN"


async def test_one_that_failed_leaves_its_state_and_is_not_ready(store, publish):
    id = await keep_stack(store, "site", owner=OTHER, operation_id=None)
    await publish(state_of(id))
    stack = await shown(store, id)
    assert (stack.status, stack.resources) == ("failed", 5)


async def test_an_older_state_never_takes_the_place_of_a_newer_one(store, publish):
    id = await keep_stack(store, "site")
    await publish(state_of(id, is_done=True), operation=MAKER)
    before = await shown(store, id)
    assert await publish(state_of(id, OLDER)) == ()
    assert await shown(store, id) == before


async def test_drift_stands_until_something_is_deployed(store, publish):
    id = await keep_stack(store, "site")
    found = (DriftedResource(address="a.b", type="a", change="update"),)
    await publish(StackDrift(stack=id, resources=found))
    stack = await shown(store, id)
    assert (stack.drift.resources, stack.drift.operation_id, stack.status) == (
        found, OTHER, "ready",
    )  # fmt: skip
    await publish(state_of(id, is_done=True))
    assert (await shown(store, id)).drift is None


async def test_a_removed_stack_is_gone_and_then_there_is_nothing_to_publish_into(store, publish):
    id = await keep_stack(store, "site")
    await publish(RemovedStack(stack=id))
    with pytest.raises(NotFound):
        await shown(store, id)
    with pytest.raises(Conflict, match="is no more"):
        await publish(state_of(id))


async def test_what_is_malformed_is_refused(publish):
    with pytest.raises(Conflict, match="malformed"):
        await publish({"type": "stack_state"})


async def test_names_are_those_of_each_word(store):
    stack = await keep_stack(store, "one")
    network = await keep_stack(store, "one", word="network")
    catalog = TenantCatalog(store.catalog, "default")
    assert (await find_stack(catalog, "one")).id == stack
    assert (await find_stack(catalog, "one", "network")).id == network
    assert (await find_stack(catalog, "network/one")).id == network
    for ref, word in ((stack, "network"), ("one", "cluster"), ("stack/one", "network")):
        with pytest.raises(NotFound):
            await find_stack(catalog, ref, word)


async def test_superseded_states_go_and_what_is_newer_than_the_adopted_one_stays(store, objects):
    id = await keep_stack(store, "site")
    prefix = model.states_prefix("default", id)
    newest = "00000003-06EV00000000000000TH-0001"
    for name in (OLDER, NEWER, newest):
        await objects.put_bytes(prefix + name, b"sealed")
    gone = model.states_prefix("default", "06EV000000000000GONE") + NEWER
    await objects.put_bytes(gone, b"sealed")
    resource = await store.catalog.read("default", model.STACK, id)
    document = msgspec.structs.replace(model.stack_document(resource), state=prefix + NEWER)
    await store.catalog.write("default", [model.change_stack(resource, document, is_owned=False)])
    # The objects have the time of the machine.
    collector = StateCollector(store.catalog, objects, now=lambda: system_clock() + 2 * DAY)
    tenant = model.CatalogWrite(type="tenant", id="default", name="default", document=b"{}")
    await store.catalog.write(SYSTEM_TENANT, [tenant])
    assert await collector.collect() == 2
    left = sorted([info.key async for info in objects.walk(prefix)])
    assert left == [prefix + NEWER, prefix + newest]
