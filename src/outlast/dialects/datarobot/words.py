"""Words of the wire: the six statuses, and where the result of each kind is found."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from outlast.operations.states import State

PLATFORM: Final = "/api/v2"
GENAI: Final = PLATFORM + "/genai"
BARE: Final = "/status"
"""Where one of the client's own waiters looks, which leaves out the base path."""


class JobExecutionState(StrEnum):
    """What an operation's status can be."""

    INITIALIZED = "INITIALIZED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    ABORTED = "ABORTED"
    EXPIRED = "EXPIRED"


STATUSES: Final[Mapping[State, JobExecutionState]] = MappingProxyType(
    {
        State.PENDING: JobExecutionState.INITIALIZED,
        State.RUNNING: JobExecutionState.RUNNING,
        State.SUCCEEDED: JobExecutionState.COMPLETED,
        State.FAILED: JobExecutionState.ERROR,
        State.CANCELLED: JobExecutionState.ABORTED,
    }
)
STATES: Final[Mapping[JobExecutionState, State]] = MappingProxyType(
    {status: state for state, status in STATUSES.items()}
    | {JobExecutionState.EXPIRED: State.FAILED}
)
FINAL_STATUSES: Final = frozenset(status for status, state in STATES.items() if state.is_terminal)
EXPIRING: Final = "deadline_exceeded"
"""The code of a failure that is shown as EXPIRED."""

TARGETS: Final[Mapping[str, str | None]] = MappingProxyType(
    {
        "build_vector_database": GENAI + "/vectorDatabases/",
        "chat_prompt": GENAI + "/chatPrompts/",
        "evaluate_chat": None,
        "export_vector_database": None,
        "file_to_dataset": PLATFORM + "/datasets/",
        "validate_embedding_endpoint": GENAI + "/openaiEmbeddingValidations/",
    }
)
"""The kinds that the wire shows, and the collection in which what each leaves behind is found.

None: it is polled to its end, and redirects to nothing.
"""
