"""Garbage collection: states that newer ones have superseded, and modules that nobody deploys."""

from collections.abc import Callable, Container
from typing import Final

from outlast.engine.access import SYSTEM_TENANT
from outlast.operations.kind import Resource
from outlast.operations.model import SECOND
from outlast.resources.collecting import OwnedObjectsCollector
from outlast.resources.objects import ObjectStore
from outlast.resources.stacks import model
from outlast.resources.stacks.modules import MODULES_PREFIX
from outlast.resources.walking import walk_resources
from outlast.store.port import CatalogStore

_MONTH: Final = 30 * 86_400 * SECOND


class StateCollector(OwnedObjectsCollector):
    """Collects the states that are older than the adopted one. A newer one is yet to be."""

    def __init__(
        self, catalog: CatalogStore, objects: ObjectStore, *, now: Callable[[], int]
    ) -> None:
        super().__init__(
            catalog,
            objects,
            type_=model.STACK,
            prefix_of=model.stacks_prefix,
            owner_of=model.stack_of,
            named_by=_Needed,
            now=now,
        )


class _Needed(Container[str]):
    """The adopted state of a stack, and all that are newer."""

    def __init__(self, stack: Resource) -> None:
        self._state = model.stack_document(stack).state or ""

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key >= self._state


class ModuleCollector:
    """Collects packed modules that no stack is made of, a month after a server last had them.

    An operation that waits for longer than that finds its module gone, and fails.
    """

    def __init__(
        self, catalog: CatalogStore, objects: ObjectStore, *, now: Callable[[], int]
    ) -> None:
        self._catalog = catalog
        self._objects = objects
        self._now = now

    async def collect(self) -> int:
        """One round; how many objects went."""
        gone, before = 0, self._now() - _MONTH
        old = [
            info.key
            async for info in self._objects.walk(MODULES_PREFIX)
            if info.modified_at < before
        ]
        needed = await self._needed() if old else frozenset()
        for key in old:
            if key.partition(".")[0] not in needed:
                gone += await self._objects.delete(key, unless_modified_since=before)
        return gone

    async def _needed(self) -> frozenset[str]:
        return frozenset(
            [
                model.stack_document(stack).module.key
                async for tenant in walk_resources(self._catalog, SYSTEM_TENANT, "tenant")
                async for stack in walk_resources(self._catalog, tenant.id, model.STACK)
            ]
        )
