"""Words of the wire: the statuses, each with the number that it has in the enum."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from outlast.operations.errors import Invalid
from outlast.operations.states import State


class Status(StrEnum):
    """What an operation's status can be. The first one is never shown: it asks for all."""

    UNSPECIFIED = "ASYNC_OPERATION_STATUS_UNSPECIFIED"
    PENDING = "ASYNC_OPERATION_STATUS_PENDING"
    RUNNING = "ASYNC_OPERATION_STATUS_RUNNING"
    COMPLETED = "ASYNC_OPERATION_STATUS_COMPLETED"
    FAILED = "ASYNC_OPERATION_STATUS_FAILED"


STATUSES: Final[Mapping[State, Status]] = MappingProxyType(
    {
        State.PENDING: Status.PENDING,
        State.RUNNING: Status.RUNNING,
        State.SUCCEEDED: Status.COMPLETED,
        State.FAILED: Status.FAILED,
        State.CANCELLED: Status.FAILED,
    }
)
FINAL_STATUSES: Final = frozenset({Status.COMPLETED, Status.FAILED})


def read_status(text: str) -> frozenset[State]:
    """The states that a status asks for, by its name or its number; none: all. Raises Invalid."""
    status = _BY_NUMBER.get(text, text)
    if status not in set(Status):
        names = ", ".join(Status)
        raise Invalid(
            f"status is one of {names}, or its number from 0 to {len(Status) - 1}",
            field_errors={"status": "unknown"},
        )
    return frozenset(state for state, shown in STATUSES.items() if shown == status)


_BY_NUMBER: Final = {str(number): status for number, status in enumerate(Status)}
