"""The state machine: five states, and every legal move in one table.

Everything that is not a state is a field of the operation: scheduled is pending with a later
`available_at`, retrying is pending with `attempt > 0`, cancelling is running with
`cancel_requested_at`. The diagram in the docs is drawn from TRANSITIONS, and a test walks every
State x Event pair.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from outlast.operations.errors import Invalid


class State(StrEnum):
    """Where an operation is. A terminal state is final."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether no event leads out of this state."""
        return not TRANSITIONS[self]


class Event(StrEnum):
    """What can happen to an operation. The value is the event's name in its history."""

    CREATED = "created"
    CLAIMED = "claimed"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRY_SCHEDULED = "retry_scheduled"
    RELEASED = "released"
    LEASE_LOST = "lease_lost"
    CANCEL_REQUESTED = "cancel_requested"
    CANCEL_SEEN = "cancel_seen"
    CANCELLED = "cancelled"
    DEADLINE_PASSED = "deadline_passed"
    REPORTED = "reported"
    CHECKPOINTED = "checkpointed"
    NOTED = "noted"


TRANSITIONS: Final[Mapping[State, Mapping[Event, State]]] = MappingProxyType(
    {
        State.PENDING: MappingProxyType(
            {
                Event.CLAIMED: State.RUNNING,
                Event.CANCELLED: State.CANCELLED,
                Event.DEADLINE_PASSED: State.FAILED,
            }
        ),
        State.RUNNING: MappingProxyType(
            {
                Event.SUCCEEDED: State.SUCCEEDED,
                Event.FAILED: State.FAILED,
                Event.RETRY_SCHEDULED: State.PENDING,
                Event.RELEASED: State.PENDING,
                Event.LEASE_LOST: State.PENDING,
                Event.CANCEL_REQUESTED: State.RUNNING,
                Event.CANCEL_SEEN: State.RUNNING,
                Event.CANCELLED: State.CANCELLED,
                Event.DEADLINE_PASSED: State.FAILED,
                Event.REPORTED: State.RUNNING,
                Event.CHECKPOINTED: State.RUNNING,
                Event.NOTED: State.RUNNING,
            }
        ),
        State.SUCCEEDED: MappingProxyType({}),
        State.FAILED: MappingProxyType({}),
        State.CANCELLED: MappingProxyType({}),
    }
)
"""TRANSITIONS[state][event] is the next state; a pair that is absent is illegal."""

QUIET_EVENTS: Final = frozenset({Event.REPORTED, Event.CHECKPOINTED})
"""Events that change the operation but are not written to its history: there would be too many."""

_EVENT_TYPE: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}")


def check_event_type(event_type: str) -> None:
    """Raise Invalid for what a handler may not call an event: a name of ours, or none at all."""
    if not _EVENT_TYPE.fullmatch(event_type) or event_type in frozenset(Event):
        raise Invalid(
            f"an event's type matches {_EVENT_TYPE.pattern} and is none of the platform's own:"
            f" {event_type[:80]!r}"
        )
