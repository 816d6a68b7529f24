"""The wire format of the LakeSail platform (docs/dialects/lakesail.md)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from outlast.dialects.lakesail import errors
from outlast.dialects.lakesail.operations import (
    LakeSailOperation,
    OperationList,
    operation_on_wire,
)
from outlast.dialects.lakesail.words import FINAL_STATUSES, STATUSES, kind_of_word
from outlast.dialects.port import Reading, Refusal, Reply
from outlast.operations import ids
from outlast.operations.instants import read_instant
from outlast.operations.model import Operation
from outlast.operations.states import State


class LakeSail:
    """See Dialect. Its operations are of any kind."""

    name: Final = "lakesail"
    title: Final = "LakeSail"
    schemes: Final = frozenset({"Bearer"})
    tenant_header: Final = None
    fixed_paths: Final[Sequence[str]] = ()
    words: Final[Mapping[State, str]] = STATUSES
    final_words: Final[frozenset[str]] = FINAL_STATUSES

    def shows(self, kind: str) -> bool:
        """See Dialect."""
        _ = kind
        return True

    def show_id(self, id: str) -> str:
        """See Dialect. Our own form is that of the wire."""
        return id

    def read_id(self, text: str) -> str | None:
        """See Dialect."""
        return ids.decode_any(text)

    def render(self, operation: Operation) -> Reply:
        """See Dialect."""
        return Reply(body=encode(operation_on_wire(operation)), media=MEDIA)

    def render_list(self, operations: Sequence[Operation], *, has_more: bool) -> Reply:
        """See Dialect. The marker is the door's to give."""
        _ = has_more
        listed = OperationList(items=[operation_on_wire(one) for one in operations])
        return Reply(body=encode(listed), media=MEDIA)

    def render_refusal(self, refusal: Refusal) -> Reply:
        """See Dialect."""
        return errors.render_refusal(refusal)

    def refusal_type(self, status: int) -> Any:
        """See Dialect."""
        _ = status
        return errors.Error

    def read(self, reply: Reply) -> Reading:
        """See Dialect."""
        try:
            polled = msgspec.json.decode(reply.body, type=LakeSailOperation)
        except msgspec.MsgspecError as error:
            raise ValueError(f"not an operation: {error}") from error
        if reply.status != _OK:
            raise ValueError(f"status {reply.status}: not an operation")
        started, completed = polled.started_at, polled.completed_at
        return Reading(
            id=polled.id,
            state=State(polled.status),
            kind=kind_of_word(polled.operation),
            created_at=read_instant(polled.created_at),
            started_at=None if started is UNSET else read_instant(started),
            finished_at=None if completed is UNSET else read_instant(completed),
            failure=None if polled.error is UNSET else polled.error.message,
        )


_OK: Final = 200
MEDIA: Final = errors.MEDIA
encode: Final = msgspec.json.Encoder().encode
