"""Words of the wire: the three statuses, and the kinds of operations beside our own."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from outlast.operations.states import State


class Status(StrEnum):
    """What an operation's status can be. Any other makes its clients raise."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


STATUSES: Final[Mapping[State, Status]] = MappingProxyType(
    {
        State.PENDING: Status.PENDING,
        State.RUNNING: Status.PENDING,
        State.SUCCEEDED: Status.SUCCEEDED,
        State.FAILED: Status.FAILED,
        State.CANCELLED: Status.FAILED,
    }
)
FINAL_STATUSES: Final = frozenset({Status.SUCCEEDED, Status.FAILED})


class OperationKind(StrEnum):
    """What an operation's kind can be."""

    PROVISION_DATABASE = "provision-database"
    DEPROVISION_DATABASE = "deprovision-database"
    RUN_SERVICE_COMMAND = "run-service-command"
    CREATE_PIPE_TABLE = "create-pipe-table"
    DELETE_PIPE_TABLE = "delete-pipe-table"
    ANALYZE_STATISTICS = "analyze-statistics"


KINDS: Final[Mapping[OperationKind, str]] = MappingProxyType(
    {
        OperationKind.PROVISION_DATABASE: "provision_database",
        OperationKind.DEPROVISION_DATABASE: "deprovision_database",
        OperationKind.RUN_SERVICE_COMMAND: "service_command",
        OperationKind.CREATE_PIPE_TABLE: "create_pipe_table",
        OperationKind.DELETE_PIPE_TABLE: "delete_pipe_table",
        OperationKind.ANALYZE_STATISTICS: "analyze_statistics",
    }
)
"""The kind that runs each of theirs."""

WORDS: Final[Mapping[str, OperationKind]] = MappingProxyType(
    {kind: word for word, kind in KINDS.items()}
)
"""The word that shows each kind; a kind without one is not found here."""
