"""The kind `fine_tuning`: a local model learns from rows, and becomes a model of the tenant.

The model is one that a backend of the settings has in a folder, or one that was tuned here before.
The rows come from a file or from a version of a dataset. The new model is named
`ft:BASE:SUFFIX:ID`; the checkpoints that were kept on the way are models too, also when the
operation fails or is cancelled.

Failure codes, the caller's to mend, but for the first, which is the operator's:

    model_unusable        the folder holds no model, or none that goes on with a text
    invalid_rows          rows that do not fit; the first of them are named
    no_chat_template      conversations, for a model that has no form for them
    invalid_lora_targets  modules that the model does not have
    loss_diverged         the loss became infinite: the learning rate is too high
"""

import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from outlast.inference import local
from outlast.inference.models import ServedModel, find_model
from outlast.kinds.targets import Source, find_source, part_keys
from outlast.kinds.tuning.kept import publish_partly
from outlast.kinds.tuning.plan import (
    TUNED,
    FineTuningPlan,
    FineTuningResult,
    Hyperparameters,
    Method,
    RowFiles,
)
from outlast.kinds.tuning.rows import TRAINING, VALIDATION, check_rows
from outlast.operations.errors import Fatal, InvalidSpec
from outlast.operations.kind import Catalog, Context, Finish, Kind, Prepared
from outlast.operations.retry import RetryPolicy
from outlast.resources.datasets.resolving import version_document
from outlast.resources.files import file_document, find_file

ROWS_BYTES_MAX: Final = 5 * 1024**3
CANCEL_GRACE_SECONDS: Final = 120.0
VALIDATING: Final = "validating"
GPUS: Final = "CUDA_VISIBLE_DEVICES"
_SUFFIX: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NO_TEXT: Final = re.compile(r"(u?int|float|double|bool|decimal|date|time|binary)")


class RowSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where rows come from: a file, or a dataset, whose column `messages` holds conversations."""

    file: str | None = None
    dataset: str | None = None
    version: str | None = None
    messages: str = "messages"


class FineTuningSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model to tune, and what it learns.

    `method`: `lora` trains an adapter, `full` all weights. A checkpoint is kept after every epoch,
    or every `checkpoint_steps`; the last 3 stay. `is_deterministic` takes one thread.
    """

    model: str
    train: RowSource
    validation: RowSource | None = None
    method: Method = "lora"
    hyperparameters: Hyperparameters = Hyperparameters()
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 42
    suffix: str | None = None
    checkpoint_steps: Annotated[int, Meta(ge=1)] | None = None
    is_deterministic: bool = False


async def prepare(
    spec: FineTuningSpec, catalog: Catalog, *, is_installed: Callable[[], bool]
) -> Prepared:
    """Find the model and the rows. Raises InvalidSpec, NotFound."""
    if spec.suffix is not None and not _SUFFIX.fullmatch(spec.suffix):
        raise _invalid("suffix", "has 1 to 64 of A-Z a-z 0-9 _ . -")
    served = await find_model(catalog, spec.model)
    folder = _check_model(spec, served)
    inputs: dict[str, str] = {TUNED + name: key for name, key in served.files.items()}
    exports: dict[str, list[str]] = {}
    train = await _rows(catalog, spec.train, "train", inputs, exports)
    validation = None
    if spec.validation is not None:
        validation = await _rows(catalog, spec.validation, "validation", inputs, exports)
    # Last, so that whoever only wants to know whether the spec fits hears that first.
    if not is_installed():
        raise InvalidSpec(local.NOT_INSTALLED)
    plan = FineTuningPlan(
        base=served.base or served.name,
        folder=folder,
        tuned=tuple(served.files),
        method=spec.method,
        hyperparameters=spec.hyperparameters,
        train=train,
        validation=validation,
        seed=spec.seed,
        suffix=spec.suffix,
        checkpoint_steps=spec.checkpoint_steps,
        is_deterministic=spec.is_deterministic,
    )
    return Prepared(plan=plan, inputs=inputs, exports=exports)


