"""Batches on the wire: OpenAI's batches API, over the operations of `batch_inference`."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from outlast.dialects.nebius.ids import read_id, show_id
from outlast.dialects.nebius.operation_types.batch_inference import shown_window, window_seconds
from outlast.operations.errors import Invalid
from outlast.operations.model import SECOND, Operation
from outlast.operations.states import State

BATCH_KIND: Final = "batch_inference"
LIST: Final = 10
LIST_MAX: Final = 100
METADATA_MAX: Final = 16
WINDOW: Final = "24h"
_EXPIRED: Final = "deadline_exceeded"

Seconds: TypeAlias = Annotated[int, msgspec.Meta(description="Unix seconds")]
BatchStatus: TypeAlias = Literal[
    "validating",
    "failed",
    "in_progress",
    "finalizing",
    "completed",
    "expired",
    "cancelling",
    "cancelled",
]
STAGES: Final[Mapping[str, BatchStatus]] = MappingProxyType(
    {"": "validating", "validating": "validating", "finalizing": "finalizing"}
)
"""What a running batch is at; at any other stage of the kind it is in progress."""

ENDED: Final[Mapping[State, BatchStatus]] = MappingProxyType(
    {State.SUCCEEDED: "completed", State.FAILED: "failed", State.CANCELLED: "cancelled"}
)


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A batch to make of a file. `override_settings` go over what the requests say."""

    input_file_id: Annotated[str, msgspec.Meta(min_length=1)]
    endpoint: Literal["/v1/chat/completions", "/v1/embeddings"]
    completion_window: Annotated[str, msgspec.Meta(examples=[WINDOW])] = WINDOW
    metadata: Annotated[dict[str, str], msgspec.Meta(max_length=METADATA_MAX)] | None = None
    override_settings: dict[str, Any] | None = None
    ai_project_id: str | None = None

    @property
    def model(self) -> str | None:
        """The model that shall answer in place of those that the requests name. Raises Invalid."""
        model = (self.override_settings or {}).get("model")
        if model is not None and not isinstance(model, str):
            raise Invalid(
                "override_settings.model is the name of a model",
                field_errors={"override_settings.model": "Expected `str`"},
            )
        return model

    @property
    def window_seconds(self) -> int | None:
        """How long the batch may take. Raises Invalid."""
        try:
            return window_seconds(self.completion_window)
        except Invalid as error:
            reasons = error.field_errors.values()
            error.field_errors = dict.fromkeys(["completion_window"], next(iter(reasons)))
            raise

    def spec(self, model: str | None) -> dict[str, Any]:
        """The spec of the operation; `model` is what the file's requests name, if it is known."""
        settings = self.override_settings or {}
        parameters = {
            name: value for name, value in settings.items() if name != "model" and value is not None
        }
        spec: dict[str, Any] = {"file": read_id(self.input_file_id), "endpoint": self.endpoint}
        if parameters:
            spec["parameters"] = parameters
        if self.model is not None:
            return spec | {"model": self.model, "replaces_model": True}
        return spec if model is None else spec | {"model": model}


class RequestCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests there are, and what became of them."""

    total: int = 0
    completed: int = 0
    failed: int = 0
    invalid: int = 0


class BatchError(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong; `line` is the request's, if it is about one."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class BatchErrors(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong."""

    data: Sequence[BatchError]
    object: Literal["list"] = "list"


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch. Of one made from a dataset, `input_file_id` is the dataset."""

    id: str
    endpoint: str
    input_file_id: str
    completion_window: str
    status: BatchStatus
    created_at: Seconds
    request_counts: RequestCounts
    object: Literal["batch"] = "batch"
    model: str | None = None
    errors: BatchErrors | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    override_settings: dict[str, Any] | None = None
    metadata: Mapping[str, str] | None = None
    in_progress_at: Seconds | None = None
    expires_at: Seconds | None = None
    finalizing_at: Seconds | None = None
    completed_at: Seconds | None = None
    failed_at: Seconds | None = None
    expired_at: Seconds | None = None
    cancelling_at: Seconds | None = None
    cancelled_at: Seconds | None = None
    ai_project_id: str | None = None


class BatchList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of batches, newest first."""

    data: Sequence[Batch]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: Literal["list"] = "list"


