"""Words of the wire: the six statuses, and the types of operations beside our kinds."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from outlast.operations.states import State


class Status(StrEnum):
    """What an operation's status can be. `unknown` is documented, and never shown.

    Clients go on polling as long as they see it, and this server always knows.
    """

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


STATUSES: Final[Mapping[State, Status]] = MappingProxyType(
    {
        State.PENDING: Status.QUEUED,
        State.RUNNING: Status.RUNNING,
        State.SUCCEEDED: Status.SUCCEEDED,
        State.FAILED: Status.FAILED,
        State.CANCELLED: Status.CANCELLED,
    }
)
FINAL_STATUSES: Final = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})


class OperationType(StrEnum):
    """What an operation's type can be."""

    YQL = "yql"
    MATERIALIZE_HISTORY = "materialize_history"
    BATCH_INFERENCE = "batch_inference"
    FINETUNING = "finetuning"
    FILE_TO_DATASET = "file_to_dataset"
    DATASET_TO_FILE = "dataset_to_file"


KINDS: Final[Mapping[OperationType, str]] = MappingProxyType(
    {
        OperationType.YQL: "sql_query",
        OperationType.MATERIALIZE_HISTORY: "materialize_history",
        OperationType.BATCH_INFERENCE: "batch_inference",
        OperationType.FINETUNING: "fine_tuning",
        OperationType.FILE_TO_DATASET: "file_to_dataset",
        OperationType.DATASET_TO_FILE: "dataset_to_file",
    }
)
"""The kind that runs each type."""

TYPES: Final[Mapping[str, OperationType]] = MappingProxyType(
    {kind: type for type, kind in KINDS.items()}
)
"""The type that shows each kind; a kind without one is not found here."""
