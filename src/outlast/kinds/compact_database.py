"""The kind `compact_database`: a DuckDB database as a fresh file, without what holds nothing.

Failure codes: `database_failed`, where the database refuses to be copied.
"""

from typing import Final

import msgspec

from outlast.kinds.analyze_statistics import AFTER, BEFORE, MEMORY_BYTES, FilePlan, prepare_file
from outlast.operations.errors import Conflict
from outlast.operations.kind import Catalog, Context, Finish, Kind, Prepared, Resources
from outlast.operations.retry import RetryPolicy
from outlast.resources.databases import NewDatabaseFile, find_database


class CompactSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A DuckDB database by its id or name."""

    database: str


class Compaction(msgspec.Struct, frozen=True, kw_only=True):
    """How large the database was, and is."""

    database: str
    name: str
    bytes_before: int
    bytes: int


async def prepare(spec: CompactSpec, catalog: Catalog) -> Prepared:
    """Find the database. Raises NotFound; Conflict for one of PostgreSQL."""
    found = await find_database(catalog, spec.database)
    if found.document.postgres is not None:
        raise Conflict(
            f"the database {found.resource.name!r} is one of PostgreSQL, which vacuums by itself"
        )
    return prepare_file(found)


def run(plan: FilePlan, context: Context) -> Finish:
    """Copy a database into a fresh file."""
    # Only the child has the engine, so that the server stays small.
    from outlast.kinds.databases.duck import copying  # noqa: PLC0415
    from outlast.kinds.databases.watching import watching  # noqa: PLC0415

    before, after = context.workdir / BEFORE, context.workdir / AFTER
    with copying(before, after) as connection, watching(connection, context):
        connection.execute("COPY FROM DATABASE before TO database")
    result = Compaction(
        database=plan.database,
        name=plan.name,
        bytes_before=plan.bytes,
        bytes=after.stat().st_size,
    )
    publication = NewDatabaseFile(database=plan.database, file=AFTER, replaces=plan.file)
    return Finish(result=result, writes=[publication])


kinds: Final = [
    Kind(
        "compact_database",
        spec=CompactSpec,
        result=Compaction,
        plan=FilePlan,
        prepare=prepare,
        run=run,
        sandboxed=True,
        preload=("outlast.kinds.databases.duck", "outlast.kinds.databases.watching"),
        retry=RetryPolicy(attempts_max=3),
        resources=Resources(cpus=2, memory_bytes=MEMORY_BYTES),
        description="Copy a DuckDB database into a fresh file, without what holds nothing.",
    )
]
