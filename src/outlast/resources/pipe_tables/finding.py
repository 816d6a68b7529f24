"""Finding pipe tables, and telling what is under way with them."""

from typing import Final

import msgspec

from outlast.operations.errors import Unavailable
from outlast.operations.kind import Catalog, Resource
from outlast.resources.owning import stand_of
from outlast.resources.pipe_tables import model
from outlast.resources.pipe_tables.model import PipeTableDocument, Status

_LOOKS: Final = 5


class FoundPipeTable(msgspec.Struct, frozen=True, kw_only=True):
    """A pipe table as the catalog has it, and what is under way with it."""

    resource: Resource
    document: PipeTableDocument
    status: Status

    @property
    def id(self) -> str:
        """Its id."""
        return self.resource.id

    @property
    def owner(self) -> str:
        """The operation that makes or removes it, or else the last one that did."""
        return self.resource.fields.get(model.OWNER, "")


async def find_pipe_table(catalog: Catalog, database: str, table: str) -> FoundPipeTable:
    """The table of a database (by its id) that is ready. Raises NotFound, Conflict."""
    found = await look_for_pipe_table(catalog, database, table)
    if found is None or found.status == "abandoned":
        raise model.no_pipe_table(database, table)
    if found.status != "ready":
        raise model.not_ready(table, found.status)
    return found


async def look_for_pipe_table(catalog: Catalog, database: str, table: str) -> FoundPipeTable | None:
    """The table of a database (by its id), whatever its status."""
    id = model.pipe_table_id(database, table)
    for _ in range(_LOOKS):
        resource = await catalog.get(model.PIPE_TABLE, id)
        if resource is None:
            return None
        status = await tell_status(catalog, resource)
        if status is not None:
            document = model.pipe_table_document(resource)
            return FoundPipeTable(resource=resource, document=document, status=status)
    raise Unavailable(f"the pipe table {table!r} changes too fast to be looked at")


async def tell_status(catalog: Catalog, resource: Resource) -> Status | None:
    """What is under way with a table; None: it has changed since it was read."""
    document = model.pipe_table_document(resource)
    is_made = document.operation_id is not None
    match await stand_of(catalog, resource, document.operation_id):
        case "settled":
            return "ready"
        case "under_way":
            return "deleting" if is_made else "creating"
        case "over":
            return "ready" if is_made else "abandoned"
        case "changed":
            return None
