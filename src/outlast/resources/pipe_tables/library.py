"""What callers see of pipe tables. They are made, refreshed and removed by operations."""

from typing import Final

from outlast.engine.access import Principal, Verb
from outlast.engine.preparing import TenantCatalog
from outlast.operations.errors import InvalidSpec
from outlast.resources.databases import FoundDatabase, look_for_database
from outlast.resources.databases import model as databases
from outlast.resources.pipe_tables import model
from outlast.resources.pipe_tables.finding import FoundPipeTable, look_for_pipe_table
from outlast.resources.pipe_tables.model import PipeTable
from outlast.store.port import Store

PAGE_MAX: Final = 1000


class PipeTables:
    """The pipe tables of all tenants; every call is scoped by its principal.

    A `database` is the id, in any of its forms, or the name of one. What is not the principal's, or
    was never finished, is NotFound.
    """

    def __init__(self, store: Store) -> None:
        self._catalog = store.catalog

    async def find(
        self,
        principal: Principal,
        database: str,
        *,
        before_id: str | None = None,
        limit: int = 50,
    ) -> list[PipeTable]:
        """At most `limit` (1 to 1,000) tables of a database, with ids below `before_id`."""
        catalog = TenantCatalog(self._catalog, principal.tenant)
        owner = await _find_database(principal, catalog, database)
        if not 1 <= limit <= PAGE_MAX:
            raise InvalidSpec(f"limit must be from 1 to {PAGE_MAX}")
        tables: list[PipeTable] = []
        while len(tables) < limit:
            found = await self._catalog.find(
                principal.tenant,
                model.PIPE_TABLE,
                fields={"database": owner.id},
                before_id=before_id,
                limit=limit,
            )
            for resource in found:
                name = model.pipe_table_document(resource).table
                one = await look_for_pipe_table(catalog, owner.id, name)
                if one is not None and one.status != "abandoned":
                    tables.append(_as_pipe_table(one, owner))
            if len(found) < limit:
                break
            before_id = found[-1].id
        return tables[:limit]

    async def get(self, principal: Principal, database: str, table: str) -> PipeTable:
        """One table of a database. Raises NotFound."""
        catalog = TenantCatalog(self._catalog, principal.tenant)
        owner = await _find_database(principal, catalog, database)
        found = await look_for_pipe_table(catalog, owner.id, table)
        if found is None or found.status == "abandoned":
            raise model.no_pipe_table(database, table)
        return _as_pipe_table(found, owner)


async def _find_database(principal: Principal, catalog: TenantCatalog, ref: str) -> FoundDatabase:
    principal.require(Verb.READ)
    found = await look_for_database(catalog, ref)
    if found is None or found.status == "abandoned":
        raise databases.no_database(ref)
    return found


def _as_pipe_table(found: FoundPipeTable, database: FoundDatabase) -> PipeTable:
    document = found.document
    return PipeTable(
        id=found.id,
        name=document.table,
        database=database.id,
        database_name=database.resource.name,
        status=found.status,
        definition=document.definition,
        contents=document.contents,
        created_at=found.resource.created_at,
        created_by=document.created_by,
        operation_id=found.owner,
        loaded_by=document.loaded_by,
    )
