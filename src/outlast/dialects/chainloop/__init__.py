"""The wire format of the Chainloop platform (docs/dialects/chainloop.md)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from outlast.dialects.chainloop import errors
from outlast.dialects.chainloop.ids import show_id
from outlast.dialects.chainloop.operations import (
    CANCELLED,
    GetOperationResponse,
    ListOperationsResponse,
    operation_on_wire,
)
from outlast.dialects.chainloop.paging import Window
from outlast.dialects.chainloop.words import FINAL_STATUSES, STATUSES, Status
from outlast.dialects.port import Reading, Refusal, Reply
from outlast.operations import ids
from outlast.operations.instants import read_instant
from outlast.operations.model import Operation
from outlast.operations.states import State


class Chainloop:
    """See Dialect. Its operations are of any kind."""

    name: Final = "chainloop"
    title: Final = "Chainloop"
    schemes: Final = frozenset({"Bearer"})
    tenant_header: Final = "Chainloop-Organization"
    fixed_paths: Final[Sequence[str]] = ()
    words: Final[Mapping[State, str]] = STATUSES
    final_words: Final[frozenset[str]] = FINAL_STATUSES

    def shows(self, kind: str) -> bool:
        """See Dialect."""
        _ = kind
        return True

    def show_id(self, id: str) -> str:
        """See Dialect."""
        return show_id(id)

    def read_id(self, text: str) -> str | None:
        """See Dialect."""
        return ids.decode_any(text)

    def render(self, operation: Operation) -> Reply:
        """See Dialect."""
        return Reply(body=encode(GetOperationResponse(operation=operation_on_wire(operation))))

    def render_list(self, operations: Sequence[Operation], *, has_more: bool) -> Reply:
        """See Dialect. The numbers of the page are the door's to give."""
        total = len(operations) + has_more
        listed = ListOperationsResponse(
            operations=[operation_on_wire(one) for one in operations],
            pagination=Window(page=1, size=max(len(operations), 1)).of(total),
        )
        return Reply(body=encode(listed))

    def render_refusal(self, refusal: Refusal) -> Reply:
        """See Dialect."""
        return errors.render_refusal(refusal)

    def refusal_type(self, status: int) -> Any:
        """See Dialect."""
        _ = status
        return errors.Status

    def read(self, reply: Reply) -> Reading:
        """See Dialect."""
        try:
            polled = msgspec.json.decode(reply.body, type=_Answer).operation
        except msgspec.MsgspecError as error:
            raise ValueError(f"not an operation: {error}") from error
        if reply.status != _OK or polled.status is Status.UNSPECIFIED:
            raise ValueError(f"status {reply.status}, {polled.status}: not an operation")
        state = _STATES[polled.status]
        if state is State.FAILED and polled.error_message == CANCELLED:
            state = State.CANCELLED
        return Reading(
            id=polled.id,
            state=state,
            kind=polled.kind,
            created_at=_instant(polled.created_at),
            started_at=_instant(polled.started_at),
            finished_at=_instant(polled.finished_at),
            failure=polled.error_message or None,
        )


class _Polled(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of an operation: in proto3 JSON, what has its default may be absent."""

    id: str
    kind: str = ""
    status: Status = Status.UNSPECIFIED
    error_message: str = ""
    created_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    operation: _Polled


def _instant(text: str | None) -> int | None:
    return None if text is None else read_instant(text)


_OK: Final = 200
_STATES: Final = {
    Status.PENDING: State.PENDING,
    Status.RUNNING: State.RUNNING,
    Status.COMPLETED: State.SUCCEEDED,
    Status.FAILED: State.FAILED,
}
encode: Final = msgspec.json.Encoder().encode
