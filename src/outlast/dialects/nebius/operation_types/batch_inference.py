"""`batch_inference`: a model is asked for every row of a dataset."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from outlast.dialects.nebius.ids import read_id, show_id
from outlast.dialects.nebius.mappings import (
    TextInput,
    mapping_on_wire,
    mapping_path,
    mapping_spec,
)
from outlast.dialects.nebius.operation_types.wire import (
    OperationFields,
    OperationRequest,
    OperationWish,
    request_path,
    source_on_wire,
    source_spec,
    spec_of,
    target_on_wire,
    target_spec,
)
from outlast.operations.errors import Invalid
from outlast.operations.model import SECOND, Operation

CHAT: Final = "/v1/chat/completions"
EMBEDDINGS: Final = "/v1/embeddings"
HOUR_SECONDS: Final = 3600
WINDOW_HOURS_MAX: Final = 168
_WINDOW: Final = re.compile(r"([1-9]\d{0,2})h")


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters that are not the model's own."""

    model: str | None = None
    completion_window: str | None = None
    endpoint: Literal["/v1/chat/completions", "/v1/embeddings"] | None = None
    input_file_id: str | None = None


BatchInferenceParams = Annotated[
    dict[str, Any],
    msgspec.Meta(
        description="The model, the window, and parameters for all rows, such as max_tokens.",
        extra_json_schema={
            "required": ["model"],
            "properties": {
                "model": {"type": "string"},
                "completion_window": {
                    "anyOf": [
                        {"type": "string", "pattern": f"^{_WINDOW.pattern}$"},
                        {"type": "null"},
                    ],
                    "examples": ["24h"],
                },
                "endpoint": {"anyOf": [{"enum": [CHAT, EMBEDDINGS]}, {"type": "null"}]},
                "input_file_id": {"type": ["string", "null"]},
            },
        },
    ),
]


class BatchInferenceRequest(OperationRequest, frozen=True, kw_only=True, tag="batch_inference"):
    """Rows to ask a model for."""

    params: BatchInferenceParams


class BatchInferenceOperation(OperationFields, frozen=True, kw_only=True, tag="batch_inference"):
    """Rows that a model is asked for."""

    params: BatchInferenceParams


class BatchInferenceConversion:
    """See OperationConversion."""

    def wish(self, request: BatchInferenceRequest) -> OperationWish:
        """See OperationConversion."""
        known = _known(request.params)
        spec: dict[str, Any] = target_spec(request.dst)
        if known.model is not None:
            spec["model"] = known.model
        mapping = None
        if request.src:
            spec["src"] = source_spec(request.src[0])
            mapping = request.src[0].mapping or None
        if mapping is not None:
            spec["mapping"] = mapping_spec(mapping)
        if known.input_file_id is not None:
            spec["file"] = read_id(known.input_file_id)
        spec["endpoint"] = known.endpoint or (
            EMBEDDINGS if isinstance(mapping, TextInput) else CHAT
        )
        own = set(_Known.__struct_fields__)
        parameters = {name: value for name, value in request.params.items() if name not in own}
        if parameters:
            spec["parameters"] = parameters
        return OperationWish(spec=spec, window_seconds=window_seconds(known.completion_window))

    def response(self, operation: Operation, fields: Mapping[str, Any]) -> BatchInferenceOperation:
        """See OperationConversion. Without a dataset on either side there are no `dst`."""
        spec = spec_of(operation)
        params: dict[str, Any] = dict(spec.get("parameters") or {})
        shown = {
            "model": spec.get("model"),
            "completion_window": shown_window(operation),
            "endpoint": None if spec.get("endpoint") == CHAT else spec.get("endpoint"),
            "input_file_id": show_id(spec["file"]) if spec.get("file") else None,
        }
        params.update((name, value) for name, value in shown.items() if value is not None)
        source = spec.get("src")
        mapping = mapping_on_wire(spec["mapping"]) if source else None
        return BatchInferenceOperation(
            **fields,
            src=[] if source is None else [source_on_wire(source, mapping=mapping)],
            dst=target_on_wire(operation, spec) if source or spec.get("dst") else [],
            params=params,
        )

    def wire_path(self, path: str) -> str:
        """See OperationConversion."""
        if path == "mapping":
            return "src[0].mapping"
        if path.startswith("mapping."):
            return f"src[0].mapping.{mapping_path(path.removeprefix('mapping.'))}"
        if path == "file":
            return "params.input_file_id"
        return request_path(path.removeprefix("parameters."))


def window_seconds(window: str | None) -> int | None:
    """How long a batch may take. Raises Invalid for what is no number of hours."""
    if window is None:
        return None
    found = _WINDOW.fullmatch(window)
    if found is None or int(found[1]) > WINDOW_HOURS_MAX:
        message = f"is a number of hours, such as 24h, of at most {WINDOW_HOURS_MAX}"
        raise Invalid(
            f"completion_window {message}", field_errors={"params.completion_window": message}
        )
    return int(found[1]) * HOUR_SECONDS


def shown_window(operation: Operation) -> str | None:
    """How long a batch may take, in hours as its request had them."""
    if operation.deadline_at is None:
        return None
    seconds = (operation.deadline_at - operation.created_at) / SECOND
    return f"{max(1, round(seconds / HOUR_SECONDS))}h"


def _known(params: Mapping[str, Any]) -> _Known:
    try:
        return msgspec.convert(params, _Known)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        raise Invalid(str(error), field_errors={f"params.{path.rstrip('`')}": reason}) from error
