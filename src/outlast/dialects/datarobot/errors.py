"""Refusals. One body has the keys of both of the wire's error formats, and a client reads its own.

GenAI routes say `detail`: a sentence, or a list of what is wrong with which field. The platform's
say `message` and `errors`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from outlast.dialects.port import FieldFault, Refusal, Reply

_INVALID: Final = 422
_BAD_REQUEST: Final = 400
_PARTS: Final = re.compile(r"[^.\[\]]+")


class ValidationError(msgspec.Struct, frozen=True, kw_only=True):
    """One field that does not fit."""

    loc: Sequence[str | int]
    msg: str
    type: str


class HTTPValidationErrorResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A request that does not fit."""

    detail: Sequence[ValidationError]
    message: str
    errors: Mapping[str, str]


class ErrorResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A refused request."""

    detail: str
    message: str
    errors: Mapping[str, str]


def render_refusal(refusal: Refusal) -> Reply:
    """The answer to a request that was not done. What does not fit is always a 422 here."""
    trace = [("X-DataRobot-Request-ID", refusal.request_id)]
    faults = refusal.faults
    errors = {fault.path: fault.reason for fault in faults}
    if refusal.status in {_BAD_REQUEST, _INVALID}:
        listed = faults or (FieldFault(place=refusal.place, path="", reason=refusal.message),)
        detail = [_validation_error(fault, refusal.message) for fault in listed]
        invalid = HTTPValidationErrorResponse(detail=detail, message=refusal.message, errors=errors)
        return Reply(status=_INVALID, headers=trace, body=msgspec.json.encode(invalid))
    error = ErrorResponse(detail=refusal.message, message=refusal.message, errors=errors)
    return Reply(status=refusal.status, headers=trace, body=msgspec.json.encode(error))


def refusal_type(status: int) -> type[ErrorResponse | HTTPValidationErrorResponse]:
    """The type of the body of a refusal with this status."""
    return HTTPValidationErrorResponse if status == _INVALID else ErrorResponse


def _validation_error(fault: FieldFault, message: str) -> ValidationError:
    loc: list[str | int] = [fault.place]
    loc.extend(
        int(part) if part.isascii() and part.isdigit() else part
        for part in _PARTS.findall(fault.path)
    )
    # A reason such as "range" says little without its sentence.
    msg = fault.reason if " " in fault.reason else message
    return ValidationError(loc=loc, msg=msg, type="value_error")
