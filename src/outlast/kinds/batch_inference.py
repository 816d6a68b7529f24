"""The kind `batch_inference`: many requests to a model, and their answers.

The rows of a dataset become requests through a `mapping`; a `file` holds one request a line, as the
OpenAI batch API has it. Every row is checked before the first is paid for. Answers go to the file
with the purpose `batch_output`, rows without a good answer to the one with `batch_errors`, in the
order in which they came; a batch from a dataset, or with a `dst`, also becomes a version. A batch
that fails or is cancelled leaves the files of what was done. Nothing that a checkpoint counts is
asked for again, also after a crash.

Failure codes:

    invalid_rows         more than a tenth of the rows is no request, or there are none
    too_many_rows        more than 5,000,000
    source_changed       the dataset got a new version after some rows of the old one were done
    backend_unavailable  the backend gives no good answer any more; what is done is kept
    backend_busy         the backend only says that it is busy, for ten minutes
    backend_refused      the backend refuses its key
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import msgspec

from outlast.inference.models import find_model
from outlast.kinds.batch.plan import BatchPlan, Patience
from outlast.kinds.batch.record import Checkpoint, Counts, Usage, published_files
from outlast.kinds.batch.requests import CHAT, ColumnMapping, EndpointPath
from outlast.kinds.staged_models import staged_inputs, staged_names
from outlast.kinds.targets import Source, Target, find_source, part_keys, target_id, targets
from outlast.operations.errors import InvalidSpec
from outlast.operations.kind import Catalog, Context, Finish, Kind, Prepared, Resource, Resources
from outlast.operations.retry import RetryPolicy
from outlast.resources.datasets.model import Column, NewVersion
from outlast.resources.datasets.resolving import version_document
from outlast.resources.files.model import NewFile, file_document, find_file

if TYPE_CHECKING:
    from outlast.kinds.batch.running import Finished

FILE_BYTES_MAX: Final = 10 * 1024**3
TOKENS_MAX: Final = 10_000_000
PARAMETERS_MAX: Final = 64
PATIENCE: Final = Patience()
_PARAMETER: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_OWN: Final = frozenset({"model", "messages", "input", "stream", "n"})
_RANGES: Final = {"temperature": (0, 2), "top_p": (0, 1), "max_tokens": (1, TOKENS_MAX)}
_EXPORTED: Final = "rows.jsonl"


class BatchSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests to a model: from `src`, a dataset read through `mapping`, or from `file`.

    `parameters` go over those of the rows, such as temperature, top_p, max_tokens. The rows of a
    file must name `model`, unless it `replaces_model` of theirs; a file without `model` has no
    valid row. `dst` asks for a version of the answers, which a batch from a dataset has anyway.
    """

    model: str | None = None
    src: Source | None = None
    mapping: ColumnMapping | None = None
    file: str | None = None
    endpoint: EndpointPath = CHAT
    parameters: dict[str, Any] = {}
    replaces_model: bool = False
    dst: Target | None = None


class BatchResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows, the tokens they cost, and the version that was made, if any."""

    counts: Counts
    usage: Usage
    dataset: str | None = None
    version: str | None = None


async def prepare(spec: BatchSpec, catalog: Catalog) -> Prepared:
    """Find the model, the input and the columns. Raises InvalidSpec, NotFound, ResourceExists."""
    _check_shape(spec)
    _check_parameters(spec.parameters)
    model = None if spec.model is None else await find_model(catalog, spec.model)
    source, files, inputs, exports = await _find_input(spec, catalog)
    model_files = staged_names(model)
    inputs |= staged_inputs(model, model_files)
    target = spec.dst or Target()
    plan = BatchPlan(
        model=model,
        endpoint=spec.endpoint,
        source=source,
        files=files,
        parameters=spec.parameters,
        mapping=spec.mapping,
        replaces_model=spec.replaces_model,
        model_files=model_files,
        is_table=spec.src is not None or spec.dst is not None,
        dataset=await target_id(catalog, target),
        version_name=target.version_name,
        patience=PATIENCE,
    )
    secrets = {"backend_key": model.secret_ref} if model and model.secret_ref else {}
    return Prepared(
        plan=plan,
        inputs=inputs,
        exports=exports,
        secrets=secrets,
        targets=targets(plan.dataset),
    )


def _check_shape(spec: BatchSpec) -> None:
    if (spec.src is None) == (spec.file is None):
        raise _invalid("src", "a batch has either a dataset as src or a file")
    if spec.src is not None and spec.mapping is None:
        raise _invalid("mapping", "a batch from a dataset says which columns make a request")
    if spec.file is not None and spec.mapping is not None:
        raise _invalid("mapping", "a file holds whole requests: only a dataset has a mapping")
    if spec.model is None and (spec.src is not None or spec.replaces_model):
        raise _invalid("model", "is missing: name the model that shall answer")
    if spec.mapping is None:
        return
    asked = [name for name in ("messages", "prompt", "input") if getattr(spec.mapping, name)]
    fitting = ("messages", "prompt") if spec.endpoint == CHAT else ("input",)
    if len(asked) != 1 or asked[0] not in fitting:
        text = f"for {spec.endpoint} it names one of: {', '.join(fitting)}"
        raise _invalid("mapping", text)
    most = spec.mapping.max_tokens
    if most is not None and not 1 <= most <= TOKENS_MAX:
        raise _invalid("mapping.max_tokens", f"must be from 1 to {TOKENS_MAX}")


def _check_parameters(parameters: Mapping[str, Any]) -> None:
    if len(parameters) > PARAMETERS_MAX:
        raise _invalid("parameters", f"has more than {PARAMETERS_MAX} members")
    for name, value in parameters.items():
        field = f"parameters.{name[:64]}"
        if not _PARAMETER.fullmatch(name):
            raise _invalid(field, "is not the name of a parameter")
        if name in _OWN:
            raise _invalid(field, "cannot be set for all rows")
        if name in _RANGES and value is not None:
            low, high = _RANGES[name]
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _invalid(field, "must be a number")
            if not low <= value <= high:
                raise _invalid(field, f"must be from {low} to {high}")


async def _find_input(
    spec: BatchSpec, catalog: Catalog
) -> tuple[str, tuple[str, ...], dict[str, str], dict[str, Sequence[str]]]:
    """The input's identity, its files in the workdir, and what to stage and to export for them."""
    if spec.src is not None and spec.mapping is not None:
        version = await find_source(catalog, spec.src)
        _check_columns(spec.mapping, version)
        return version.name, (_EXPORTED,), {}, {_EXPORTED: part_keys(version)}
    file = await find_file(catalog, spec.file or "")
    document = file_document(file)
    if document.bytes > FILE_BYTES_MAX:
        raise _invalid("file", f"has more than {FILE_BYTES_MAX} bytes")
    names = tuple(f"rows-{number:05}.jsonl" for number in range(len(document.parts)))
    inputs = {name: part.key for name, part in zip(names, document.parts, strict=True)}
    return file.id, names, inputs, {}


