"""Loads files into a pipe table of a PostgreSQL server."""

import asyncio

from msgspec.structs import replace

from outlast.kinds.pipe_tables import calls
from outlast.kinds.pipe_tables.calls import Loaded
from outlast.kinds.pipe_tables.fetching import opened
from outlast.kinds.pipe_tables.postgres import Known, PostgresTable
from outlast.kinds.pipe_tables.running import (
    LoadPlan,
    arguments_of,
    called,
    check_listed,
    choose_fitting,
    contents_after,
    decoded,
    files_of,
    paths_of,
    result_of,
)
from outlast.operations.errors import Fatal
from outlast.operations.kind import Context, Finish
from outlast.resources.intake import copy_plain
from outlast.resources.pipe_tables.listing import Chosen, fingerprint
from outlast.resources.pipe_tables.model import Contents, NewContents


async def load_into_server(plan: LoadPlan, context: Context, *, is_new: bool) -> Finish:
    """Load what is new into a table of a server. What the server tells of the table decides."""
    if plan.server is None:
        raise ValueError("the database is not one of a server")
    table = PostgresTable(plan.server, context.secrets["password"], plan.table)
    async with opened(plan.place, context) as below:
        listed = await below.list()
        if not is_new and fingerprint(listed) == plan.contents.fingerprint:
            # Most refreshes find nothing: the server is not even asked.
            return Finish(result=result_of(plan, plan.contents, Chosen(keys=())))
        known = await _known(table, context.operation_id, is_new=is_new)
        before = Contents() if known is None else known.contents
        if known is None:
            check_listed(listed, plan)
        chosen = choose_fitting(listed, {} if known is None else known.identities, plan)
        files = await below.fetch(files_of(listed, chosen))
    if not files:
        seen = replace(before, fingerprint=fingerprint(listed))
        is_loaded = seen.files != plan.contents.files
        told = NewContents(pipe_table=plan.pipe_table, contents=seen, is_loaded=is_loaded)
        return Finish(result=result_of(plan, seen, chosen), writes=[told])
    context.report(stage="loading", message=f"{len(files)} files")
    arguments = arguments_of(plan, before, files, context)
    inputs, rows = paths_of(files, context), context.workdir / calls.ROWS
    async with called(plan, calls.CONVERT, arguments, inputs, context, is_heard=True) as (
        answer,
        folder,
    ):
        loaded = decoded(answer, Loaded)
        await asyncio.to_thread(copy_plain, folder, calls.ROWS, rows)
    after = contents_after(before, loaded, files, listed, chosen)
    made = await table.load(rows, files, after, plan.definition, context.operation_id)
    context.report(stage="loaded", message=f"{loaded.rows_loaded} rows of {len(files)} files")
    return Finish(
        result=result_of(plan, made, chosen, rows_loaded=loaded.rows_loaded),
        writes=[NewContents(pipe_table=plan.pipe_table, contents=made)],
    )


async def _known(table: PostgresTable, operation_id: str, *, is_new: bool) -> Known | None:
    """What the server tells of the table; None: it is to be made. Raises Fatal."""
    known = await table.look()
    if is_new and known is not None and known.operation_id != operation_id:
        # What an operation left that ended between its commit and its success.
        await table.drop()
        return None
    if known is None and not is_new:
        raise Fatal("database_failed", "the database does not have the pipe table any more")
    return known
