"""The kind `dataset_to_file`: the rows of a version become a file, for others to download.

Failure codes: `unreadable_version`, a row cannot be written in the format; `out_of_memory`, a row
needs more memory than the writer is given.
"""

from typing import Final

import msgspec

from outlast.kinds.targets import Source, find_source, part_keys
from outlast.operations.errors import Fatal, Invalid
from outlast.operations.kind import Catalog, Context, Finish, Kind, Prepared, Resources
from outlast.operations.retry import RetryPolicy
from outlast.resources.datasets.calls import ExportArguments, Format
from outlast.resources.datasets.resolving import version_document
from outlast.resources.files import NewFile, check_file, published_id

MEMORY_BYTES: Final = 1024**3


class DatasetToFileSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dataset by id or name, a version of it or its current one, and what the file shall be."""

    dataset: str
    version: str | None = None
    format: Format = "jsonl"
    purpose: str = "user_data"
    name: str | None = None


class DatasetToFilePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler needs: the files of the version, and what to make of them."""

    dataset: str
    version: str
    rows: int
    files: tuple[str, ...]
    format: Format
    purpose: str
    name: str


class DatasetToFileResult(msgspec.Struct, frozen=True, kw_only=True):
    """The file that was made, and the version whose rows it has."""

    file: str
    name: str
    bytes: int
    dataset: str
    version: str
    rows: int


async def prepare(spec: DatasetToFileSpec, catalog: Catalog) -> Prepared:
    """Find the version. Raises NotFound, InvalidSpec."""
    version = await find_source(catalog, Source(dataset=spec.dataset, version=spec.version))
    document = version_document(version)
    manifest = document.manifest
    name = spec.name or f"{document.dataset}-{manifest.version}.{spec.format}"
    check_file(name=name, purpose=spec.purpose, project=None, expire_seconds=None)
    inputs = {f"{n:05}.parquet": key for n, key in enumerate(part_keys(version))}
    plan = DatasetToFilePlan(
        dataset=document.dataset,
        version=manifest.version,
        rows=manifest.rows,
        files=tuple(inputs),
        format=spec.format,
        purpose=spec.purpose,
        name=name,
    )
    return Prepared(plan=plan, inputs=inputs, targets=())


def run(plan: DatasetToFilePlan, context: Context) -> Finish:
    """Make the rows of a version a file."""
    # Only the child has the reader, so that the server stays small.
    from outlast.resources.datasets.reading import write_export  # noqa: PLC0415
    from outlast.resources.datasets.tables import use_one_thread  # noqa: PLC0415

    use_one_thread()
    context.report(0, plan.rows, unit="rows", stage="writing")
    output = context.workdir / "export"
    call = ExportArguments(files=plan.files, format=plan.format)
    try:
        write_export(call, context.workdir, output)
    except Invalid as error:
        raise Fatal("unreadable_version", error.message) from error
    except MemoryError as error:
        raise Fatal("out_of_memory", "a row needs more memory than the writer is given") from error
    context.report(plan.rows, plan.rows, unit="rows", stage="written")
    result = DatasetToFileResult(
        file=published_id(context.operation_id, plan.purpose),
        name=plan.name,
        bytes=output.stat().st_size,
        dataset=plan.dataset,
        version=plan.version,
        rows=plan.rows,
    )
    publication = NewFile(purpose=plan.purpose, name=plan.name, files=(output.name,))
    return Finish(result=result, writes=[publication])


kinds: Final = [
    Kind(
        "dataset_to_file",
        spec=DatasetToFileSpec,
        result=DatasetToFileResult,
        plan=DatasetToFilePlan,
        prepare=prepare,
        run=run,
        sandboxed=True,
        preload=("outlast.resources.datasets.reading",),
        cancel_grace_seconds=1.5,
        retry=RetryPolicy(attempts_max=2),
        resources=Resources(cpus=1, memory_bytes=MEMORY_BYTES),
        description="Make the rows of a dataset's version a file.",
    )
]