def _check_columns(mapping: ColumnMapping, version: Resource) -> None:
    """Raise InvalidSpec, naming the column, unless the version has what the mapping names."""
    columns = {column.name: column for column in version_document(version).manifest.columns}
    for field, name in mapping.columns.items():
        if name not in columns:
            known = ", ".join(list(columns)[:20])
            message = f"column {name[:200]!r} does not exist; the version has: {known[:1000]}"
            raise _invalid(f"mapping.{field}", message)
        if not _fits(field, columns[name]):
            message = f"column {name[:200]!r} is of type {columns[name].type[:200]}, "
            raise _invalid(f"mapping.{field}", message + f"which cannot be used as {field}")


def _fits(field: str, column: Column) -> bool:
    is_text = column.type in {"string", "json"}
    is_list = column.type.startswith("list<")
    match field:
        case "messages":
            return is_text or (is_list and column.type.startswith("list<struct<"))
        case "input":
            return is_text or is_list
        case "custom_id":
            return is_text or column.type.lstrip("u").startswith("int")
        case _:
            return is_text


def _invalid(field: str, message: str) -> InvalidSpec:
    return InvalidSpec(f"{field}: {message}", field_errors={field: message})


async def run(plan: BatchPlan, context: Context) -> Finish:
    """Ask a model for every row of a dataset or a file, and publish the answers."""
    # Only the child has the client and Arrow, so that the server stays small.
    from outlast.kinds.batch.running import BatchRun  # noqa: PLC0415

    with closing(BatchRun(plan, context)) as batch:
        finished = await batch.run()
        version = None
        if plan.is_table:
            context.report(stage="finalizing")
            version = await asyncio.to_thread(_new_version, plan, finished, context)
    checkpoint = finished.checkpoint
    result = BatchResult(
        counts=checkpoint.counts,
        usage=checkpoint.usage,
        dataset=None if version is None else version.dataset,
        version=None if version is None else version.version,
    )
    files = published_files(checkpoint)
    return Finish(result=result, writes=files if version is None else [*files, version])


def _new_version(plan: BatchPlan, finished: "Finished", context: Context) -> NewVersion:
    from outlast.kinds.batch.tables import write_table  # noqa: PLC0415  see `run`

    table = write_table(plan, finished, context)
    return NewVersion(
        dataset=context.operation_id if plan.dataset is None else plan.dataset,
        version=table.manifest.version,
        manifest=table.manifest,
        files=table.files,
        version_name=plan.version_name,
        is_temporary=plan.dataset is None,
    )


def publish_partly(checkpoint: Any) -> Sequence[NewFile]:
    """The files of what a batch had done when it failed or was cancelled."""
    return published_files(msgspec.convert(checkpoint, Checkpoint), is_partial=True)


kinds: Final = [
    Kind(
        "batch_inference",
        spec=BatchSpec,
        result=BatchResult,
        plan=BatchPlan,
        prepare=prepare,
        run=run,
        partial=publish_partly,
        secrets=("backend_key",),
        # What is finished becomes durable before a cancelled batch ends.
        cancel_grace_seconds=10,
        # After a crash it goes on at once; a backend that is broken has more than an hour.
        retry=RetryPolicy(attempts_max=10, factor=3, delay_seconds_max=1800),
        resources=Resources(cpus=1),
        description="Ask a model for every row of a dataset or a file, and publish the answers.",
    )
]
