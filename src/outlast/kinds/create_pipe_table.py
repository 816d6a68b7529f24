"""The kind `create_pipe_table`: a new table of a database, from the files below a prefix.

Its name is kept with the operation: whoever comes second is told at once. The columns are those of
the files; `column_overrides` gives types. A table with `polling_seconds` has a schedule, which
loads what is new with `refresh_pipe_table`. Failure codes, all but the last two the caller's:

    files_missing     nothing below the prefix ends with .parquet, .csv or .csv.gz
    access_refused    the object store refuses the keys, or must not be read there
    outbound_refused  the object store's address is not called
    invalid_file      a file cannot be read, or does not fit the others or the definition
    result_too_large  there are too many files, or a file is too large, or unpacks to too much
    out_of_memory     a file needs more memory than its reader is given
    database_failed   the database refuses
    files_changed     a file has changed since it was listed; tried again
    loader_failed     what reads the files died; tried again

On PostgreSQL also `server_unreachable`, which is tried again.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from outlast.kinds.pipe_tables.fetching import Place, opened
from outlast.kinds.pipe_tables.running import (
    RETRY,
    SECRETS,
    LoadPlan,
    LoadResult,
    bring_database,
    check_listed,
    choose_fitting,
    database_of,
    files_of,
    load_chosen,
    needs_of,
    password_of,
)
from outlast.operations.errors import Conflict, InvalidSpec, ResourceExists
from outlast.operations.kind import Catalog, CatalogWrite, Context, Finish, Kind, Prepared
from outlast.resources.configured import OBJECT_STORE, ObjectStoreDocument, find_installation
from outlast.resources.databases import FoundDatabase, find_database
from outlast.resources.objects.sources import key_references
from outlast.resources.pipe_tables import model
from outlast.resources.pipe_tables.definition import check_definition, check_table_name
from outlast.resources.pipe_tables.finding import look_for_pipe_table
from outlast.resources.pipe_tables.model import (
    Aggregation,
    ColumnExpression,
    Contents,
    Definition,
    Distribution,
    Key,
    Partition,
)


class CreateSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new pipe table of a database (an id or a name).

    `storage` is an object store of the settings that the database may be filled from.
    """

    database: str
    table: str
    storage: str
    path_prefix: str
    column_overrides: dict[str, str] = {}
    column_expressions: dict[str, ColumnExpression] = {}
    aggregation_overrides: dict[str, Aggregation] = {}
    key: Key | None = None
    distribution: Distribution | None = None
    partition: Partition | None = None
    varchar_chars_max: int | None = None
    polling_seconds: int | None = None
    table_properties: dict[str, str] = {}


async def prepare(spec: CreateSpec, catalog: Catalog) -> Prepared:
    """Keep the name, or find what was kept. Raises InvalidSpec, NotFound, ResourceExists."""
    definition = check_definition(
        Definition(
            **{name: getattr(spec, name) for name in Definition.__struct_fields__},
        )
    )
    found = await find_database(catalog, spec.database)
    store = await find_storage(catalog, spec.storage)
    if spec.storage not in found.document.storages:
        name = found.resource.name
        raise _wrong_storage(f"{spec.storage!r} is not among the storages of database {name!r}")
    writes = await _reservation(catalog, found, check_table_name(spec.table), definition)
    installation = await find_installation(catalog)
    plan = LoadPlan(
        pipe_table=model.pipe_table_id(found.id, spec.table),
        **database_of(found),
        table=spec.table,
        installation=installation,
        place=Place(store=store, prefix=definition.path_prefix, installation=installation),
        definition=definition,
        contents=Contents(),
    )
    return prepared(plan, writes, key_references(spec.storage, store))


async def _reservation(
    catalog: Catalog, database: FoundDatabase, table: str, definition: Definition
) -> Sequence[CatalogWrite]:
    found = await look_for_pipe_table(catalog, database.id, table)
    if catalog.operation_id is None:
        if found is not None and found.status != "abandoned":
            raise ResourceExists(
                f"the database {database.resource.name!r} has a pipe table {table!r} already",
                field_errors={"table": "is taken"},
            )
        before = None if found is None else found.resource
        return [model.new_pipe_table(database.id, table, definition, before)]
    if found is None or found.owner != catalog.operation_id:
        raise Conflict(f"the pipe table {table!r} is another operation's meanwhile")
    return ()


async def find_storage(catalog: Catalog, name: str) -> ObjectStoreDocument:
    """The object store of this name, if pipe tables may read it. Raises InvalidSpec."""
    found = await catalog.get(OBJECT_STORE, name)
    if found is None:
        raise _wrong_storage(f"there is no object store {name[:200]!r} in the settings")
    store = msgspec.json.decode(found.document, type=ObjectStoreDocument)
    if store.is_own:
        raise _wrong_storage(f"the object store {name!r} holds what is the installation's own")
    return store


def prepared(
    plan: LoadPlan, writes: Sequence[CatalogWrite], secrets: Mapping[str, str]
) -> Prepared:
    """What an attempt needs that loads."""
    return Prepared(
        plan=plan, writes=writes, secrets={**secrets, **password_of(plan)}, **needs_of(plan)
    )


async def run(plan: LoadPlan, context: Context) -> Finish:
    """Make a table of a database of the files below a prefix."""
    if plan.server is not None:
        # Only the child has the driver, so that the server stays small.
        from outlast.kinds.pipe_tables.serving import load_into_server  # noqa: PLC0415

        return await load_into_server(plan, context, is_new=True)
    async with opened(plan.place, context) as below:
        listed = check_listed(await below.list(), plan)
        chosen = choose_fitting(listed, {}, plan)
        files = await below.fetch(files_of(listed, chosen))
    await bring_database(context)
    return await load_chosen(plan, listed, chosen, files, context)


def _wrong_storage(message: str) -> InvalidSpec:
    return InvalidSpec(message, field_errors={"storage": message})


kinds: Final = [
    Kind(
        "create_pipe_table",
        spec=CreateSpec,
        result=LoadResult,
        plan=LoadPlan,
        prepare=prepare,
        run=run,
        secrets=SECRETS,
        retry=RETRY,
        description="Make a table of a database of the files below a prefix.",
    )
]
