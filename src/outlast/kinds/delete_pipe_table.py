"""The kind `delete_pipe_table`: a pipe table goes, with its rows and its schedule.

The files that it was loaded from stay. Failure codes:

    database_failed  the database refuses
    loader_failed    what changes the database died; tried again
"""

import asyncio
from typing import Final

import msgspec
from msgspec.structs import replace

from outlast.kinds.pipe_tables import calls
from outlast.kinds.pipe_tables.calls import DropArguments
from outlast.kinds.pipe_tables.running import (
    RETRY,
    TablePlan,
    bring_database,
    called,
    database_of,
    needs_of,
    password_of,
)
from outlast.operations.errors import Conflict
from outlast.operations.kind import Catalog, Context, Finish, Kind, Prepared
from outlast.resources.configured import find_installation
from outlast.resources.databases import NewDatabaseFile, find_database
from outlast.resources.intake import copy_plain
from outlast.resources.pipe_tables import model
from outlast.resources.pipe_tables.finding import FoundPipeTable, look_for_pipe_table
from outlast.resources.pipe_tables.model import RemovedPipeTable


class DeleteSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pipe table of a database (an id or a name)."""

    database: str
    table: str


class DeleteResult(msgspec.Struct, frozen=True, kw_only=True):
    """The table that was removed."""

    pipe_table: str
    database: str
    table: str


async def prepare(spec: DeleteSpec, catalog: Catalog) -> Prepared:
    """Make the table this operation's. Raises NotFound, Conflict."""
    database = await find_database(catalog, spec.database)
    found = await _find(spec, database.id, catalog)
    write = replace(model.change_pipe_table(found.resource, found.document), is_owned=True)
    plan = TablePlan(
        pipe_table=found.id,
        **database_of(database),
        table=spec.table,
        installation=await find_installation(catalog),
    )
    return Prepared(
        plan=plan,
        writes=[write],
        secrets=password_of(plan),
        owner=found.document.created_by or None,
        **needs_of(plan),
    )


async def _find(spec: DeleteSpec, database: str, catalog: Catalog) -> FoundPipeTable:
    found = await look_for_pipe_table(catalog, database, spec.table)
    if found is None:
        raise model.no_pipe_table(spec.database, spec.table)
    if catalog.operation_id is not None:
        if found.owner != catalog.operation_id:
            raise Conflict(f"the pipe table {spec.table!r} is another operation's meanwhile")
        return found
    if found.status == "abandoned":
        raise model.no_pipe_table(spec.database, spec.table)
    if found.status != "ready":
        raise model.not_ready(spec.table, found.status)
    return found


async def run(plan: TablePlan, context: Context) -> Finish:
    """Remove a pipe table from its database, with its schedule."""
    result = DeleteResult(pipe_table=plan.pipe_table, database=plan.database, table=plan.table)
    removed = RemovedPipeTable(pipe_table=plan.pipe_table)
    if plan.server is not None:
        # Only the child has the driver, so that the server stays small.
        from outlast.kinds.pipe_tables.postgres import PostgresTable  # noqa: PLC0415

        await PostgresTable(plan.server, context.secrets["password"], plan.table).drop()
        return Finish(result=result, writes=[removed])
    await bring_database(context)
    arguments = DropArguments(table=plan.table)
    async with called(plan, calls.DROP, arguments, {}, context) as (_, folder):
        changed = context.workdir / calls.CHANGED
        await asyncio.to_thread(copy_plain, folder, calls.CHANGED, changed)
    file = NewDatabaseFile(database=plan.database, file=calls.CHANGED, replaces=plan.file)
    return Finish(result=result, writes=[file, removed])


kinds: Final = [
    Kind(
        "delete_pipe_table",
        spec=DeleteSpec,
        result=DeleteResult,
        plan=TablePlan,
        prepare=prepare,
        run=run,
        secrets=("password",),
        retry=RETRY,
        description="Remove a pipe table, with its rows and its schedule.",
    )
]
