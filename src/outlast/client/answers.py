"""What the server tells, as frozen objects. Fields that this version does not know are ignored.

Instants are aware datetimes in UTC. Words that a newer server may add to (states, statuses) are
plain strings.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

TERMINAL_STATES: Final = frozenset({"succeeded", "failed", "cancelled"})


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    pass


class ResourceProgress(_Answer, frozen=True, kw_only=True):
    """One of the things that an operation works on."""

    urn: str
    type: str = ""
    name: str = ""
    operation: str = ""
    status: str = "pending"
    duration_seconds: float | None = None


class Progress(_Answer, frozen=True, kw_only=True):
    """How far an attempt has come. `summary` counts the resources by status."""

    attempt: int = 0
    at: datetime | None = None
    stage: str = ""
    message: str = ""
    done: float | None = None
    total: float | None = None
    unit: str = ""
    resources: Sequence[ResourceProgress] = ()
    summary: Mapping[str, int] = {}
    rate_per_second: float | None = None
    eta_seconds: float | None = None


class Failure(_Answer, frozen=True, kw_only=True):
    """Why an operation failed. `fault` is `user` or `platform`: who can mend it."""

    code: str
    message: str = ""
    fault: str = "platform"
    retryable: bool = False
    retry_after_seconds: float | None = None
    field_errors: Mapping[str, str] = {}
    details: Mapping[str, Any] = {}
    cause: "Failure | None" = None


class Operation(_Answer, frozen=True, kw_only=True):
    """An operation as it stood when the server answered.

    Lists and watches leave `spec` and `result` None unless they say otherwise.
    """

    id: str
    kind: str
    state: str
    revision: int
    created_at: datetime
    updated_at: datetime
    alias: str | None = None
    kind_version: str = "1"
    labels: Mapping[str, str] = {}
    priority: int = 0
    project: str | None = None
    project_version: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    concurrency_key: str | None = None
    created_by: str = ""
    available_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    deadline_at: datetime | None = None
    expire_at: datetime | None = None
    attempt: int = 0
    attempts_max: int = 1
    cancel_requested_at: datetime | None = None
    cancel_seen_at: datetime | None = None
    spec: Any = None
    result: Any = None
    progress: Progress | None = None
    failure: Failure | None = None
    parent_id: str | None = None
    request_id: str | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether the operation has ended."""
        return self.state in TERMINAL_STATES


class OperationPage(_Answer, frozen=True, kw_only=True):
    """A slice of a list of operations."""

    operations: Sequence[Operation]
    next_page_token: str | None = None


class HistoryEvent(_Answer, frozen=True, kw_only=True):
    """One recorded fact in an operation's history. `number` counts from 1 per operation."""

    number: int
    revision: int
    type: str
    at: datetime
    attempt: int = 0
    actor: str = ""
    data: Mapping[str, Any] = {}


class LogLine(_Answer, frozen=True, kw_only=True):
    """One line that a handler logged. `number` counts from 1 per operation."""

    number: int
    at: datetime
    attempt: int = 0
    text: str = ""


class CancelCounts(_Answer, frozen=True, kw_only=True):
    """What a cancel of many did. `more`: others match, and another call would take them."""

    matched: int
    requested: int
    already_ended: int = 0
    dry_run: bool = False
    more: bool = False


class Kind(_Answer, frozen=True, kw_only=True):
    """A kind of operation, with the JSON Schemas of its spec and result."""

    name: str
    version: str = "1"
    description: str = ""
    executor: str = ""
    attempts_max: int = 1
    spec_schema: Mapping[str, Any] = {}
    result_schema: Mapping[str, Any] | None = None


class Dataset(_Answer, frozen=True, kw_only=True):
    """A named series of immutable versions.

    `status` is draft, pending, ready or failed; `error` says why its first version was not made.
    """

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    current_version: str | None = None
    created_by: str = ""
    is_temporary: bool = False
    status: str = ""
    error: str | None = None
    operation_id: str | None = None
    title: str | None = None
    folder: str | None = None
    project: str | None = None


class DatasetPage(_Answer, frozen=True, kw_only=True):
    """A slice of a list of datasets."""

    datasets: Sequence[Dataset]
    next_page_token: str | None = None


class TickFailure(_Answer, frozen=True, kw_only=True):
    """Why a schedule made no operation when it was due."""

    code: str
    message: str
    at: datetime


