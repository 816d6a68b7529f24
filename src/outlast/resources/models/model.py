"""What a tuned model is, and how it is named. Pure.

In the catalog stands `model`, under the id OPERATION.STEP and a name such as `ft:BASE:SUFFIX:ID`:
an operation leaves one for each checkpoint that it kept, the last of which is its result. Only
safetensors, JSON and plain text are kept: nothing that runs code when it is loaded.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from outlast.operations import documents
from outlast.operations.errors import Invalid, NotFound
from outlast.operations.kind import Catalog, CatalogWrite, Resource

MODEL: Final = "model"
FILES_MAX: Final = 200
FILE_PURPOSE: Final = "fine-tune-results"

_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,120}\.(safetensors|json|jinja|txt)")
_NAME_PART: Final = re.compile(r"[!-~]{1,200}")
_STEP_DIGITS: Final = 10
_REF_CHARS_SHOWN: Final = 400

Method = Literal["lora", "full"]


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a model. `file_id` is the file by which callers can read it."""

    bytes: int
    file_id: str


class ModelDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of a model.

    `base` is the model that it was tuned from; with the method `lora` the files are an adapter of
    it. `files` maps names to object keys. `step` says after how many steps of training it was
    kept, and `metrics` how well it did then. `is_partial`: its operation did not succeed.
    """

    base: str
    method: Method
    files: Mapping[str, str]
    sizes: Mapping[str, ModelFile]
    step: int
    operation_id: str
    created_by: str
    suffix: str | None = None
    metrics: Mapping[str, float] = {}
    is_partial: bool = False

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.bytes for file in self.sizes.values())


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A tuned model as callers see it."""

    id: str
    name: str
    base: str
    method: Method
    step: int
    bytes: int
    operation_id: str
    created_at: int
    created_by: str
    metrics: Mapping[str, float]
    result_files: tuple[str, ...]
    is_partial: bool


class NewModel(msgspec.Struct, frozen=True, kw_only=True, tag="model"):
    """What fine-tuning returns to publish a checkpoint: names of files -> names in `context.files`.

    Each of them becomes a file of the tenant too, so that it can be downloaded. The model is named
    by `name_model`; the result of the operation, `is_final`, without its step.
    """

    base: str
    method: Method
    step: int
    files: Mapping[str, str]
    suffix: str | None = None
    metrics: Mapping[str, float] = {}
    is_final: bool = False
    is_partial: bool = False


def name_model(base: str, suffix: str | None, operation_id: str, step: int | None = None) -> str:
    """The name of what an operation makes of a base; with a step, of one of its checkpoints."""
    parts = ["ft", base, *([suffix] if suffix else []), operation_id]
    return ":".join(parts if step is None else [*parts, f"ckpt-step-{step}"])


def model_id(operation_id: str, step: int) -> str:
    """The catalog's id of a checkpoint."""
    return f"{operation_id}.{step:0{_STEP_DIGITS}}"


def models_prefix(tenant: str) -> str:
    """Where the object store keeps the models of a tenant."""
    return f"tenant/{tenant}/models/"


def new_file_keys(tenant: str, id: str, names: Mapping[str, str]) -> dict[str, str]:
    """Where the object store keeps the files of a model that is published now.

    No two calls give the same: an attempt that has lost its lease overwrites nothing.
    """
    prefix = f"{models_prefix(tenant)}{id}/{secrets.token_hex(8)}"
    return {name: f"{prefix}-{name}" for name in names}


def owner_of(key: str) -> str:
    """The id of the model that an object was stored for."""
    return key.split("/")[3]


def check_model(wish: NewModel) -> None:
    """Raise Invalid for what no model can be."""
    for text in (wish.base, wish.suffix or "_"):
        if not _NAME_PART.fullmatch(text):
            raise Invalid(f"not a part of a model's name: {text[:200]!r}")
    if wish.step < 0:
        raise Invalid(f"not a step: {wish.step}")
    if not 1 <= len(wish.files) <= FILES_MAX:
        raise Invalid(f"a model has 1 to {FILES_MAX} files, not {len(wish.files)}")
    for name in wish.files:
        if not _FILE_NAME.fullmatch(name):
            raise Invalid(f"no model may have a file {name[:200]!r}")


def write_model(id: str, name: str, document: ModelDocument) -> CatalogWrite:
    """The write of a new model."""
    return CatalogWrite(
        type=MODEL,
        id=id,
        name=name,
        document=documents.encode(document),
        fields={"operation_id": document.operation_id},
        expected_revision=0,
    )


async def find_tuned(catalog: Catalog, ref: str) -> Resource:
    """The tuned model with this id or name. Raises NotFound."""
    found = await catalog.get(MODEL, ref)
    if found is None:
        raise no_model(ref)
    return found


def no_model(ref: str) -> NotFound:
    """There is no such tuned model."""
    return NotFound(f"there is no tuned model {ref[:_REF_CHARS_SHOWN]!r}")


def model_document(resource: Resource) -> ModelDocument:
    """What a model's resource says."""
    return msgspec.json.decode(resource.document, type=ModelDocument)


def as_model(resource: Resource) -> Model:
    """A model's resource as callers see it."""
    document = model_document(resource)
    return Model(
        id=resource.id,
        name=resource.name,
        base=document.base,
        method=document.method,
        step=document.step,
        bytes=document.bytes,
        operation_id=document.operation_id,
        created_at=resource.created_at,
        created_by=document.created_by,
        metrics=document.metrics,
        result_files=tuple(document.sizes[name].file_id for name in sorted(document.sizes)),
        is_partial=document.is_partial,
    )
