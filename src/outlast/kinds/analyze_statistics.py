"""The kinds `analyze_statistics` and `describe_database`: what there is in a database.

To analyse renews the statistics by which queries are planned and tells them; to describe changes
nothing. DuckDB reads its file in a locked child; PostgreSQL is asked as the role that owns the
database, by kinds that stand in for these. Failure codes:

    unknown_table        the database has no table of this name
    too_many_columns     one result could not tell of all these tables
    database_failed      the database refuses
    server_unreachable   the PostgreSQL server cannot be reached; tried again
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from outlast.kinds.databases.statistics import Description, Statistics, Table, check_tables
from outlast.operations.errors import Conflict
from outlast.operations.kind import Catalog, Context, Finish, Kind, Prepared, Resources
from outlast.operations.retry import RetryPolicy
from outlast.resources.databases import FoundDatabase, NewDatabaseFile, find_database, model
from outlast.resources.databases.model import PostgresPlace

MEMORY_BYTES: Final = 2 * 1024**3
BEFORE: Final = "before.duckdb"
AFTER: Final = "database.duckdb"


class AnalyzeSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A database by its id or name, and which tables: TABLE or SCHEMA.TABLE; None are all."""

    database: str
    tables: tuple[str, ...] | None = None


class DescribeSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A database by its id or name."""

    database: str


class FilePlan(msgspec.Struct, frozen=True, kw_only=True):
    """A DuckDB database as it is: `file` is the object that holds it, of so many `bytes`."""

    database: str
    name: str
    file: str
    bytes: int
    tables: tuple[str, ...] | None = None


class ServerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A PostgreSQL database, and where it is."""

    database: str
    name: str
    place: PostgresPlace
    tables: tuple[str, ...] | None = None


async def prepare_analysis(spec: AnalyzeSpec, catalog: Catalog) -> Prepared:
    """Find the database. Raises NotFound, Conflict, InvalidSpec."""
    check_tables(spec.tables)
    found = await find_database(catalog, spec.database)
    if found.document.postgres is not None:
        return Prepared(plan=spec, kind="analyze_postgresql")
    return prepare_file(found, spec.tables)


async def prepare_description(spec: DescribeSpec, catalog: Catalog) -> Prepared:
    """Find the database. Raises NotFound, Conflict."""
    found = await find_database(catalog, spec.database)
    if found.document.postgres is not None:
        return Prepared(plan=spec, kind="describe_postgresql")
    return prepare_file(found)


def prepare_file(found: FoundDatabase, tables: tuple[str, ...] | None = None) -> Prepared:
    """A DuckDB database for one who may change it. Raises Conflict for another."""
    document, name = found.document, found.resource.name
    if document.file is None:
        raise Conflict(f"the database {name!r} is not one of DuckDB")
    plan = FilePlan(
        database=found.id, name=name, file=document.file, bytes=document.bytes, tables=tables
    )
    return Prepared(
        plan=plan,
        inputs={BEFORE: document.file},
        targets=(found.id,),
        concurrency_key=model.concurrency_key(found.id),
        resource_type=model.DATABASE,
        resource_id=found.id,
    )


async def prepare_server(spec: AnalyzeSpec | DescribeSpec, catalog: Catalog) -> Prepared:
    """Find a PostgreSQL database. Raises NotFound, Conflict for another."""
    found = await find_database(catalog, spec.database)
    place = found.document.postgres
    if place is None:
        raise Conflict(f"the database {found.resource.name!r} is not one of PostgreSQL")
    tables = spec.tables if isinstance(spec, AnalyzeSpec) else None
    return Prepared(
        plan=ServerPlan(database=found.id, name=found.resource.name, place=place, tables=tables),
        secrets={"password": f"database:{place.secret}"},
        concurrency_key=model.concurrency_key(found.id),
        resource_type=model.DATABASE,
        resource_id=found.id,
    )


