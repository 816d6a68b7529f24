"""Finding databases, and telling what is under way with them."""

from typing import Final

import msgspec

from outlast.operations import ids
from outlast.operations.errors import Unavailable
from outlast.operations.kind import Catalog, Resource
from outlast.resources.databases import model
from outlast.resources.databases.model import DatabaseDocument, Status
from outlast.resources.owning import stand_of

_LOOKS: Final = 5


class FoundDatabase(msgspec.Struct, frozen=True, kw_only=True):
    """A database as the catalog has it, and what is under way with it."""

    resource: Resource
    document: DatabaseDocument
    status: Status

    @property
    def id(self) -> str:
        """Its id."""
        return self.resource.id

    @property
    def owner(self) -> str:
        """The operation that makes or removes it, or else the last one that did."""
        return self.resource.fields.get(model.OWNER, "")


async def find_database(catalog: Catalog, ref: str) -> FoundDatabase:
    """The database with this id or name that is ready. Raises NotFound, Conflict."""
    found = await look_for_database(catalog, ref)
    if found is None or found.status == "abandoned":
        raise model.no_database(ref)
    if found.status != "ready":
        raise model.not_ready(found.resource.name, found.status)
    return found


async def look_for_database(catalog: Catalog, ref: str) -> FoundDatabase | None:
    """The database with this id or name, whatever its status."""
    id_or_name = ids.decode_any(ref) or ref
    for _ in range(_LOOKS):
        resource = await catalog.get(model.DATABASE, id_or_name)
        if resource is None:
            return None
        status = await tell_status(catalog, resource)
        if status is not None:
            document = model.database_document(resource)
            return FoundDatabase(resource=resource, document=document, status=status)
    raise Unavailable(f"the database {ref!r} changes too fast to be looked at")


async def tell_status(catalog: Catalog, resource: Resource) -> Status | None:
    """What is under way with a database; None: it has changed since it was read."""
    document = model.database_document(resource)
    match await stand_of(catalog, resource, document.operation_id):
        case "settled":
            return "ready"
        case "under_way":
            return "deprovisioning" if document.is_going else "provisioning"
        case "over":
            return "abandoned" if document.operation_id is None else "ready"
        case "changed":
            return None
