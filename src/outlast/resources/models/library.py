"""What callers do with tuned models: find and delete them.

Who may submit may make models. Deleting one that another member made is for operators.
"""

from typing import Final

from outlast.engine.access import Principal, Verb
from outlast.engine.preparing import TenantCatalog
from outlast.operations.errors import InvalidSpec, RevisionMismatch
from outlast.operations.kind import CatalogWrite, Resource
from outlast.resources.models import model
from outlast.resources.models.model import Model
from outlast.resources.objects import ObjectStore
from outlast.store.port import AuditEntry, CatalogStore

PAGE_MAX: Final = 1000


class Models:
    """The tuned models of all tenants; every call is scoped by its principal.

    A `ref` is the id or the name of a model. What is not the principal's is NotFound.
    """

    def __init__(self, catalog: CatalogStore, objects: ObjectStore) -> None:
        self._catalog = catalog
        self._objects = objects

    async def find(
        self, principal: Principal, *, operation_id: str | None = None, limit: int = 50
    ) -> list[Model]:
        """At most `limit` (1 to 1,000) models, newest first; those of one operation, if given."""
        principal.require(Verb.READ)
        if not 1 <= limit <= PAGE_MAX:
            raise InvalidSpec(f"limit must be from 1 to {PAGE_MAX}")
        fields = None if operation_id is None else {"operation_id": operation_id}
        found = await self._catalog.find(principal.tenant, model.MODEL, fields=fields, limit=limit)
        return [model.as_model(resource) for resource in found]

    async def get(self, principal: Principal, ref: str) -> Model:
        """One model. Raises NotFound."""
        return model.as_model(await self._model(principal, ref))

    async def delete(
        self, principal: Principal, ref: str, *, request_id: str | None = None
    ) -> Model:
        """Delete a model; what it was. Its downloadable files stay. Raises NotFound, Forbidden."""
        found = await self._model(principal, ref)
        document = model.model_document(found)
        principal.require_over(document.created_by)
        audit = AuditEntry(
            actor=principal.member, action="model.delete", target=found.id, request_id=request_id
        )
        gone = CatalogWrite(type=model.MODEL, id=found.id, expected_revision=found.revision)
        try:
            await self._catalog.write(principal.tenant, [gone], audit)
        except RevisionMismatch:
            raise model.no_model(ref) from None
        # What is left of it when this fails is garbage, and collected.
        for key in document.files.values():
            await self._objects.delete(key)
        return model.as_model(found)

    async def _model(self, principal: Principal, ref: str) -> Resource:
        principal.require(Verb.READ)
        return await model.find_tuned(TenantCatalog(self._catalog, principal.tenant), ref)
