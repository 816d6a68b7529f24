"""Makes what an operation did to a pipe table what the catalog tells of it."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from msgspec.structs import replace

from outlast.engine.preparing import TenantCatalog
from outlast.operations.errors import Conflict
from outlast.operations.kind import CatalogWrite
from outlast.operations.schedules import schedule_removal
from outlast.resources.pipe_tables import model
from outlast.resources.pipe_tables.model import NewContents, RemovedPipeTable
from outlast.resources.publication import Publication
from outlast.resources.walking import walk_resources
from outlast.store.port import CatalogStore

TAGS: Final = ("pipe_table", "pipe_table_removal")

_Wish: TypeAlias = NewContents | RemovedPipeTable


class PipeTablePublisher:
    """Publishes changes of pipe tables. The worker calls it before it records a success."""

    def __init__(self, catalog: CatalogStore, *, now: Callable[[], int]) -> None:
        self._catalog = catalog
        self._now = now

    async def publish(self, publication: Publication) -> Sequence[CatalogWrite]:
        """The writes for an encoded publication; they belong into the transaction of the success.

        Each expects what was read: where one is refused, call again. Raises Conflict.
        """
        wish: _Wish = publication.read(_Wish, "the change of a pipe table")
        catalog = TenantCatalog(self._catalog, publication.tenant)
        found = await catalog.get(model.PIPE_TABLE, wish.pipe_table)
        if found is None:
            raise Conflict("the pipe table is no more")
        known = model.pipe_table_document(found)
        is_owner = found.fields.get(model.OWNER) == publication.operation_id
        if isinstance(wish, RemovedPipeTable):
            if not is_owner:
                raise Conflict(f"the pipe table {known.table!r} is another operation's meanwhile")
            return removal(found.id, found.revision)
        changed = replace(known, contents=wish.contents)
        if wish.is_loaded:
            changed = replace(changed, loaded_by=publication.operation_id)
        if known.operation_id is not None:
            return [model.change_pipe_table(found, changed)]
        if not is_owner:
            raise Conflict(f"the pipe table {known.table!r} is another operation's meanwhile")
        made = replace(
            changed, operation_id=publication.operation_id, created_by=publication.created_by
        )
        schedule = model.refresh_schedule(found.id, made, self._now())
        writes = [model.change_pipe_table(found, made)]
        return writes if schedule is None else [*writes, schedule]


def removal(id: str, expected_revision: int | None = None) -> list[CatalogWrite]:
    """The writes that remove a pipe table from the catalog, and its schedule with it."""
    gone = CatalogWrite(type=model.PIPE_TABLE, id=id, expected_revision=expected_revision)
    return [gone, schedule_removal(id)]


class PipeTablesOfDatabases:
    """What must be written when a database goes: its pipe tables go too."""

    def __init__(self, catalog: CatalogStore) -> None:
        self._catalog = catalog

    async def __call__(self, tenant: str, database: str) -> Sequence[CatalogWrite]:
        """The writes that remove the pipe tables of a database, with their schedules."""
        tables = walk_resources(
            self._catalog, tenant, model.PIPE_TABLE, fields={"database": database}
        )
        return [write async for table in tables for write in removal(table.id)]
