"""The kind `file_to_dataset`: the rows of a file become a version of a dataset.

The format `auto` goes by the file's name, else by how it begins. Failure codes, all of them the
caller's to mend:

    invalid_file      the file cannot be read as such; the message names the line or the row
    result_too_large  it has more rows or bytes than one version may hold
    out_of_memory     a row needs more memory than the reader is given
"""

import asyncio
import shutil
from pathlib import Path
from typing import Final

import msgspec

from outlast.kinds.targets import Target, new_version, target_id, targets
from outlast.operations.errors import Fatal, Invalid, TooLarge
from outlast.operations.kind import Catalog, Context, Finish, Kind, Prepared, Resources
from outlast.operations.retry import RetryPolicy
from outlast.resources.datasets.calls import GuessedFormat, ParseArguments, format_of
from outlast.resources.datasets.model import Column
from outlast.resources.files import file_document, find_file

MEMORY_BYTES: Final = 1024**3
_FILE: Final = "file"


class FileToDatasetSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file, and where its rows go."""

    file: str
    format: GuessedFormat = "auto"
    dst: Target | None = None


class FileToDatasetPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler needs: the names of the file's parts. `dataset` None: a temporary one."""

    parts: tuple[str, ...]
    format: GuessedFormat
    dataset: str | None = None
    version_name: str | None = None


class FileToDatasetResult(msgspec.Struct, frozen=True, kw_only=True):
    """The version that was made."""

    dataset: str
    version: str
    rows: int
    bytes: int
    columns: tuple[Column, ...]


async def prepare(spec: FileToDatasetSpec, catalog: Catalog) -> Prepared:
    """Find the file and the target. Raises NotFound, InvalidSpec, ResourceExists."""
    document = file_document(await find_file(catalog, spec.file))
    inputs = {f"part-of-file-{n:05}": part.key for n, part in enumerate(document.parts)}
    target = spec.dst or Target()
    dataset = await target_id(catalog, target)
    plan = FileToDatasetPlan(
        parts=tuple(inputs),
        format=format_of(document.name, spec.format),
        dataset=dataset,
        version_name=target.version_name,
    )
    return Prepared(plan=plan, inputs=inputs, targets=targets(dataset))


def run(plan: FileToDatasetPlan, context: Context) -> Finish:
    """Make the rows of a file a version of a dataset."""
    # Only the child has the parser, so that the server stays small.
    from outlast.resources.datasets.parsing import write_parts  # noqa: PLC0415
    from outlast.resources.datasets.tables import use_one_thread  # noqa: PLC0415

    def wrote(rows: int) -> None:
        if context.cancelled:
            raise asyncio.CancelledError
        context.report(rows, unit="rows", stage="reading")

    use_one_thread()
    _join(plan.parts, context.workdir)
    call = ParseArguments(file=_FILE, format=plan.format)
    try:
        manifest, files = write_parts(call, context.workdir, wrote)
    except TooLarge as error:
        raise Fatal("result_too_large", error.message) from error
    except Invalid as error:
        raise Fatal("invalid_file", error.message) from error
    except MemoryError as error:
        raise Fatal("out_of_memory", "a row needs more memory than the reader is given") from error
    context.report(manifest.rows, manifest.rows, unit="rows", stage="written")
    publication = new_version(
        manifest,
        files,
        dataset=plan.dataset,
        version_name=plan.version_name,
        operation_id=context.operation_id,
    )
    result = FileToDatasetResult(
        dataset=publication.dataset,
        version=publication.version,
        rows=manifest.rows,
        bytes=manifest.bytes,
        columns=manifest.columns,
    )
    return Finish(result=result, writes=[publication])


def _join(parts: tuple[str, ...], workdir: Path) -> None:
    """The parts of the file as one: rows may go over from one to the next."""
    whole = workdir / _FILE
    if len(parts) == 1:
        whole.symlink_to(parts[0])
        return
    with whole.open("wb") as target:
        for part in parts:
            with (workdir / part).open("rb") as source:
                shutil.copyfileobj(source, target)


kinds: Final = [
    Kind(
        "file_to_dataset",
        spec=FileToDatasetSpec,
        result=FileToDatasetResult,
        plan=FileToDatasetPlan,
        prepare=prepare,
        run=run,
        sandboxed=True,
        preload=("outlast.resources.datasets.parsing",),
        cancel_grace_seconds=1.5,
        retry=RetryPolicy(attempts_max=2),
        resources=Resources(cpus=1, memory_bytes=MEMORY_BYTES),
        description="Make the rows of a file a version of a dataset.",
    )
]