def analyze_file(plan: FilePlan, context: Context) -> Finish:
    """Renew the statistics of a database's tables, and tell them."""
    # Only the child has the engine, so that the server stays small.
    from outlast.kinds.databases.duck import changing  # noqa: PLC0415
    from outlast.kinds.databases.duck_tables import analyze_tables  # noqa: PLC0415
    from outlast.kinds.databases.watching import watching  # noqa: PLC0415

    def report(done: int, total: int, table: str) -> None:
        context.report(done, total, unit="tables", message=table)

    with (
        changing(context.workdir / BEFORE, context.workdir / AFTER) as connection,
        watching(connection, context),
    ):
        tables = analyze_tables(connection, plan.tables, report)
    return Finish(
        result=Statistics(database=plan.database, name=plan.name, tables=tables),
        writes=[NewDatabaseFile(database=plan.database, file=AFTER, replaces=plan.file)],
    )


def describe_file(plan: FilePlan, context: Context) -> Description:
    """Tell the tables of a database and how large it is."""
    from outlast.kinds.databases.duck import opened  # noqa: PLC0415  see above
    from outlast.kinds.databases.duck_tables import describe_tables, free_bytes  # noqa: PLC0415
    from outlast.kinds.databases.watching import watching  # noqa: PLC0415

    with (
        opened(context.workdir / BEFORE, read_only=True) as connection,
        watching(connection, context),
    ):
        return Description(
            database=plan.database,
            name=plan.name,
            engine="duckdb",
            bytes=plan.bytes,
            free_bytes=free_bytes(connection),
            tables=describe_tables(connection),
        )


async def analyze_server(plan: ServerPlan, context: Context) -> Statistics:
    """Renew the statistics of a database's tables, and tell them."""
    tables, _ = await _ask_server(plan, context, renew=True)
    return Statistics(database=plan.database, name=plan.name, tables=tuple(tables))


async def describe_server(plan: ServerPlan, context: Context) -> Description:
    """Tell the tables of a database and how large it is."""
    tables, size = await _ask_server(plan, context, renew=False)
    return Description(
        database=plan.database,
        name=plan.name,
        engine="postgresql",
        bytes=size,
        free_bytes=0,
        tables=tuple(tables),
    )


async def _ask_server(
    plan: ServerPlan, context: Context, *, renew: bool
) -> tuple[Sequence[Table], int]:
    from outlast.kinds.databases.postgres import connected_to  # noqa: PLC0415  see above
    from outlast.kinds.databases.postgres_tables import tell_tables  # noqa: PLC0415

    async with connected_to(plan.place, context.secrets["password"]) as connection:
        tables = await tell_tables(connection, plan.tables, context, renew=renew)
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
        return tables, size


_LOCKED: Final = Resources(cpus=2, memory_bytes=MEMORY_BYTES)
_PRELOAD: Final = ("outlast.kinds.databases.duck_tables", "outlast.kinds.databases.watching")
_RETRY: Final = RetryPolicy(attempts_max=3)

kinds: Final = [
    Kind(
        "analyze_statistics",
        spec=AnalyzeSpec,
        result=Statistics,
        plan=FilePlan,
        prepare=prepare_analysis,
        run=analyze_file,
        sandboxed=True,
        preload=_PRELOAD,
        retry=_RETRY,
        resources=_LOCKED,
        description="Renew the statistics of a database's tables, and tell them.",
    ),
    Kind(
        "analyze_postgresql",
        spec=AnalyzeSpec,
        result=Statistics,
        plan=ServerPlan,
        prepare=prepare_server,
        run=analyze_server,
        secrets=("password",),
        retry=_RETRY,
        is_part=True,
    ),
    Kind(
        "describe_database",
        spec=DescribeSpec,
        result=Description,
        plan=FilePlan,
        prepare=prepare_description,
        run=describe_file,
        sandboxed=True,
        preload=_PRELOAD,
        retry=_RETRY,
        resources=_LOCKED,
        description="Tell the tables of a database and how large it is.",
    ),
    Kind(
        "describe_postgresql",
        spec=DescribeSpec,
        result=Description,
        plan=ServerPlan,
        prepare=prepare_server,
        run=describe_server,
        secrets=("password",),
        retry=_RETRY,
        is_part=True,
    ),
]
