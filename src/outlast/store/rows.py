"""Operations and events as rows: one codec, shared by the adapters."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final, TypeAlias

import msgspec

from outlast.operations.failure import Failure
from outlast.operations.kind import Resource
from outlast.operations.model import HistoryEvent, Lease, Operation
from outlast.operations.progress import Progress
from outlast.operations.states import State

Row: TypeAlias = Sequence[Any]

_PLAIN: Final = (
    "id",
    "tenant",
    "created_by",
    "kind",
    "kind_version",
    "revision",
    "event_count",
    "created_at",
    "updated_at",
    "available_at",
    "attempt",
    "attempts_max",
    "priority",
    "retention_seconds",
    "alias",
    "project",
    "project_version",
    "resource_type",
    "resource_id",
    "concurrency_key",
    "deadline_at",
    "cancel_requested_at",
    "cancel_seen_at",
    "started_at",
    "finished_at",
    "expire_at",
    "idempotency_key",
    "fingerprint",
    "request_id",
    "traceparent",
    "parent_id",
)
DOCUMENTS: Final = ("spec", "checkpoint", "result", "progress", "failure")
"""The columns that hold a document: encoded JSON of any size."""
COLUMNS: Final = (
    *_PLAIN,
    "state",
    "labels",
    "lease_token",
    "lease_worker",
    "lease_expires_at",
    *DOCUMENTS,
)
"""What `to_row` gives and `from_row` takes, in this order."""
EVENT_COLUMNS: Final = (
    "operation_id",
    "number",
    "revision",
    "type",
    "at",
    "attempt",
    "actor",
    "data",
)
RESOURCE_COLUMNS: Final = (
    "tenant",
    "type",
    "id",
    "name",
    "document",
    "revision",
    "created_at",
    "updated_at",
    "fields",
    "due_at",
)

_plain = attrgetter(*_PLAIN)
_documents = attrgetter(*DOCUMENTS)
_STATES: Final = {state.value: state for state in State}
_encode = msgspec.json.Encoder().encode
_decode_any = msgspec.json.Decoder().decode
_decode_labels = msgspec.json.Decoder(dict[str, str]).decode
_decode_progress = msgspec.json.Decoder(Progress).decode
_decode_failure = msgspec.json.Decoder(Failure).decode
_NO_LABELS: Final[dict[str, str]] = {}


def to_row(operation: Operation) -> list[Any]:
    """The operation's values in the order of COLUMNS."""
    lease = operation.lease
    leased = (None, None, None) if lease is None else (lease.token, lease.worker, lease.expires_at)
    return [
        *_plain(operation),
        operation.state.value,
        _encode(operation.labels) if operation.labels else None,
        *leased,
        operation.spec,
        operation.checkpoint,
        operation.result,
        None if operation.progress is None else _encode(operation.progress),
        None if operation.failure is None else _encode(operation.failure),
    ]


def changed_documents(old: Operation, new: Operation) -> tuple[str, ...]:
    """Which of DOCUMENTS a decision has replaced."""
    pairs = zip(DOCUMENTS, _documents(old), _documents(new), strict=True)
    return tuple([name for name, before, after in pairs if after is not before])


def document(operation: Operation, name: str) -> bytes | None:
    """The encoded bytes of one of DOCUMENTS, or None if the operation has none."""
    value = getattr(operation, name)
    return value if value is None or type(value) is bytes else _encode(value)


def labels_from_row(labels: bytes | None) -> dict[str, str]:
    """The labels behind the column of that name."""
    return _NO_LABELS if labels is None else _decode_labels(labels)


def from_row(row: Row) -> Operation:
    """The operation that `to_row` made these values of. A spec that is None reads as empty."""
    fields: dict[str, Any] = dict(zip(_PLAIN, row, strict=False))
    state, labels, token, worker, expires_at, spec, checkpoint, result, progress, failure = row[
        len(_PLAIN) : len(COLUMNS)
    ]
    return Operation(
        state=_STATES[state],
        labels=labels_from_row(labels),
        lease=None if token is None else Lease(token=token, worker=worker, expires_at=expires_at),
        spec=b"" if spec is None else spec,
        checkpoint=checkpoint,
        result=result,
        progress=None if progress is None else _decode_progress(progress),
        failure=None if failure is None else _decode_failure(failure),
        **fields,
    )


def event_to_row(operation_id: str, event: HistoryEvent) -> tuple[Any, ...]:
    """The event's values in the order of EVENT_COLUMNS."""
    return (
        operation_id,
        event.number,
        event.revision,
        str(event.type),
        event.at,
        event.attempt,
        event.actor,
        _encode(event.data) if event.data else None,
    )


def event_from_row(row: Row) -> HistoryEvent:
    """The event behind a row of EVENT_COLUMNS."""
    _, number, revision, type_, at, attempt, actor, data = row
    return HistoryEvent(
        number=number,
        revision=revision,
        type=type_,
        at=at,
        attempt=attempt,
        actor=actor,
        data={} if data is None else _decode_any(data),
    )


def fields_to_row(resource: Resource) -> bytes | None:
    """The resource's indexed fields as they stand in its row."""
    return _encode(resource.fields) if resource.fields else None


def resource_from_row(row: Row) -> Resource:
    """The resource behind a row of RESOURCE_COLUMNS."""
    tenant, type_, id_, name, document, revision, created_at, updated_at, fields, due_at = row
    return Resource(
        tenant=tenant,
        type=type_,
        id=id_,
        name=name,
        document=document,
        revision=revision,
        created_at=created_at,
        updated_at=updated_at,
        fields={} if fields is None else _decode_labels(fields),
        due_at=due_at,
    )
