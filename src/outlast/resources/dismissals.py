"""Marks of operations that a caller does not want to be told of any more (decision 0014).

A mark is the catalog's, and collected when the operation is gone. The operation is as it was: only
a door that asks for marks leaves it out.
"""

from typing import Final

from outlast.engine.access import Principal, Verb
from outlast.operations.kind import CatalogWrite
from outlast.operations.model import Operation
from outlast.resources.walking import walk_resources
from outlast.store.port import AuditEntry, CatalogStore

DISMISSAL: Final = "dismissal"


class Dismissals:
    """The marks of all tenants; every call is scoped by its principal."""

    def __init__(self, catalog: CatalogStore) -> None:
        self._catalog = catalog

    async def dismiss(
        self, principal: Principal, operation: Operation, *, request_id: str | None = None
    ) -> None:
        """Mark an operation. To do it again changes nothing. Raises Forbidden."""
        principal.require_over(operation.created_by)
        audit = AuditEntry(
            actor=principal.member,
            action="operation.dismiss",
            target=operation.id,
            request_id=request_id,
        )
        write = CatalogWrite(
            type=DISMISSAL,
            id=operation.id,
            document=b"{}",
            fields={"operation_id": operation.id},
        )
        await self._catalog.write(principal.tenant, [write], audit)

    async def is_dismissed(self, principal: Principal, operation: Operation) -> bool:
        """Whether an operation is marked."""
        principal.require(Verb.READ)
        return await self._catalog.read(principal.tenant, DISMISSAL, operation.id) is not None

    async def find(self, principal: Principal, oldest_id: str) -> frozenset[str]:
        """The ids of the operations that are marked, from this one on."""
        principal.require(Verb.READ)
        found: set[str] = set()
        async for one in walk_resources(self._catalog, principal.tenant, DISMISSAL):
            if one.id < oldest_id:
                break
            found.add(one.id)
        return frozenset(found)
