"""What an operation is. Every instant is an integer: microseconds since the epoch, UTC."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from outlast.operations.failure import Failure
from outlast.operations.progress import Progress
from outlast.operations.states import State

SECOND: Final = 1_000_000
"""One second, as instants count."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The right to write for one attempt, until `expires_at`."""

    token: str
    worker: str
    expires_at: int


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A validated wish for an operation, not yet stored. The fields mean what Operation's mean.

    `checkpoint` is what the first attempt starts from: a retry passes its parent's.
    `concurrency_key` is resolved; at most one operation runs per (tenant, concurrency_key).
    """

    tenant: str
    created_by: str
    kind: str
    kind_version: str = "1"
    spec: bytes
    alias: str | None = None
    labels: Mapping[str, str] = {}
    project: str | None = None
    project_version: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    priority: int = 0
    concurrency_key: str | None = None
    available_at: int | None = None
    deadline_at: int | None = None
    attempts_max: int = 1
    checkpoint: bytes | None = None
    idempotency_key: str | None = None
    fingerprint: bytes | None = None
    request_id: str | None = None
    traceparent: str | None = None
    parent_id: str | None = None
    retention_seconds: int = 30 * 86_400


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted request and its life, until it is pruned.

    `spec`, `result` and `checkpoint` are JSON documents as encoded bytes; a summary from a list
    leaves them empty. `revision` counts the changes that a client can see, and is the ETag.
    `attempt` counts from 1; 0 means that none has started. `cancel_seen_at` is when the handler
    acknowledged the request to cancel. `expire_at` is when the operation may be pruned.
    """

    id: str
    tenant: str
    created_by: str
    kind: str
    kind_version: str
    state: State
    revision: int
    event_count: int
    created_at: int
    updated_at: int
    available_at: int
    attempt: int
    attempts_max: int
    priority: int
    retention_seconds: int
    spec: bytes = b""
    alias: str | None = None
    labels: Mapping[str, str] = {}
    project: str | None = None
    project_version: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    concurrency_key: str | None = None
    deadline_at: int | None = None
    lease: Lease | None = None
    cancel_requested_at: int | None = None
    cancel_seen_at: int | None = None
    started_at: int | None = None
    finished_at: int | None = None
    expire_at: int | None = None
    progress: Progress | None = None
    checkpoint: bytes | None = None
    result: bytes | None = None
    failure: Failure | None = None
    idempotency_key: str | None = None
    fingerprint: bytes | None = None
    request_id: str | None = None
    traceparent: str | None = None
    parent_id: str | None = None


class HistoryEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded fact in an operation's history.

    `number` counts 1, 2, 3 ... per operation without gaps. `revision` is the operation's after it.
    `type` is an `Event` value, or for a handler's own events the name that the handler gave.
    """

    number: int
    revision: int
    type: str
    at: int
    attempt: int
    actor: str
    data: Mapping[str, Any] = {}


class Transition(msgspec.Struct, frozen=True):
    """The outcome of a decision: the operation as it shall be stored, and what its history gains.

    `event` is None for changes that the history does not record (progress, checkpoints, renewals).
    """

    operation: Operation
    event: HistoryEvent | None = None
