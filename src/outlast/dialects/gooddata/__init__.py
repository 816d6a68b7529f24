"""The wire format of GoodData AI Lake (docs/dialects/gooddata.md)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from outlast.dialects.gooddata import errors
from outlast.dialects.gooddata.ids import show_id
from outlast.dialects.gooddata.operations import AnyOperation, FailedOperation, operation_on_wire
from outlast.dialects.gooddata.words import FINAL_STATUSES, KINDS, STATUSES, WORDS
from outlast.dialects.port import Reading, Refusal, Reply
from outlast.operations import ids
from outlast.operations.model import Operation
from outlast.operations.states import State


class GoodData:
    """See Dialect."""

    name: Final = "gooddata"
    title: Final = "GoodData AI Lake"
    schemes: Final = frozenset({"Bearer"})
    tenant_header: Final = None
    fixed_paths: Final[Sequence[str]] = ()
    words: Final[Mapping[State, str]] = STATUSES
    final_words: Final[frozenset[str]] = FINAL_STATUSES

    def shows(self, kind: str) -> bool:
        """See Dialect."""
        return kind in WORDS

    def show_id(self, id: str) -> str:
        """See Dialect."""
        return show_id(id)

    def read_id(self, text: str) -> str | None:
        """See Dialect."""
        return ids.decode_any(text)

    def render(self, operation: Operation) -> Reply:
        """See Dialect."""
        return Reply(body=encode(operation_on_wire(operation)))

    def render_list(self, operations: Sequence[Operation], *, has_more: bool) -> None:
        """See Dialect. There is no list of operations."""

    def render_refusal(self, refusal: Refusal) -> Reply:
        """See Dialect."""
        return errors.render_refusal(refusal)

    def refusal_type(self, status: int) -> Any:
        """See Dialect."""
        return errors.refusal_type(status)

    def read(self, reply: Reply) -> Reading:
        """See Dialect. Neither instants nor a start are on the wire."""
        try:
            polled: AnyOperation = msgspec.json.decode(reply.body, type=_OPERATION)
        except msgspec.MsgspecError as error:
            raise ValueError(f"not an operation: {error}") from error
        if reply.status != _OK:
            raise ValueError(f"status {reply.status}: not an operation")
        failure = polled.error if isinstance(polled, FailedOperation) else None
        if failure is not None and failure.status == errors.CANCELLED:
            state = State.CANCELLED
        else:
            state = _STATES[str(polled.__struct_config__.tag)]
        return Reading(
            id=polled.id,
            state=state,
            kind=KINDS[polled.kind],
            failure=None if failure is None else failure.detail,
        )


_OK: Final = 200
_OPERATION: Final[Any] = AnyOperation
_STATES: Final = {"pending": State.RUNNING, "succeeded": State.SUCCEEDED, "failed": State.FAILED}
encode: Final = msgspec.json.Encoder().encode
