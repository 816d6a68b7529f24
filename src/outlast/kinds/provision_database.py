"""The kind `provision_database`: a new, empty database, under a name that nobody else has.

The name is reserved with the operation: whoever comes second is told at once. A name whose
operation has ended without success is free again, and what that operation left is taken over. On
DuckDB the database is a file; on PostgreSQL a database with a role of its own. Failure codes:

    database_taken       the server has a database of this id that is not ours
    server_unreachable   the PostgreSQL server cannot be reached; tried again
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from outlast.clock import system_clock
from outlast.operations import documents, ids
from outlast.operations.errors import Conflict, InvalidSpec, ResourceExists
from outlast.operations.kind import Catalog, CatalogWrite, Context, Finish, Kind, Prepared
from outlast.operations.retry import RetryPolicy
from outlast.resources.configured import OBJECT_STORE, find_installation
from outlast.resources.databases import (
    FoundDatabase,
    NewDatabaseFile,
    NewPostgresDatabase,
    look_for_database,
    model,
)
from outlast.resources.databases.model import DatabaseDocument, EngineName

ADMIN: Final = "database:admin"
"""The reference to the URL of the PostgreSQL server's administrator."""

FILE: Final = "made.duckdb"


class ProvisionSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new database. `storages` are object stores of the settings that it may be filled from.

    Its first data source is called as the database where it has no id or name of its own.
    """

    name: str
    storages: tuple[str, ...] = ()
    data_source_id: str | None = None
    data_source_name: str | None = None


class ProvisionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler needs."""

    database: str
    name: str
    engine: EngineName


class ProvisionResult(msgspec.Struct, frozen=True, kw_only=True):
    """The database that was made."""

    database: str
    name: str
    engine: EngineName


async def prepare(spec: ProvisionSpec, catalog: Catalog) -> Prepared:
    """Reserve the name, or find what was reserved. Raises InvalidSpec, ResourceExists."""
    model.check_name(spec.name)
    await _check_storages(spec.storages, catalog)
    engine = (await find_installation(catalog)).database_engine
    found = await look_for_database(catalog, spec.name)
    writes: Sequence[CatalogWrite] = ()
    if catalog.operation_id is None:
        write = _reservation(spec, engine, found)
        database, writes = write.id, [write]
    elif found is None or found.owner != catalog.operation_id:
        raise Conflict(f"the database {spec.name!r} is another operation's meanwhile")
    else:
        database, engine = found.id, found.document.engine
    return Prepared(
        plan=ProvisionPlan(database=database, name=spec.name, engine=engine),
        writes=writes,
        secrets={"admin": ADMIN} if engine == "postgresql" else {},
        targets=(database,),
        concurrency_key=model.concurrency_key(database),
        resource_type=model.DATABASE,
        resource_id=database,
    )


async def _check_storages(storages: Sequence[str], catalog: Catalog) -> None:
    if len(storages) > model.STORAGES_MAX or len(set(storages)) != len(storages):
        message = f"there are at most {model.STORAGES_MAX} different storages"
        raise InvalidSpec(message, field_errors={"storages": message})
    for name in storages:
        if await catalog.get(OBJECT_STORE, name) is None:
            message = f"there is no object store {name[:200]!r} in the settings"
            raise InvalidSpec(message, field_errors={"storages": message})


def _reservation(
    spec: ProvisionSpec, engine: EngineName, found: FoundDatabase | None
) -> CatalogWrite:
    if found is not None and (found.status != "abandoned" or found.document.engine != engine):
        raise ResourceExists(
            f"the database {spec.name!r} exists already", field_errors={"name": "is taken"}
        )
    now = system_clock()
    source = model.new_data_source(
        ids.make_id(now, ids.random_bits()),
        spec.data_source_id or spec.name,
        spec.data_source_name,
    )
    document = DatabaseDocument(engine=engine, storages=spec.storages, data_sources=(source,))
    # What was left of it has the same id, so that nothing of it is left for good.
    return CatalogWrite(
        type=model.DATABASE,
        id=ids.make_id(now, ids.random_bits()) if found is None else found.id,
        name=spec.name,
        document=documents.encode(document),
        expected_revision=0 if found is None else found.resource.revision,
        is_owned=True,
    )


async def run(plan: ProvisionPlan, context: Context) -> Finish:
    """Make a new, empty database."""
    # Only the child has the drivers, so that the server stays small.
    publication: NewDatabaseFile | NewPostgresDatabase
    if plan.engine == "duckdb":
        from outlast.kinds.databases.duck import make_file  # noqa: PLC0415

        make_file(context.workdir / FILE)
        publication = NewDatabaseFile(database=plan.database, file=FILE, replaces=None)
    else:
        from outlast.kinds.databases.postgres import Administrator  # noqa: PLC0415

        administrator = Administrator(context.secrets["admin"])
        publication = await administrator.create(plan.database)
    result = ProvisionResult(database=plan.database, name=plan.name, engine=plan.engine)
    return Finish(result=result, writes=[publication])


kinds: Final = [
    Kind(
        "provision_database",
        spec=ProvisionSpec,
        result=ProvisionResult,
        plan=ProvisionPlan,
        prepare=prepare,
        run=run,
        secrets=("admin",),
        cancel_grace_seconds=5,
        retry=RetryPolicy(attempts_max=5),
        description="Make a new, empty database.",
    )
]
