"""Why an operation failed."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A failed attempt, or a failed operation.

    `code` comes from a closed list per kind, or is one of the platform's own: `attempts_exhausted`,
    `crashed`, `deadline_exceeded`, `handler_error`, `lease_expired`, `lost_while_cancelling`,
    `node_lost`, `out_of_memory`, `result_invalid`, `retry`, `secret_missing`, `unknown_kind`,
    `worker_error`; or it is the code of the error that `prepare` or a publication raised. `fault`
    says who can mend it.
    """

    code: str
    message: str
    fault: Literal["user", "platform"]
    retryable: bool = False
    retry_after_seconds: float | None = None
    field_errors: Mapping[str, str] = {}
    details: Mapping[str, Any] = {}
    cause: "Failure | None" = None


def platform_failure(code: str, message: str, **details: object) -> Failure:
    """A failure that the caller cannot mend; another attempt may succeed."""
    return Failure(code=code, message=message, fault="platform", retryable=True, details=details)
