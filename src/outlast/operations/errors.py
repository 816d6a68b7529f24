"""Everything that can go wrong, in one list. `code` is the contract; HTTP status is the dialects'.

OutlastError
  Invalid              invalid_request
    InvalidSpec        invalid_spec
    InvalidEvidence    invalid_evidence
    OutboundRefused    outbound_refused
    UnknownKind        unknown_kind
    InvalidPageToken   invalid_page_token
    IdempotencyMismatch  idempotency_mismatch
    TooLarge           too_large
  Unauthenticated      unauthenticated
  Forbidden            forbidden
  NotFound             not_found
  Conflict             conflict
    IllegalTransition  illegal_transition
    NotTerminal        not_terminal
    OperationIdTaken   operation_id_taken
    ResourceExists     resource_exists
    ResourceInUse      resource_in_use
    RevisionMismatch   revision_mismatch
  LeaseLost            lease_lost           (never leaves the worker)
  BackendRefused       backend_refused
  NotSupported         not_supported
  RateLimited          rate_limited
    TooManyPending     too_many_pending
  SecretMissing        secret_missing
  Unavailable          unavailable
    BackendFailed      backend_failed
    BackendTimedOut    backend_timed_out
    PrepareTimedOut    prepare_timed_out
    StoreFull          store_full

Raised by handlers, caught by the worker:
  Retry(after_seconds)         try again later
  Fatal(code, message, ...)    the caller's fault; do not try again
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal


class OutlastError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str | None = None,
        *,
        field_errors: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.field_errors = dict(field_errors or {})
        self.details = dict(details or {})
        super().__init__(self.message)


class Invalid(OutlastError):
    """The request is not valid."""

    code = "invalid_request"


class InvalidSpec(Invalid):
    """The spec does not fit the kind."""

    code = "invalid_spec"


class InvalidEvidence(Invalid):
    """The evidence cannot be read; `details` have the line and the column, where they are known."""

    code = "invalid_evidence"


class OutboundRefused(Invalid):
    """This server does not call that address."""

    code = "outbound_refused"


class UnknownKind(Invalid):
    """There is no such kind on this server."""

    code = "unknown_kind"


class InvalidPageToken(Invalid):
    """The page token is not one of ours, or belongs to another list."""

    code = "invalid_page_token"


class IdempotencyMismatch(Invalid):
    """This idempotency key was used with another body."""

    code = "idempotency_mismatch"


class TooLarge(Invalid):
    """The request is larger than this server allows."""

    code = "too_large"


class Unauthenticated(OutlastError):
    """A valid bearer token is needed."""

    code = "unauthenticated"


class Forbidden(OutlastError):
    """Your role does not allow this."""

    code = "forbidden"


class NotFound(OutlastError):
    """There is no such thing, or it is not yours."""

    code = "not_found"


class Conflict(OutlastError):
    """This is in conflict with what exists."""

    code = "conflict"


class IllegalTransition(Conflict):
    """The operation's state does not allow this."""

    code = "illegal_transition"


class NotTerminal(Conflict):
    """The operation has not ended yet."""

    code = "not_terminal"


class OperationIdTaken(Conflict):
    """This operation id belongs to another operation."""

    code = "operation_id_taken"


class ResourceExists(Conflict):
    """A resource of this name exists already."""

    code = "resource_exists"


class ResourceInUse(Conflict):
    """The resource is in use."""

    code = "resource_in_use"


class RevisionMismatch(Conflict):
    """The resource has changed in the meantime."""

    code = "revision_mismatch"


class LeaseLost(OutlastError):
    """The lease is no longer held: another attempt, or nobody, has the right to write."""

    code = "lease_lost"


class BackendRefused(OutlastError):
    """The model's server refuses this request."""

    code = "backend_refused"

    def __init__(
        self, message: str | None = None, *, status: int = 400, retry_after: str | None = None
    ) -> None:
        # What it answered, from 400 to 499, and its header as it stands.
        """`status` is what it answered, 400 to 499; `retry_after` is its header as it stands."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class NotSupported(OutlastError):
    """This server does not do that."""

    code = "not_supported"


class RateLimited(OutlastError):
    """Too many requests at once; try again a little later."""

    code = "rate_limited"


class TooManyPending(RateLimited):
    """As many operations of this tenant are pending as may be; try again when some have begun."""

    code = "too_many_pending"


class Unavailable(OutlastError):
    """Not possible right now; try again."""

    code = "unavailable"


class BackendFailed(Unavailable):
    """The model's server failed, or cannot be reached."""

    code = "backend_failed"


class BackendTimedOut(Unavailable):
    """The model's server took too long."""

    code = "backend_timed_out"


class PrepareTimedOut(Unavailable):
    """The kind took too long to check the spec; nothing was created."""

    code = "prepare_timed_out"


class SecretMissing(OutlastError):
    """A secret that this needs is not there, or cannot be opened."""

    code = "secret_missing"

    def __init__(
        self,
        message: str | None = None,
        *,
        fault: Literal["user", "platform"] = "platform",
        field_errors: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, field_errors=field_errors, details=details)
        self.fault = fault


class StoreFull(Unavailable):
    """The disk is full; nothing was written."""

    code = "store_full"


class Retry(Exception):
    """Raised by a handler: the attempt failed, and another one may succeed.

    `after_seconds` overrides the back-off of the kind's retry policy.
    """

    def __init__(
        self, after_seconds: float | None = None, *, code: str = "retry", message: str = ""
    ) -> None:
        self.after_seconds = after_seconds
        self.code = code
        self.message = message or "the handler asked for another attempt"
        super().__init__(self.message)


class Fatal(Exception):
    """Raised by a handler: the operation has failed for good, and the caller can mend it."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field_errors: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.field_errors = dict(field_errors or {})
        self.details = dict(details or {})
        super().__init__(message)
