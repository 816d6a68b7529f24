"""The kind `export_vector_database`: the chunks of a vector database become a version of a dataset.

Its columns are id, document, page, text, metadata (JSON) and vector.
"""

import asyncio
from typing import Final

import msgspec

from outlast.kinds.targets import Target, new_version, target_id, targets
from outlast.operations.errors import Fatal, Invalid
from outlast.operations.kind import Catalog, Context, Finish, Kind, Prepared, Resources
from outlast.operations.retry import RetryPolicy
from outlast.resources.datasets.calls import ParseArguments
from outlast.resources.vector_databases import find_ready, model

MEMORY_BYTES: Final = 3 * 1024**3
_AS_PARQUET: Final = "chunks.parquet"


class ExportSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vector database by its id or name, and where its chunks go."""

    vector_database: str
    dst: Target | None = None


class ExportPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler needs. `dataset` None: a temporary one."""

    vector_database: str
    dataset: str | None = None
    version_name: str | None = None


class ExportResult(msgspec.Struct, frozen=True, kw_only=True):
    """The version that was made."""

    vector_database: str
    dataset: str
    version: str
    rows: int


async def prepare(spec: ExportSpec, catalog: Catalog) -> Prepared:
    """Find the vector database and the target. Raises NotFound, Conflict, InvalidSpec."""
    found = await find_ready(catalog, spec.vector_database)
    target = spec.dst or Target()
    dataset = await target_id(catalog, target)
    plan = ExportPlan(vector_database=found.id, dataset=dataset, version_name=target.version_name)
    return Prepared(
        plan=plan,
        inputs={model.CHUNKS_FILE: found.document.files[model.CHUNKS_FILE]},
        targets=targets(dataset),
        resource_type=model.VECTOR_DATABASE,
        resource_id=found.id,
    )


def run(plan: ExportPlan, context: Context) -> Finish:
    """Make the chunks of a vector database a version of a dataset."""
    # Only the child has the parser, so that the server stays small.
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    from outlast.resources.datasets.parsing import write_parts  # noqa: PLC0415
    from outlast.resources.datasets.tables import use_one_thread  # noqa: PLC0415

    def wrote(rows: int) -> None:
        if context.cancelled:
            raise asyncio.CancelledError
        context.report(rows, unit="chunks", stage="writing")

    use_one_thread()
    chunks = pa.ipc.open_file(pa.memory_map(str(context.workdir / model.CHUNKS_FILE))).read_all()
    pq.write_table(chunks, context.workdir / _AS_PARQUET)
    call = ParseArguments(file=_AS_PARQUET, format="parquet")
    try:
        manifest, files = write_parts(call, context.workdir, wrote)
    except Invalid as error:
        raise Fatal("result_too_large", error.message) from error
    publication = new_version(
        manifest,
        files,
        dataset=plan.dataset,
        version_name=plan.version_name,
        operation_id=context.operation_id,
    )
    result = ExportResult(
        vector_database=plan.vector_database,
        dataset=publication.dataset,
        version=publication.version,
        rows=manifest.rows,
    )
    return Finish(result=result, writes=[publication])


kinds: Final = [
    Kind(
        "export_vector_database",
        spec=ExportSpec,
        result=ExportResult,
        plan=ExportPlan,
        prepare=prepare,
        run=run,
        sandboxed=True,
        preload=("outlast.resources.datasets.parsing",),
        cancel_grace_seconds=1.5,
        retry=RetryPolicy(attempts_max=2),
        resources=Resources(cpus=1, memory_bytes=MEMORY_BYTES),
        description="Make the chunks of a vector database a version of a dataset.",
    )
]
