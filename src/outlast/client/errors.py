"""Everything that can go wrong for a client, in one list.

ClientError
  Unreachable           unreachable         no connection, or the connection broke
  UnreadableAnswer      unreadable_answer   what answered is not an Outlast server
  WaitTimedOut          wait_timed_out      the operation goes on
  Refused               the server's code   the server said no, and why
    InvalidRequest        400 and every other 4xx that is not below
    Unauthenticated       401
    Forbidden             403
    NotFound              404
    Conflict              409, 412
    Unavailable           429, 5xx
  OperationEnded        an operation ended without a result
    OperationFailed       the failure's code
    OperationCancelled    cancelled
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outlast.client.answers import Failure, Operation


class ClientError(Exception):
    """Something went wrong. `code` is stable; `detail` is for people."""

    def __init__(
        self,
        detail: str,
        *,
        code: str,
        status: int | None = None,
        field_errors: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> None:
        self.detail = detail
        self.code = code
        self.status = status
        self.field_errors = dict(field_errors or {})
        self.details = dict(details or {})
        self.request_id = request_id
        super().__init__(detail)


class Unreachable(ClientError):
    """No server answered. For a request that may not be sent twice, it may have been done."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, code="unreachable")


class UnreadableAnswer(ClientError):
    """What answered does not speak this API: a proxy, or another server."""

    def __init__(self, detail: str, status: int | None = None) -> None:
        super().__init__(detail, code="unreadable_answer", status=status)


class WaitTimedOut(ClientError):
    """The operation had not ended in time; it goes on. `operation` is what was seen last."""

    def __init__(self, operation: "Operation | None", timeout_seconds: float) -> None:
        self.operation = operation
        super().__init__(f"it had not ended after {timeout_seconds:g} s", code="wait_timed_out")


class Refused(ClientError):
    """The server said no."""


class InvalidRequest(Refused):
    """The request is not valid; sending it again cannot help."""


class Unauthenticated(Refused):
    """The token is missing, wrong, expired or revoked."""


class Forbidden(Refused):
    """The token's role does not allow this."""


class NotFound(Refused):
    """There is no such thing, or it belongs to another tenant."""


class Conflict(Refused):
    """This is in conflict with what exists."""


class Unavailable(Refused):
    """The server cannot do this right now, and went on saying so."""


class OperationEnded(ClientError):
    """An operation ended without a result."""

    def __init__(self, operation: "Operation", detail: str, code: str) -> None:
        self.operation = operation
        super().__init__(detail, code=code, request_id=operation.request_id)


class OperationFailed(OperationEnded):
    """The operation failed. `failure` says why, and whose fault it is."""

    def __init__(self, operation: "Operation", failure: "Failure") -> None:
        self.failure = failure
        super().__init__(operation, failure.message, failure.code)
        self.field_errors = dict(failure.field_errors)
        self.details = dict(failure.details)


class OperationCancelled(OperationEnded):
    """The operation was cancelled."""

    def __init__(self, operation: "Operation") -> None:
        super().__init__(operation, f"operation {operation.id} was cancelled", "cancelled")
