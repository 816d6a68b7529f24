"""What a dialect is: another platform's wire format, as pure functions over the domain.

A dialect renders what this server knows (an operation, a list, a refusal) and reads what such a
platform answers. It has no framework, no clock and no store: a request and its reply are bytes.
`http` serves it at a door of its own; `outlast.testing.dialect_contract` holds it to this page.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from outlast.operations.model import Operation
from outlast.operations.states import State

Place = Literal["body", "query", "path"]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer on the wire. Some systems say all that matters in a header and send no body."""

    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    media: str = "application/json"


class FieldFault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one field of a request; `path` is like `src[0].version`."""

    place: Place
    path: str
    reason: str


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was not done, and why. `status` is what the native API would answer.

    `place` is the part of the request that is meant where no field is named; `retry_after` is after
    how many seconds to ask again, where that is known.
    """

    code: str
    status: int
    message: str
    request_id: str
    place: Place = "body"
    faults: Sequence[FieldFault] = ()
    retry_after: int | None = None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a client that knows no dialect needs of an operation on the wire.

    `state` is the one that the word stands for, or the likeliest where several share it. Instants
    are microseconds since the epoch; what the wire does not carry is None.
    """

    id: str
    state: State
    kind: str | None = None
    created_at: int | None = None
    started_at: int | None = None
    finished_at: int | None = None
    failure: str | None = None


class Dialect(Protocol):
    """One wire format.

    `schemes` are the words before a token in the Authorization header; `tenant_header` is how its
    clients name a tenant, beside our own header. `words` maps every state to
    the word that the wire has for it, and `final_words` are those that end a client's polling: they
    are shown for terminal states and for no other. It is served below /NAME; `fixed_paths` are what
    it must also own at the root of a listener, since its clients take no prefix.
    """

    @property
    def name(self) -> str:
        """A short lower-case word, by which profiles bind it and below which it is served."""

    @property
    def title(self) -> str:
        """What its clients call the system."""

    @property
    def schemes(self) -> frozenset[str]:
        """See above."""

    @property
    def tenant_header(self) -> str | None:
        """See above."""

    @property
    def fixed_paths(self) -> Sequence[str]:
        """See above."""

    @property
    def words(self) -> Mapping[State, str]:
        """See above."""

    @property
    def final_words(self) -> frozenset[str]:
        """See above."""

    def shows(self, kind: str) -> bool:
        """Whether the wire has a word for operations of this kind. Others are not found."""

    def show_id(self, id: str) -> str:
        """An operation's id as this wire writes it."""

    def read_id(self, text: str) -> str | None:
        """The operation's id that a text of the wire stands for, or None if none does."""

    def render(self, operation: Operation) -> Reply:
        """The answer to a poll of an operation that it shows."""

    def render_list(self, operations: Sequence[Operation], *, has_more: bool) -> Reply | None:
        """A page of operations that it shows, in this order; None: the system has no list."""

    def render_refusal(self, refusal: Refusal) -> Reply:
        """The answer to a request that was not done, whatever its code."""

    def refusal_type(self, status: int) -> Any:
        """The type of the body of refusals with this status, or None if they have none."""

    def read(self, reply: Reply) -> Reading:
        """What the answer to a poll says. Raises ValueError for what is none."""