def _check_model(spec: FineTuningSpec, served: ServedModel) -> str:
    if served.folder is None:
        message = "is served by an endpoint; only a model in a local folder can be tuned"
        raise _invalid("model", f"{served.name!r} {message}")
    is_whole = bool(served.files) and local.ADAPTER_CONFIG not in served.files
    if is_whole and spec.method == "lora":
        message = f"{served.name!r} was tuned in full, and can only be tuned further in full"
        raise _invalid("method", message)
    return served.folder


async def _rows(
    catalog: Catalog,
    source: RowSource,
    field: str,
    inputs: dict[str, str],
    exports: dict[str, list[str]],
) -> RowFiles:
    if (source.file is None) == (source.dataset is None):
        raise _invalid(field, "names either a file or a dataset")
    if source.file is not None and source.version is not None:
        raise _invalid(f"{field}.version", "is of a dataset; a file has no versions")
    if source.file is not None:
        return await _file_rows(catalog, source.file, field, inputs)
    wanted = Source(dataset=source.dataset or "", version=source.version)
    version = await find_source(catalog, wanted)
    manifest = version_document(version).manifest
    if manifest.bytes > ROWS_BYTES_MAX:
        raise _invalid(f"{field}.dataset", f"has more than {ROWS_BYTES_MAX} bytes")
    types: Mapping[str, str] = {column.name: column.type for column in manifest.columns}
    if source.messages not in types:
        known = ", ".join(sorted(types)[:20])
        message = f"the dataset has no column {source.messages[:200]!r}; it has {known}"
        raise _invalid(f"{field}.messages", message)
    if _NO_TEXT.match(types[source.messages]):
        message = f"column {source.messages!r} is of type {types[source.messages]}: no messages"
        raise _invalid(f"{field}.messages", message)
    name = f"{field}.jsonl"
    exports[name] = list(part_keys(version))
    return RowFiles(files=(name,), column=source.messages)


async def _file_rows(catalog: Catalog, ref: str, field: str, inputs: dict[str, str]) -> RowFiles:
    document = file_document(await find_file(catalog, ref))
    if document.bytes > ROWS_BYTES_MAX:
        raise _invalid(f"{field}.file", f"has more than {ROWS_BYTES_MAX} bytes")
    names = tuple(f"{field}-{number}" for number in range(len(document.parts)))
    inputs.update((name, part.key) for name, part in zip(names, document.parts, strict=True))
    return RowFiles(files=names)


def _invalid(field: str, message: str) -> InvalidSpec:
    return InvalidSpec(f"{field}: {message}", field_errors={field: message})


def run(plan: FineTuningPlan, context: Context) -> Finish:
    """Fine-tune a local model on rows of a file or a dataset; it can be served at once."""
    context.report(stage=VALIDATING)
    if not local.holds_model(Path(plan.folder)):
        message = f"on this worker the folder of model {plan.base!r} holds no model"
        raise Fatal("model_unusable", message)
    # Before the libraries are loaded, which takes many times as long.
    for name, source in ((TRAINING, plan.train), (VALIDATION, plan.validation)):
        if source is not None:
            check_rows(source, name, context)
    # These are read when the libraries are loaded: nothing is fetched, threads that wait leave the
    # core to others, and one GPU is used, since several would need a launcher of their own.
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    os.environ[GPUS] = os.environ.get(GPUS, "0").partition(",")[0]
    # Only the child has the libraries, and only where the extra is installed.
    from outlast.kinds.tuning.training import train  # noqa: PLC0415

    return train(plan, context)


def fine_tuning_kind(*, is_installed: Callable[[], bool]) -> Kind:
    """The kind; `is_installed` tells whether the extra is there."""
    return Kind(
        "fine_tuning",
        spec=FineTuningSpec,
        result=FineTuningResult,
        plan=FineTuningPlan,
        prepare=partial(prepare, is_installed=is_installed),
        run=run,
        partial=publish_partly,
        retry=RetryPolicy(attempts_max=3),
        environment=(GPUS,),
        cancel_grace_seconds=CANCEL_GRACE_SECONDS,
    )


kinds = [fine_tuning_kind(is_installed=local.can_train)]
