"""The kind `sql_query`: one SELECT over datasets, whose rows become a version of a dataset.

The query is YQL (a subset) or DuckDB SQL (one SELECT); `{src_0}`, `{src_1}` ... stand for the
sources. A source without a version is the version that is current when the attempt starts, and so
is a database: DuckDB SQL reads the tables of databases as NAME.TABLE. Without `dst` the rows go to
a temporary dataset, which bears the operation's id.

Failure codes, all of them the caller's to mend:

    query_failed      DuckDB could not run it: an unknown column, a cast, a division, an overflow
    out_of_memory     it needs more memory, or more space for what does not fit into memory
    result_too_large  it has more rows or bytes than one version may hold
    unsupported_type  a column's type cannot be stored; cast it to another
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from outlast.kinds.targets import (
    PARTS_MAX,
    Source,
    Target,
    find_source,
    new_version,
    part_keys,
    target_id,
    targets,
)
from outlast.kinds.yql import QueryRefused, check_duckdb, translate
from outlast.operations.errors import InvalidSpec
from outlast.operations.kind import Catalog, Context, Finish, Kind, Prepared, Resources
from outlast.operations.retry import RetryPolicy
from outlast.resources.databases import find_database
from outlast.resources.datasets import model

SOURCES_MAX: Final = 32
DATABASES_MAX: Final = 8
QUERY_CHARS_MAX: Final = 100_000
MEMORY_BYTES: Final = 2 * 1024**3
_DATABASE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_TAKEN_NAMES: Final = frozenset({"main", "memory", "system", "temp"})


class SqlSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A query over datasets, and over `databases`: a name in the query -> an id or a name."""

    query: str
    src: tuple[Source, ...] = ()
    databases: Mapping[str, str] = {}
    dialect: Literal["yql", "duckdb"] = "yql"
    dst: Target | None = None


class SqlPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler needs: DuckDB SQL over the views "src_0" ..., and the files of each.

    `databases` are the files of those, by their names in the query. `dataset` None asks for a
    temporary one.
    """

    sql: str
    sources: tuple[tuple[str, ...], ...]
    databases: Mapping[str, str] = {}
    dataset: str | None = None
    version_name: str | None = None


class SqlResult(msgspec.Struct, frozen=True, kw_only=True):
    """The version that was made, and its first rows (at most 20, in at most 64 KiB)."""

    dataset: str
    version: str
    rows: int
    bytes: int
    columns: tuple[model.Column, ...]
    sample_rows: list[dict[str, Any]]


async def prepare(spec: SqlSpec, catalog: Catalog) -> Prepared:
    """Translate the query and find what it reads and writes.

    Raises InvalidSpec, naming the construct and its place; NotFound; ResourceExists.
    """
    if not (spec.src or spec.databases) or len(spec.src) > SOURCES_MAX:
        raise _invalid("src", f"a query has 1 to {SOURCES_MAX} sources")
    _check_databases(spec)
    sql = _translated(spec)
    sources: list[tuple[str, ...]] = []
    inputs: dict[str, str] = {}
    for number, source in enumerate(spec.src):
        keys = part_keys(await find_source(catalog, source))
        names = tuple(f"src-{number}-{part}.parquet" for part in range(len(keys)))
        inputs.update(zip(names, keys, strict=True))
        sources.append(names)
    if len(inputs) > PARTS_MAX:
        raise _invalid("src", f"the sources have more than {PARTS_MAX} parts together")
    files = await _database_files(spec, catalog)
    inputs.update(files)
    target = spec.dst or Target()
    dataset = await target_id(catalog, target)
    plan = SqlPlan(
        sql=sql,
        sources=tuple(sources),
        databases={name.lower(): _database_file(name) for name in spec.databases},
        dataset=dataset,
        version_name=target.version_name,
    )
    return Prepared(plan=plan, inputs=inputs, targets=targets(dataset))


def _translated(spec: SqlSpec) -> str:
    if len(spec.query) > QUERY_CHARS_MAX:
        raise _invalid("query", f"is longer than {QUERY_CHARS_MAX} characters")
    try:
        if spec.dialect == "duckdb":
            names = {name.lower() for name in spec.databases}
            return check_duckdb(spec.query, len(spec.src), names)
        return translate(spec.query, len(spec.src))
    except QueryRefused as refused:
        raise InvalidSpec(
            refused.message,
            field_errors={"query": refused.message},
            details={
                "construct": refused.construct,
                "line": refused.line,
                "column": refused.column,
            },
        ) from refused


def _check_databases(spec: SqlSpec) -> None:
    if not spec.databases:
        return
    if spec.dialect != "duckdb":
        raise _invalid("databases", "databases are read in the dialect duckdb alone")
    if len(spec.databases) > DATABASES_MAX:
        raise _invalid("databases", f"a query reads at most {DATABASES_MAX} databases")
    if len({name.lower() for name in spec.databases}) < len(spec.databases):
        raise _invalid("databases", "two of them are called the same")
    for name in spec.databases:
        if not _DATABASE_NAME.fullmatch(name) or name.lower() in _TAKEN_NAMES:
            raise _invalid("databases", f"{name[:80]!r} is not a name that a query can use")


async def _database_files(spec: SqlSpec, catalog: Catalog) -> dict[str, str]:
    files: dict[str, str] = {}
    for name, ref in spec.databases.items():
        found = await find_database(catalog, ref)
        if found.document.file is None:
            raise _invalid(
                "databases", f"{ref!r} is a database of PostgreSQL: connect to it directly"
            )
        files[_database_file(name)] = found.document.file
    return files


def _database_file(name: str) -> str:
    return f"database-{name.lower()}.duckdb"


def _invalid(field: str, message: str) -> InvalidSpec:
    return InvalidSpec(f"{field}: {message}", field_errors={field: message})


def run(plan: SqlPlan, context: Context) -> Finish:
    """Run one SELECT over datasets with DuckDB; its rows become a version of a dataset."""
    # Only the child has the engine, so that the server stays small.
    from outlast.kinds.sql.running import run_query  # noqa: PLC0415

    rows = run_query(plan.sql, plan.sources, context, databases=plan.databases)
    publication = new_version(
        rows.manifest,
        rows.files,
        dataset=plan.dataset,
        version_name=plan.version_name,
        operation_id=context.operation_id,
    )
    result = SqlResult(
        dataset=publication.dataset,
        version=publication.version,
        rows=rows.manifest.rows,
        bytes=rows.manifest.bytes,
        columns=rows.manifest.columns,
        sample_rows=rows.sample,
    )
    return Finish(result=result, writes=[publication])


kinds: Final = [
    Kind(
        "sql_query",
        spec=SqlSpec,
        result=SqlResult,
        plan=SqlPlan,
        prepare=prepare,
        run=run,
        sandboxed=True,
        preload=("outlast.kinds.sql.running",),
        # Interrupting DuckDB takes milliseconds, or it is busy in one call that nothing interrupts.
        cancel_grace_seconds=1.5,
        retry=RetryPolicy(attempts_max=2),
        resources=Resources(cpus=2, memory_bytes=MEMORY_BYTES),
        description="Run one SELECT over datasets; its rows become a version of a dataset.",
    )
]