def batch_list(data: Sequence[Batch], *, has_more: bool) -> BatchList:
    """A page as the wire has it."""
    return BatchList(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=has_more,
    )


def batch_on_wire(
    operation: Operation, *, output_file: str | None, error_file: str | None
) -> Batch:
    """A batch as the wire has it, with the ids of the files that it has published."""
    spec: dict[str, Any] = msgspec.json.decode(operation.spec)
    status = batch_status(operation)
    return Batch(
        id=show_id(operation.id),
        endpoint=spec.get("endpoint", "/v1/chat/completions"),
        input_file_id=_input_id(spec),
        completion_window=shown_window(operation) or WINDOW,
        status=status,
        created_at=operation.created_at // SECOND,
        request_counts=request_counts(operation),
        model=spec.get("model"),
        errors=_errors(operation),
        output_file_id=None if output_file is None else show_id(output_file),
        error_file_id=None if error_file is None else show_id(error_file),
        override_settings=_override_settings(spec),
        metadata=operation.labels or None,
        expires_at=_seconds(operation.deadline_at),
        ai_project_id=operation.project,
        **_instants(operation, status),
    )


def batch_status(operation: Operation) -> BatchStatus:
    """The word for where a batch stands."""
    if operation.state.is_terminal:
        failure = operation.failure
        is_expired = failure is not None and failure.code == _EXPIRED
        return "expired" if is_expired else ENDED[operation.state]
    if operation.cancel_requested_at is not None:
        return "cancelling"
    if operation.state is State.PENDING:
        return "in_progress" if operation.attempt else "validating"
    stage = "" if operation.progress is None else operation.progress.stage
    return STAGES.get(stage, "in_progress")


def request_counts(operation: Operation) -> RequestCounts:
    """What became of a batch's requests: at its end, or as its last checkpoint has it."""
    if operation.result is not None:
        return _read_counts(operation.result)
    if operation.failure is not None and "counts" in operation.failure.details:
        return msgspec.convert(operation.failure.details["counts"], RequestCounts)
    return RequestCounts() if operation.checkpoint is None else _read_counts(operation.checkpoint)


class _Counted(msgspec.Struct):
    counts: RequestCounts = RequestCounts()


def _read_counts(document: bytes) -> RequestCounts:
    return msgspec.json.decode(document, type=_Counted).counts


def _input_id(spec: Mapping[str, Any]) -> str:
    if spec.get("file"):
        return show_id(spec["file"])
    return show_id((spec.get("src") or {}).get("dataset", ""))


def _override_settings(spec: Mapping[str, Any]) -> dict[str, Any] | None:
    settings = dict(spec.get("parameters") or {})
    if spec.get("replaces_model"):
        settings["model"] = spec.get("model")
    return settings or None


def _errors(operation: Operation) -> BatchErrors | None:
    failure = operation.failure
    if failure is None or operation.state is not State.FAILED:
        return None
    data = [BatchError(code=failure.code, message=failure.message)]
    rows = failure.details.get("rows", ())
    for row, text in zip(rows, failure.details.get("lines", ()), strict=False):
        data.append(BatchError(code=failure.code, message=text, line=row["line"]))
    return BatchErrors(data=data)


def _instants(operation: Operation, status: BatchStatus) -> dict[str, Any]:
    ended = _seconds(operation.finished_at)
    instants: dict[str, Any] = {
        "in_progress_at": _seconds(operation.started_at),
        "cancelling_at": _seconds(operation.cancel_requested_at),
    }
    match status:
        case "completed":
            instants |= {"completed_at": ended, "finalizing_at": ended}
        case "failed":
            instants |= {"failed_at": ended}
        case "expired":
            instants |= {"expired_at": ended}
        case "cancelled":
            instants |= {"cancelled_at": ended}
        case _:
            pass
    return instants


def _seconds(at: int | None) -> int | None:
    return None if at is None else at // SECOND
