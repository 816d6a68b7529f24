"""Operations as a catalog shows them: what `prepare` may know of them."""

from collections.abc import Mapping

import msgspec

from outlast.operations.kind import OPERATION, OperationDocument, Resource
from outlast.operations.model import Operation
from outlast.operations.states import State
from outlast.store.port import OperationStore, Query


class ShownOperations:
    """The operations of all tenants, as resources that nobody writes."""

    def __init__(self, operations: OperationStore) -> None:
        self._operations = operations

    async def read(self, tenant: str, id: str) -> Resource | None:
        """One operation."""
        [found] = await self._operations.get(tenant, [id])
        return None if found is None else _resource(found)

    async def find(self, tenant: str, fields: Mapping[str, str], limit: int) -> list[Resource]:
        """Newest first, those of a `state` and about a resource where `fields` say so."""
        states = frozenset({State(fields["state"])} if "state" in fields else ())
        page = await self._operations.find(
            Query(
                tenant=tenant,
                states=states,
                resource_type=fields.get("resource_type"),
                resource_id=fields.get("resource_id"),
                limit=limit,
            )
        )
        return [_resource(operation) for operation in page.operations]


def _resource(operation: Operation) -> Resource:
    told = OperationDocument(
        kind=operation.kind, state=operation.state, created_by=operation.created_by
    )
    return Resource(
        tenant=operation.tenant,
        type=OPERATION,
        id=operation.id,
        name=operation.alias or operation.id,
        document=msgspec.json.encode(told),
        revision=operation.revision,
        created_at=operation.created_at,
        updated_at=operation.updated_at,
    )
