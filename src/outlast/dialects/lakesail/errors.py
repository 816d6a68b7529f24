"""The one error object, of failed operations and of requests that were not done."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from outlast.dialects.lakesail.words import ErrorType, refusal_error_type
from outlast.dialects.port import Refusal, Reply

MEDIA: Final = "application/json; charset=utf-8"


class ErrorDetails(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What else is known of an error. `retryAfter` is in seconds."""

    retryable: bool
    retry_after: int | UnsetType = UNSET
    field_errors: Mapping[str, str] | UnsetType = UNSET
    request_id: str | UnsetType = UNSET
    caused_by: str | UnsetType = UNSET


class Error(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Why something was not done."""

    code: str
    message: str
    error_type: ErrorType
    details: ErrorDetails


def render_refusal(refusal: Refusal) -> Reply:
    """The answer to a request that was not done. What does not fit is always a 400 here."""
    is_misfit = refusal.status == HTTPStatus.UNPROCESSABLE_ENTITY
    status = int(HTTPStatus.BAD_REQUEST) if is_misfit else refusal.status
    fields = {one.path or one.place: one.reason for one in refusal.faults}
    error = Error(
        code=refusal.code,
        message=refusal.message,
        error_type=refusal_error_type(status),
        details=ErrorDetails(
            retryable=status in _RETRYABLE,
            retry_after=UNSET if refusal.retry_after is None else refusal.retry_after,
            field_errors=fields or UNSET,
            request_id=refusal.request_id or UNSET,
        ),
    )
    return Reply(status=status, body=_encode(error), media=MEDIA)


_RETRYABLE: Final = frozenset({408, 429, 502, 503, 504})
_encode: Final = msgspec.json.Encoder().encode
