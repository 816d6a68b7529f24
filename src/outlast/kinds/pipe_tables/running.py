"""What the kinds of pipe tables have in common: the plan, the load, and calls of locked children.

An attempt has the network and the keys, and reads no file: what it fetched is read in a locked
child below it, which changes a copy of the database. The copy takes the database's place in the
transaction of the success, together with what the catalog tells: whatever is killed before that
has changed nothing, and what was loaded is loaded once.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from outlast.kinds.locked_children import Reading, locked_children
from outlast.kinds.pipe_tables import calls
from outlast.kinds.pipe_tables.calls import LoadArguments, Loaded, LocalFile
from outlast.kinds.pipe_tables.fetching import Place
from outlast.operations.errors import Conflict, Fatal, Retry, TooLarge
from outlast.operations.kind import Context, Finish
from outlast.operations.progress import Report
from outlast.operations.retry import RetryPolicy
from outlast.resources.configured import InstallationDocument
from outlast.resources.databases import FoundDatabase, NewDatabaseFile, concurrency_key
from outlast.resources.databases.model import DATABASE, PostgresPlace
from outlast.resources.intake import copy_plain
from outlast.resources.pipe_tables.listing import Chosen, ListedFile, choose, fingerprint
from outlast.resources.pipe_tables.model import Contents, Definition, NewContents, TableColumn

FILES_AT_ONCE: Final = 1000
"""How many files one operation takes at most: what is more waits for the next."""

RETRY: Final = RetryPolicy(attempts_max=4)
SECRETS: Final = ("access_key", "secret_key", "password")
_UNPACKED_PER_BYTE: Final = 8
_MESSAGE_CHARS_MAX: Final = 200
_READING: Final = Reading(
    what="the files",
    failures=("invalid_file", "result_too_large", "database_failed"),
    died="loader_failed",
    memory_bytes=3 * 1024**3,
)

_T = TypeVar("_T")


class TablePlan(msgspec.Struct, frozen=True, kw_only=True):
    """A pipe table, and the database that it is in: a `file`, the object, or one of a server."""

    pipe_table: str
    database: str
    database_name: str
    file: str | None
    server: PostgresPlace | None
    table: str
    installation: InstallationDocument


class LoadPlan(TablePlan, frozen=True, kw_only=True):
    """A pipe table that is to be loaded, and from where."""

    place: Place
    definition: Definition
    contents: Contents


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was loaded, and what is there now.

    `files_left` are for the next refresh. Of files that have `changed` or `vanished` since they
    were loaded, the rows stay as they are. `recorded` are the words of the definition that the
    engine has no meaning for.
    """

    pipe_table: str
    database: str
    table: str
    files: int
    bytes: int
    rows_loaded: int
    rows: int
    columns: tuple[TableColumn, ...]
    files_left: int = 0
    changed: tuple[str, ...] = ()
    changed_count: int = 0
    vanished: tuple[str, ...] = ()
    vanished_count: int = 0
    recorded: tuple[str, ...] = ()


async def load_chosen(
    plan: LoadPlan,
    listed: Sequence[ListedFile],
    chosen: Chosen,
    files: Sequence[LocalFile],
    context: Context,
) -> Finish:
    """Load fetched files into the table; the changed database takes the old one's place."""
    context.report(stage="loading", message=f"{len(files)} files")
    arguments = arguments_of(plan, plan.contents, files, context)
    inputs = paths_of(files, context)
    async with called(plan, calls.LOAD, arguments, inputs, context, is_heard=True) as (
        answer,
        folder,
    ):
        loaded = decoded(answer, Loaded)
        await asyncio.to_thread(copy_plain, folder, calls.CHANGED, context.workdir / calls.CHANGED)
    context.report(stage="loaded", message=f"{loaded.rows_loaded} rows of {len(files)} files")
    contents = contents_after(plan.contents, loaded, files, listed, chosen)
    result = result_of(plan, contents, chosen, rows_loaded=loaded.rows_loaded)
    return Finish(
        result=result,
        writes=[
            NewDatabaseFile(database=plan.database, file=calls.CHANGED, replaces=plan.file),
            NewContents(pipe_table=plan.pipe_table, contents=contents),
        ],
    )


def arguments_of(
    plan: LoadPlan, contents: Contents, files: Sequence[LocalFile], context: Context
) -> LoadArguments:
    """What a locked child is asked to load."""
    return LoadArguments(
        table=plan.table,
        definition=plan.definition,
        contents=contents,
        files=tuple(files),
        operation_id=context.operation_id,
        unpacked_bytes_max=plan.installation.pipe_table_bytes * _UNPACKED_PER_BYTE,
    )


def paths_of(files: Sequence[LocalFile], context: Context) -> dict[str, Path]:
    """The fetched files as inputs of a call."""
    return {file.file: context.workdir / file.file for file in files}