class Schedule(_Answer, frozen=True, kw_only=True):
    """What is made again and again, and when; `next_at` is None while it is paused.

    `operation_id` was made last, for the instant `last_due_at`; it was still alive at
    `last_skipped_at`. One that `belongs_to` a resource is changed and deleted with it.
    """

    id: str
    name: str
    kind: str
    spec: Any
    created_by: str
    created_at: datetime
    updated_at: datetime
    revision: int = 0
    every_seconds: int | None = None
    cron: str | None = None
    time_zone: str = "UTC"
    labels: Mapping[str, str] = {}
    priority: int = 0
    deadline_seconds: int | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    project: str | None = None
    belongs_to: str | None = None
    is_paused: bool = False
    next_at: datetime | None = None
    operation_id: str | None = None
    last_due_at: datetime | None = None
    last_skipped_at: datetime | None = None
    last_failure: TickFailure | None = None


class SchedulePage(_Answer, frozen=True, kw_only=True):
    """A slice of a list of schedules."""

    schedules: Sequence[Schedule]
    next_page_token: str | None = None


class Column(_Answer, frozen=True, kw_only=True):
    """A column of a dataset version."""

    name: str
    type: str


class Version(_Answer, frozen=True, kw_only=True):
    """An immutable version of a dataset. `version` is the hash of what is in it."""

    dataset_id: str
    version: str
    rows: int
    bytes: int
    created_at: datetime
    columns: Sequence[Column] = ()
    parts: Any = None
    name: str | None = None
    created_by: str = ""
    operation_id: str | None = None


class VersionPage(_Answer, frozen=True, kw_only=True):
    """A slice of a list of versions."""

    versions: Sequence[Version]
    next_page_token: str | None = None


class Rows(_Answer, frozen=True, kw_only=True):
    """Some rows of a dataset version, of `total`."""

    version: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    offset: int = 0
    total: int = 0


class TableColumn(_Answer, frozen=True, kw_only=True):
    """A column of a table, and its SQL type."""

    name: str
    type: str


class PipeTable(_Answer, frozen=True, kw_only=True):
    """A table that is loaded from files. `files` and `bytes` are what it was loaded from so far.

    `operation_id` made it, makes it or removes it; `loaded_by` loaded rows last.
    """

    id: str
    table: str
    database: str
    database_name: str
    status: str
    storage: str
    path_prefix: str
    columns: Sequence[TableColumn] = ()
    partition_columns: Sequence[str] = ()
    polling_seconds: int | None = None
    files: int = 0
    bytes: int = 0
    rows: int = 0
    created_at: datetime
    created_by: str = ""
    operation_id: str | None = None
    loaded_by: str | None = None


class PipeTablePage(_Answer, frozen=True, kw_only=True):
    """A slice of a list of pipe tables."""

    pipe_tables: Sequence[PipeTable]
    next_page_token: str | None = None


class File(_Answer, frozen=True, kw_only=True):
    """Named bytes. `operation_id` is what published it; `is_partial`: without having succeeded."""

    id: str
    name: str
    purpose: str
    bytes: int
    created_at: datetime
    created_by: str = ""
    project: str | None = None
    expire_at: datetime | None = None
    operation_id: str | None = None
    is_partial: bool = False


class FilePage(_Answer, frozen=True, kw_only=True):
    """A slice of a list of files."""

    files: Sequence[File]
    next_page_token: str | None = None


class Token(_Answer, frozen=True, kw_only=True):
    """A token without anything secret."""

    id: str
    role: str
    member: str = ""
    tenant: str = ""
    created_at: datetime | None = None
    created_by: str = ""
    expires_at: datetime | None = None


class NewToken(_Answer, frozen=True, kw_only=True):
    """A token and its text, which the server will not show again."""

    token: Token
    secret: str


class Tenant(_Answer, frozen=True, kw_only=True):
    """A tenant: what every operation, resource and token belongs to."""

    id: str
    name: str
    created_at: datetime | None = None


class ChatLogSetting(_Answer, frozen=True, kw_only=True):
    """What a tenant has decided about the log of its chats, and whether they are logged."""

    is_enabled: bool
    is_logged: bool


class AuditRecord(_Answer, frozen=True, kw_only=True):
    """Who did what to what."""

    number: int
    at: datetime
    actor: str = ""
    action: str = ""
    target: str = ""
    request_id: str | None = None
    data: Mapping[str, Any] = {}
