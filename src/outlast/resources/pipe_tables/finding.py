"""Finding pipe tables, and telling what is under way with them."""

from typing import Final

import msgspec

from outlast.operations.errors import Unavailable
from outlast.operations.kind import OPERATION, Catalog, OperationDocument, Resource
from outlast.operations.states import State
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
    document, owner = model.pipe_table_document(resource), resource.fields.get(model.OWNER, "")
    if document.operation_id == owner:
        return "ready"
    found = await catalog.get(OPERATION, owner)
    state = (
        None if found is None else msgspec.json.decode(found.document, type=OperationDocument).state
    )
    is_made = document.operation_id is not None
    if state is State.SUCCEEDED:
        return None
    if state is None or state.is_terminal:
        return "ready" if is_made else "abandoned"
    return "deleting" if is_made else "creating"
