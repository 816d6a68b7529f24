"""The wire format of DataRobot, as far as its generative AI goes (docs/dialects/datarobot.md)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from outlast.dialects.datarobot import errors
from outlast.dialects.datarobot.ids import show_id
from outlast.dialects.datarobot.status import StatusResponse, status_on_wire, target_of
from outlast.dialects.datarobot.words import (
    BARE,
    FINAL_STATUSES,
    PLATFORM,
    STATES,
    STATUSES,
    TARGETS,
)
from outlast.dialects.port import Reading, Refusal, Reply
from outlast.operations import ids
from outlast.operations.instants import read_instant
from outlast.operations.model import Operation
from outlast.operations.states import State


class DataRobot:
    """See Dialect."""

    name: Final = "datarobot"
    title: Final = "DataRobot GenAI"
    schemes: Final = frozenset({"Token", "Bearer"})
    tenant_header: Final = None
    fixed_paths: Final[Sequence[str]] = (PLATFORM, BARE)
    words: Final[Mapping[State, str]] = STATUSES
    final_words: Final[frozenset[str]] = FINAL_STATUSES

    def shows(self, kind: str) -> bool:
        """See Dialect."""
        return kind in TARGETS

    def show_id(self, id: str) -> str:
        """See Dialect."""
        return show_id(id)

    def read_id(self, text: str) -> str | None:
        """See Dialect."""
        return ids.decode_any(text)

    def render(self, operation: Operation) -> Reply:
        """See Dialect. The Location is a path: the door knows what stands before it."""
        body = encode(status_on_wire(operation))
        target = target_of(operation)
        if target is None:
            return Reply(body=body)
        return Reply(status=HTTPStatus.SEE_OTHER, headers=[("Location", target)], body=body)

    def render_list(self, operations: Sequence[Operation], *, has_more: bool) -> None:
        """See Dialect. What is listed is what the whole platform is about: the door does it."""

    def render_refusal(self, refusal: Refusal) -> Reply:
        """See Dialect."""
        return errors.render_refusal(refusal)

    def refusal_type(self, status: int) -> Any:
        """See Dialect."""
        return errors.refusal_type(status)

    def read(self, reply: Reply) -> Reading:
        """See Dialect. A redirect without a body says that it succeeded, but not what."""
        if reply.status not in {HTTPStatus.OK, HTTPStatus.SEE_OTHER}:
            raise ValueError(f"status {reply.status}: not an operation")
        try:
            status = msgspec.json.decode(reply.body, type=StatusResponse)
        except msgspec.MsgspecError as error:
            raise ValueError(f"not an operation: {error}") from error
        state = STATES[status.status]
        return Reading(
            id=status.status_id,
            state=state,
            created_at=read_instant(status.created),
            failure=status.message if state is State.FAILED else None,
        )


encode: Final = msgspec.json.Encoder().encode
