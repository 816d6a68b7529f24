"""The wire format of Nebius Token Factory (docs/dialects/nebius.md)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from outlast.dialects.nebius import errors
from outlast.dialects.nebius.ids import show_id
from outlast.dialects.nebius.operations import OperationList, operation_on_wire
from outlast.dialects.nebius.words import FINAL_STATUSES, KINDS, STATUSES, TYPES
from outlast.dialects.port import Reading, Refusal, Reply
from outlast.operations import ids
from outlast.operations.model import SECOND, Operation
from outlast.operations.states import State


class Nebius:
    """See Dialect."""

    name: Final = "nebius"
    title: Final = "Nebius Token Factory"
    schemes: Final = frozenset({"Bearer"})
    tenant_header: Final = None
    fixed_paths: Final[Sequence[str]] = ()
    words: Final[Mapping[State, str]] = STATUSES
    final_words: Final[frozenset[str]] = FINAL_STATUSES

    def shows(self, kind: str) -> bool:
        """See Dialect."""
        return kind in TYPES

    def show_id(self, id: str) -> str:
        """See Dialect."""
        return show_id(id)

    def read_id(self, text: str) -> str | None:
        """See Dialect."""
        return ids.decode_any(text)

    def render(self, operation: Operation) -> Reply:
        """See Dialect."""
        return Reply(body=encode(operation_on_wire(operation)))

    def render_list(self, operations: Sequence[Operation], *, has_more: bool) -> Reply:
        """See Dialect. The wire does not say whether there are more."""
        _ = has_more
        listed = OperationList(data=[operation_on_wire(one) for one in operations])
        return Reply(body=encode(listed))

    def render_refusal(self, refusal: Refusal) -> Reply:
        """See Dialect."""
        return errors.render_refusal(refusal)

    def refusal_type(self, status: int) -> Any:
        """See Dialect."""
        return errors.refusal_type(status)

    def read(self, reply: Reply) -> Reading:
        """See Dialect. Why an operation failed is at its /errors."""
        try:
            polled = msgspec.json.decode(reply.body, type=_Polled)
        except msgspec.MsgspecError as error:
            raise ValueError(f"not an operation: {error}") from error
        if reply.status != _OK or polled.status not in _STATES:
            raise ValueError(f"status {reply.status}, {polled.status}: not an operation")
        return Reading(
            id=polled.id,
            state=_STATES[polled.status],
            kind=KINDS.get(polled.type),  # type: ignore[call-overload]
            created_at=polled.created_at * SECOND,
            started_at=_microseconds(polled.in_progress_at),
            finished_at=_microseconds(polled.finished_at),
        )


class _Polled(msgspec.Struct, frozen=True, kw_only=True):
    """What a client reads of an operation, whatever else the answer has."""

    id: str
    type: str
    status: str
    created_at: int
    in_progress_at: int | None = None
    finished_at: int | None = None


def _microseconds(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * SECOND


_OK: Final = 200
_STATES: Final = {str(word): state for state, word in STATUSES.items()} | {
    # A client goes on polling, as theirs does: it may yet be known.
    "unknown": State.RUNNING
}
encode: Final = msgspec.json.Encoder().encode