def contents_after(
    before: Contents,
    loaded: Loaded,
    files: Sequence[LocalFile],
    listed: Sequence[ListedFile],
    chosen: Chosen,
) -> Contents:
    """What is in the table once the files are loaded."""
    return Contents(
        columns=loaded.columns,
        partition_columns=loaded.partition_columns,
        files=before.files + len(files),
        bytes=before.bytes + sum(file.bytes for file in files),
        rows=loaded.rows,
        fingerprint=None if chosen.left else fingerprint(listed),
    )


def database_of(found: FoundDatabase) -> dict[str, Any]:
    """What a plan tells of a database. Raises Conflict for one that is nowhere."""
    document = found.document
    if document.file is None and document.postgres is None:
        raise Conflict(f"the database {found.resource.name!r} is nowhere")
    return {
        "database": found.id,
        "database_name": found.resource.name,
        "file": document.file,
        "server": document.postgres,
    }


def needs_of(plan: TablePlan) -> dict[str, Any]:
    """What an attempt that changes the database needs for that."""
    return {
        "late_inputs": {} if plan.file is None else {calls.DATABASE: plan.file},
        "targets": (plan.database,),
        "concurrency_key": concurrency_key(plan.database),
        "resource_type": DATABASE,
        "resource_id": plan.database,
    }


def password_of(plan: TablePlan) -> dict[str, str]:
    """A reference to the password of the database, if it has one."""
    return {} if plan.server is None else {"password": f"database:{plan.server.secret}"}


def result_of(
    plan: LoadPlan, contents: Contents, chosen: Chosen, *, rows_loaded: int = 0
) -> LoadResult:
    """What is told of a load that made these contents of those before."""
    wanted = plan.definition
    recorded = [
        name for name in ("distribution", "partition", "table_properties") if getattr(wanted, name)
    ]
    if wanted.key is not None and wanted.key.type == "duplicate":
        recorded.append("key")
    return LoadResult(
        pipe_table=plan.pipe_table,
        database=plan.database,
        table=plan.table,
        files=contents.files - plan.contents.files,
        bytes=contents.bytes - plan.contents.bytes,
        rows_loaded=rows_loaded,
        rows=contents.rows,
        columns=contents.columns,
        files_left=chosen.left,
        changed=chosen.changed,
        changed_count=chosen.changed_count,
        vanished=chosen.vanished,
        vanished_count=chosen.vanished_count,
        recorded=tuple(sorted(recorded)),
    )


def check_listed(listed: Sequence[ListedFile], plan: LoadPlan) -> Sequence[ListedFile]:
    """The listing itself, if a table can be made of it. Raises Fatal."""
    if not listed:
        raise Fatal(
            "files_missing",
            f"no file below {plan.place.prefix!r} ends with .parquet, .csv or .csv.gz",
        )
    return listed


def choose_fitting(
    listed: Sequence[ListedFile], loaded: Mapping[str, str], plan: LoadPlan
) -> Chosen:
    """What to load of a listing. Raises Fatal for a file that never fits."""
    try:
        return choose(listed, loaded, plan.installation.pipe_table_bytes, FILES_AT_ONCE)
    except TooLarge as error:
        raise Fatal("result_too_large", error.message) from error


def files_of(listed: Sequence[ListedFile], chosen: Chosen) -> list[ListedFile]:
    """The files that were chosen, in that order; no others, whoever chose."""
    by_key = {file.key: file for file in listed}
    return [by_key[key] for key in chosen.keys if key in by_key]


async def bring_database(context: Context) -> None:
    """Have the database brought, once it is known that it is needed."""
    path = context.workdir / calls.DATABASE
    await asyncio.to_thread(context.files.get, calls.DATABASE, path)
    # Who reads it is another user, and must not need a copy.
    await asyncio.to_thread(path.chmod, 0o644)


@contextlib.asynccontextmanager
async def called(
    plan: TablePlan,
    target: str,
    arguments: object,
    inputs: Mapping[str, Path],
    context: Context,
    *,
    is_heard: bool = False,
) -> AsyncIterator[tuple[Any, Path]]:
    """A call of a locked child, given the database too if it is a file: its answer and its folder.

    Raises Fatal for what the caller can mend, Retry where the child died of something else.
    """

    def hear(report: Report) -> None:
        context.report(message=(report.message or "")[:_MESSAGE_CHARS_MAX])

    staged = dict(inputs)
    if plan.file is not None:
        staged[calls.DATABASE] = context.workdir / calls.DATABASE
    allow_unsandboxed = plan.installation.allow_unsandboxed
    async with (
        locked_children(context, _READING, allow_unsandboxed=allow_unsandboxed) as children,
        children.call(target, arguments, staged, hear if is_heard else None) as called,
    ):
        yield called


def decoded(answer: Any, type_: type[_T]) -> _T:
    """An answer as what it should be. Raises Retry: whoever gave another was subverted, or died."""
    try:
        return msgspec.convert(answer, type_)
    except msgspec.ValidationError as error:
        raise Retry(code="loader_failed", message="the answer makes no sense") from error
