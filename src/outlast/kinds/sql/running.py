"""Runs a query with a DuckDB that can reach its inputs and nothing else."""

import outlast.resources.datasets.frugal  # noqa: F401  # isort: skip  it must come first

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import duckdb
import msgspec
import pyarrow as pa

from outlast.kinds.databases.duck import quoted, reachable, text
from outlast.kinds.databases.watching import watching
from outlast.kinds.sql.sampling import Sample
from outlast.operations.errors import Fatal, Invalid, TooLarge
from outlast.operations.kind import Context
from outlast.resources.datasets.calls import WriteLimits
from outlast.resources.datasets.model import Manifest
from outlast.resources.datasets.parts import PartWriter
from outlast.resources.datasets.tables import JSON, storable_schema, use_one_thread

LIMITS: Final = WriteLimits(rows=500_000_000, bytes=64 * 1024**3)
_MEMORY_LIMIT: Final = "1GiB"
_SPILL_LIMIT: Final = "8GiB"
_THREADS_MAX: Final = 2
_BATCH_ROWS: Final = 16_384
_PERCENT: Final = 100.0
# Sums of integers have 128 bits; Arrow is given JSON as text.
_STORED_AS: Final = {"HUGEINT": pa.int64(), "UHUGEINT": pa.int64(), "JSON": JSON}


class QueryRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a query, as files of the workdir, their manifest, and the first of them."""

    manifest: Manifest
    files: tuple[str, ...]
    sample: list[dict[str, Any]]


def run_query(
    sql: str,
    sources: Sequence[Sequence[str]],
    context: Context,
    limits: WriteLimits = LIMITS,
    databases: Mapping[str, str] = MappingProxyType({}),
) -> QueryRows:
    """Write the rows of a checked SELECT to the workdir. `databases`: names, and their files.

    Raises Fatal with a code of the kind, and CancelledError soon after a request to cancel.
    """
    use_one_thread()
    connection = _locked_connection(sources, databases, context.workdir)
    try:
        # All rows are written only when the writer says so.
        with watching(connection, context, lambda at: context.report(min(at, _PERCENT - 1))):
            return _write_rows(connection, sql, context, limits)
    except _FAILURES as error:
        if context.cancelled:
            raise asyncio.CancelledError from error
        raise _failure(error, context.workdir) from error


def _locked_connection(
    sources: Sequence[Sequence[str]], databases: Mapping[str, str], workdir: Path
) -> duckdb.DuckDBPyConnection:
    """A DuckDB that sees the inputs only, through views, and whose settings are final.

    The order matters: what is allowed, then nothing else, then the views, then the lock.
    """
    connection = duckdb.connect(
        config={
            "threads": min(_THREADS_MAX, os.cpu_count() or 1),
            "memory_limit": _MEMORY_LIMIT,
            "temp_directory": str(workdir / "spill"),
            "max_temp_directory_size": _SPILL_LIMIT,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "arrow_large_buffer_size": False,
        }
    )
    files = [[str(workdir / name) for name in names] for names in sources]
    # Progress is -1 without the bar; the bar itself would go to the operation's log.
    connection.execute("SET enable_progress_bar_print = false")
    connection.execute("SET enable_progress_bar = true")
    connection.execute("SET progress_bar_time = 0")
    connection.execute("SET TimeZone = 'UTC'")
    for name, file in databases.items():
        place = text(reachable(workdir / file))
        connection.execute(f"ATTACH {place} AS {quoted(name)} (READ_ONLY)")
    connection.execute(f"SET allowed_paths = {_texts([path for names in files for path in names])}")
    connection.execute("SET enable_external_access = false")
    for number, paths in enumerate(files):
        connection.execute(
            f'CREATE VIEW "src_{number}" AS SELECT * FROM read_parquet({_texts(paths)})'  # noqa: S608  our own names
        )
    connection.execute("SET lock_configuration = true")
    return connection


def _texts(values: Sequence[str]) -> str:
    quoted = ["'" + value.replace("'", "''") + "'" for value in values]
    return f"[{', '.join(quoted)}]"


def _write_rows(
    connection: duckdb.DuckDBPyConnection, sql: str, context: Context, limits: WriteLimits
) -> QueryRows:
    context.report(0, _PERCENT, unit="percent", stage="running", message="an estimate")
    relation = connection.sql(sql)
    if relation is None:
        raise Fatal("query_failed", "the query is not a SELECT")
    types = [str(type) for type in relation.types]
    reader = relation.to_arrow_reader(_BATCH_ROWS)
    schema = _stored_schema(reader.schema, types)
    writer = PartWriter(context.workdir, schema, limits, stem="rows")
    sample = Sample()
    for batch in reader:
        if context.cancelled:
            raise asyncio.CancelledError
        renamed = pa.RecordBatch.from_arrays(batch.columns, names=schema.names)
        sample.add(writer.write(renamed))
        context.report(message=f"{writer.rows} rows written")
    manifest, files = writer.close()
    context.report(_PERCENT, stage="written", message=f"{manifest.rows} rows written")
    return QueryRows(manifest=manifest, files=files, sample=sample.rows)


def _stored_schema(schema: pa.Schema, types: Sequence[str]) -> pa.Schema:
    """How the result is stored: under unique names, in types that can be stored."""
    names = _unique(schema.names)
    fields = []
    for name, field, type in zip(names, schema, types, strict=True):
        fields.append(pa.field(name, _STORED_AS.get(type, field.type)))
    return storable_schema(pa.schema(fields))


def _unique(names: Sequence[str]) -> list[str]:
    """The names, a repeated one with a number behind it."""
    written = set(names)
    given: list[str] = []
    for name in names:
        fresh, number = name, 1
        while fresh in given or (number > 1 and fresh in written):
            number += 1
            fresh = f"{name}_{number}"
        given.append(fresh)
    return given


# A type outside of the subset shows only when the query is bound: as a key that no struct has.
_REFUSED: Final = re.compile(r'Could not find key "yql subset: ([^"]*)" in struct', re.IGNORECASE)
_OURS: Final = "YQL subset: "
_FAILURES: Final = (duckdb.Error, pa.ArrowException, OSError, MemoryError, Invalid)


def _failure(error: Exception, workdir: Path) -> Fatal:
    """What the caller is told: the reason, without the text of the translation and our paths."""
    reason = str(error).strip().split("\n", 1)[0].replace(str(workdir.absolute()), "").strip()
    match error:
        case TooLarge():
            return Fatal("result_too_large", f"the result cannot be stored: {error.message}")
        case Invalid():
            return Fatal("unsupported_type", f"the result cannot be stored: {error.message}")
        case MemoryError() | duckdb.OutOfMemoryException():
            return Fatal("out_of_memory", f"the query needs too much memory: {reason}"[:500])
    # Once rows are streaming, DuckDB's errors come through Arrow, which keeps their text alone.
    if reason.startswith("Out of Memory Error"):
        return Fatal("out_of_memory", f"the query needs too much memory: {reason}"[:500])
    if "Arrow Appender" in reason:
        return Fatal("result_too_large", "the values of some rows together exceed 2 GiB")
    if (refused := _REFUSED.search(reason)) is not None:
        reason = _OURS + refused[1]
    elif _OURS in reason:
        # An error() of the translation: what DuckDB calls such an error says nothing.
        reason = reason[reason.index(_OURS) :]
    return Fatal("query_failed", reason[:500] or type(error).__name__)
