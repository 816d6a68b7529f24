"""`finetuning`: a model learns from the rows of datasets, or of files.

The service publishes the forms of train and validation sources, and not what tells them apart: here
it is `type`, and without it the first source trains and a second one validates. The parameters are
those of its fine-tuning jobs.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from outlast.dialects.nebius.hyperparameters import (
    Hyperparameters,
    HyperparametersInForce,
    hyperparameters_on_wire,
    hyperparameters_spec,
    wire_hyperparameter,
)
from outlast.dialects.nebius.ids import read_id, show_id
from outlast.dialects.nebius.mappings import ColumnValue, TextMessages
from outlast.dialects.nebius.operation_types.wire import (
    OperationFields,
    OperationRequest,
    OperationSource,
    OperationWish,
    source_on_wire,
    source_spec,
    spec_of,
)
from outlast.operations.errors import Invalid
from outlast.operations.model import Operation

_MESSAGES = "messages"
_ROLES = ("train", "validation")


class FinetuningParams(msgspec.Struct, frozen=True, kw_only=True):
    """The model to tune, and how. Rows come from `src`, or from files, as jobs have them."""

    model: Annotated[str, msgspec.Meta(min_length=1)]
    hyperparameters: Hyperparameters | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    suffix: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    training_file: str | None = None
    validation_file: str | None = None


class FinetuningParamsInForce(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The model that is tuned, and how."""

    model: str
    hyperparameters: HyperparametersInForce
    seed: int
    suffix: str | None = None
    training_file: str | None = None
    validation_file: str | None = None


class FinetuningRequest(OperationRequest, frozen=True, kw_only=True, tag="finetuning"):
    """A model to tune."""

    params: FinetuningParams


class FinetuningOperation(OperationFields, frozen=True, kw_only=True, tag="finetuning"):
    """A model that is tuned."""

    params: FinetuningParamsInForce


class FinetuningConversion:
    """See OperationConversion."""

    def wish(self, request: FinetuningRequest) -> OperationWish:
        """See OperationConversion."""
        params = request.params
        if request.dst:
            raise Invalid(
                "a tuned model is no dataset: finetuning has no dst",
                field_errors={"dst": "must be empty"},
            )
        spec: dict[str, Any] = {
            "model": params.model,
            **hyperparameters_spec(params.hyperparameters, "params.hyperparameters"),
            **_rows(request.src),
        }
        for role, file in zip(_ROLES, (params.training_file, params.validation_file), strict=True):
            if file:
                spec.setdefault(role, {"file": read_id(file)})
        if "train" not in spec:
            raise Invalid(
                "src: there is nothing to learn from",
                field_errors={"src": "names no train dataset"},
            )
        if params.seed is not None:
            spec["seed"] = params.seed
        if params.suffix:
            spec["suffix"] = params.suffix
        return OperationWish(spec=spec)

    def response(self, operation: Operation, fields: Mapping[str, Any]) -> FinetuningOperation:
        """See OperationConversion. What comes out is a model: there are no `dst`."""
        spec = spec_of(operation)
        rows = [(role, spec[role]) for role in _ROLES if spec.get(role)]
        files = {role: show_id(one["file"]) for role, one in rows if one.get("file")}
        return FinetuningOperation(
            **fields,
            src=[
                source_on_wire(one, type=role, mapping=_mapping(one))
                for role, one in rows
                if one.get("dataset")
            ],
            dst=[],
            params=FinetuningParamsInForce(
                model=spec["model"],
                hyperparameters=hyperparameters_on_wire(spec),
                seed=spec.get("seed", 42),
                suffix=spec.get("suffix"),
                training_file=files.get("train"),
                validation_file=files.get("validation"),
            ),
        )

    def wire_path(self, path: str) -> str:
        """See OperationConversion."""
        role, _, rest = path.partition(".")
        if role == "hyperparameters":
            return f"params.{wire_hyperparameter(rest)}"
        if role in _ROLES:
            # The order of the sources is the caller's.
            field = {"dataset": ".id", "version": ".version", "messages": ".mapping.messages"}
            return "src" + field.get(rest, "")
        return f"params.{'hyperparameters.lora' if path == 'method' else path}"


def _rows(sources: Sequence[OperationSource]) -> dict[str, dict[str, Any]]:
    """The sources by what they are for. Raises Invalid."""
    found: dict[str, dict[str, Any]] = {}
    for place, source in enumerate(sources):
        if place >= len(_ROLES):
            raise _invalid("src", "names more than a train and a validation dataset")
        role = source.type or _ROLES[place]
        if role in found:
            raise _invalid(f"src[{place}].type", f"there is a {role} dataset already")
        found[role] = source_spec(source)
        if isinstance(source.mapping, TextMessages):
            found[role][_MESSAGES] = source.mapping.messages.name
        elif source.mapping:
            raise _invalid(f"src[{place}].mapping.type", "is text_messages for finetuning")
    return found


def _mapping(rows: Mapping[str, Any]) -> TextMessages:
    return TextMessages(messages=ColumnValue(name=rows.get(_MESSAGES, _MESSAGES)))


def _invalid(path: str, reason: str) -> Invalid:
    return Invalid(f"{path} {reason}", field_errors={path: reason})
