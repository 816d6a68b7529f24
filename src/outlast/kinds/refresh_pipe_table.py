"""The kind `refresh_pipe_table`: what is new below a pipe table's prefix is loaded, once.

A file is known by its key. One that has changed since it was loaded is told and not loaded again,
and the rows of one that has vanished stay. Failure codes are those of `create_pipe_table`.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from outlast.kinds.create_pipe_table import find_storage, prepared
from outlast.kinds.pipe_tables import calls
from outlast.kinds.pipe_tables.calls import ChooseArguments
from outlast.kinds.pipe_tables.fetching import Place, opened
from outlast.kinds.pipe_tables.running import (
    FILES_AT_ONCE,
    RETRY,
    SECRETS,
    LoadPlan,
    LoadResult,
    bring_database,
    called,
    database_of,
    decoded,
    files_of,
    load_chosen,
    result_of,
)
from outlast.operations.kind import Catalog, Context, Finish, Kind, Prepared
from outlast.resources.configured import find_installation
from outlast.resources.databases import find_database
from outlast.resources.objects.sources import key_references
from outlast.resources.pipe_tables import model
from outlast.resources.pipe_tables.finding import find_pipe_table
from outlast.resources.pipe_tables.listing import Chosen, ListedFile, fingerprint
from outlast.resources.pipe_tables.model import NewContents


class RefreshSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pipe table of a database (an id or a name)."""

    database: str
    table: str


async def prepare(spec: RefreshSpec, catalog: Catalog) -> Prepared:
    """Find the table. Raises NotFound, Conflict, InvalidSpec."""
    database = await find_database(catalog, spec.database)
    found = await find_pipe_table(catalog, database.id, spec.table)
    definition = found.document.definition
    store = await find_storage(catalog, definition.storage)
    installation = await find_installation(catalog)
    plan = LoadPlan(
        pipe_table=found.id,
        **database_of(database),
        table=spec.table,
        installation=installation,
        place=Place(store=store, prefix=definition.path_prefix, installation=installation),
        definition=definition,
        contents=found.document.contents,
    )
    return prepared(plan, (), key_references(definition.storage, store))


async def run(plan: LoadPlan, context: Context) -> Finish:
    """Load what is new below the prefix of a pipe table."""
    if plan.server is not None:
        # Only the child has the driver, so that the server stays small.
        from outlast.kinds.pipe_tables.serving import load_into_server  # noqa: PLC0415

        return await load_into_server(plan, context, is_new=False)
    async with opened(plan.place, context) as below:
        listed = await below.list()
        listing = fingerprint(listed)
        if listing == plan.contents.fingerprint:
            # Most refreshes find nothing: the database is not even brought.
            return _nothing_new(plan, Chosen(keys=()))
        await bring_database(context)
        chosen = await _choose(plan, listed, context)
        if not chosen.keys:
            contents = replace(plan.contents, fingerprint=listing)
            seen = NewContents(pipe_table=plan.pipe_table, contents=contents, is_loaded=False)
            return replace(_nothing_new(plan, chosen), writes=[seen])
        files = await below.fetch(files_of(listed, chosen))
    return await load_chosen(plan, listed, chosen, files, context)


def _nothing_new(plan: LoadPlan, chosen: Chosen) -> Finish:
    return Finish(result=result_of(plan, plan.contents, chosen))


async def _choose(plan: LoadPlan, listed: Sequence[ListedFile], context: Context) -> Chosen:
    listing = context.workdir / calls.LISTING
    listing.write_bytes(msgspec.json.encode(listed))
    listing.chmod(0o644)
    arguments = ChooseArguments(
        table=plan.table,
        bytes_max=plan.installation.pipe_table_bytes,
        files_max=FILES_AT_ONCE,
    )
    inputs = {calls.LISTING: listing}
    async with called(plan, calls.CHOOSE, arguments, inputs, context) as (answer, _):
        return decoded(answer, Chosen)


kinds: Final = [
    Kind(
        model.REFRESH,
        spec=RefreshSpec,
        result=LoadResult,
        plan=LoadPlan,
        prepare=prepare,
        run=run,
        secrets=SECRETS,
        retry=RETRY,
        description="Load what is new below the prefix of a pipe table.",
    )
]
