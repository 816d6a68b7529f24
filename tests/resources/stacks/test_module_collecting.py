"""Packed modules stay while a stack is made of them or a server has them, and pins with theirs."""

from listed_stacks import PIN, keep_stack

from outlast.clock import system_clock
from outlast.engine.access import SYSTEM_TENANT
from outlast.operations.kind import CatalogWrite
from outlast.operations.model import SECOND
from outlast.resources.orphans import collect_orphans
from outlast.resources.stacks import ModuleCollector, model

MONTH = 30 * 86_400 * SECOND
OTHER = "modules/" + "b" * 64


async def collected(store, objects, after):
    tenant = CatalogWrite(type="tenant", id="default", name="default", document=b"{}")
    await store.catalog.write(SYSTEM_TENANT, [tenant])
    # The objects have the time of the machine.
    collector = ModuleCollector(store.catalog, objects, now=lambda: system_clock() + after)
    gone = await collector.collect()
    return gone, sorted([info.key async for info in objects.walk("modules/")])


async def test_a_module_that_no_stack_is_made_of_goes_after_a_month(store, objects):
    await keep_stack(store, "site")
    for key in (PIN.key, f"{PIN.key}.variables", OTHER, f"{OTHER}.variables"):
        await objects.put_bytes(key, b"packed")
    assert (await collected(store, objects, MONTH - SECOND * 60))[0] == 0
    gone, left = await collected(store, objects, MONTH + SECOND * 60)
    assert (gone, left) == (2, [PIN.key, f"{PIN.key}.variables"])


async def test_what_pins_a_module_goes_with_its_operation(store, objects):
    await collected(store, objects, 0)
    pin = CatalogWrite(
        type=model.DEPLOYMENT, id="1", document=b"{}", fields={"operation_id": "gone"}
    )
    await store.catalog.write("default", [pin])
    assert await collect_orphans(store.catalog, store.operations, model.DEPLOYMENT) == 1
    assert await store.catalog.read("default", model.DEPLOYMENT, "1") is None
