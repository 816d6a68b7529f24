"""From an error to an answer: the one table of codes and statuses, and the problem document."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final

import msgspec

from outlast.http.routing import Answer, Header
from outlast.operations.errors import OutlastError, Unauthenticated

STATUS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "backend_refused": 400,
        "invalid_request": 400,
        "invalid_page_token": 400,
        "unauthenticated": 401,
        "forbidden": 403,
        "not_found": 404,
        "method_not_allowed": 405,
        "request_timeout": 408,
        "conflict": 409,
        "illegal_transition": 409,
        "not_terminal": 409,
        "operation_id_taken": 409,
        "resource_exists": 409,
        "resource_in_use": 409,
        "revision_mismatch": 409,
        "too_large": 413,
        "unsupported_media_type": 415,
        "idempotency_mismatch": 422,
        "invalid_evidence": 422,
        "invalid_spec": 422,
        "outbound_refused": 422,
        "unknown_kind": 422,
        "rate_limited": 429,
        "too_many_pending": 429,
        "headers_too_large": 431,
        "internal_error": 500,
        "not_supported": 501,
        "backend_failed": 502,
        "prepare_timed_out": 503,
        "secret_missing": 503,
        "store_full": 503,
        "unavailable": 503,
        "backend_timed_out": 504,
    }
)
"""Code -> HTTP status. A code that is not here never leaves the server: it is an internal error."""

TITLES: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "Bad Request",
        401: "Unauthorized",
        403: "Forbidden",
        404: "Not Found",
        405: "Method Not Allowed",
        408: "Request Timeout",
        409: "Conflict",
        413: "Content Too Large",
        415: "Unsupported Media Type",
        422: "Unprocessable Content",
        429: "Too Many Requests",
        431: "Request Header Fields Too Large",
        500: "Internal Server Error",
        501: "Not Implemented",
        502: "Bad Gateway",
        503: "Service Unavailable",
        504: "Gateway Timeout",
    }
)

_RETRY_AFTER: Final[Mapping[str, int]] = MappingProxyType(
    {
        "prepare_timed_out": 5,
        "rate_limited": 1,
        "store_full": 30,
        "too_many_pending": 5,
        "unavailable": 1,
    }
)


class MethodNotAllowed(OutlastError):
    """This path does not have this method."""

    code: ClassVar[str] = "method_not_allowed"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"this path allows {allowed}")
        self.allowed = allowed


class RequestTimeout(OutlastError):
    """The body of the request did not arrive in time."""

    code: ClassVar[str] = "request_timeout"


class UnsupportedMediaType(OutlastError):
    """The body's media type is not one that this path reads."""

    code: ClassVar[str] = "unsupported_media_type"


class HeadersTooLarge(OutlastError):
    """The request's headers are larger than this server allows."""

    code: ClassVar[str] = "headers_too_large"


class Internal(OutlastError):
    """Something went wrong on the server. Its log has more under this request id."""

    code: ClassVar[str] = "internal_error"


class ClientGone(Exception):
    """The client has closed the connection: nobody is left to answer."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every error answer holds (RFC 9457). `code` is the contract."""

    type: str
    title: str
    status: Annotated[int, msgspec.Meta(ge=400, le=599)]
    detail: str
    code: str
    request_id: str
    field_errors: dict[str, str] = {}
    details: dict[str, Any] = {}


def known_error(error: OutlastError) -> OutlastError:
    """The error, or an internal one in place of an error that never leaves the server."""
    return error if error.code in STATUS else Internal()


def status_of(code: str) -> int:
    """The HTTP status of a code."""
    return STATUS[code]


def problem(error: OutlastError, request_id: str) -> Problem:
    """The problem document of an error."""
    error = known_error(error)
    status = STATUS[error.code]
    return Problem(
        type=f"urn:outlast:error:{error.code}",
        title=TITLES[status],
        status=status,
        detail=error.message,
        code=error.code,
        request_id=request_id,
        field_errors=error.field_errors,
        details=error.details,
    )


def problem_answer(error: OutlastError, request_id: str) -> Answer:
    """The answer to a request that failed."""
    document = problem(error, request_id)
    return Answer(
        status=document.status,
        body=_encoder.encode(document),
        headers=error_headers(error),
        media=b"application/problem+json",
    )


def error_headers(error: OutlastError) -> list[Header]:
    """The headers that an error asks for, in whatever format its body is."""
    headers: list[Header] = []
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b'Bearer realm="outlast"'))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allowed.encode()))
    seconds = retry_after_of(error)
    if seconds is not None:
        headers.append((b"retry-after", b"%d" % seconds))
    return headers


def retry_after_of(error: OutlastError) -> int | None:
    """After how many seconds to ask again, or None where that is not known."""
    return _RETRY_AFTER.get(error.code)


_encoder: Final = msgspec.json.Encoder(enc_hook=str)
