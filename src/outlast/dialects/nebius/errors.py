"""Refusals in the manner of FastAPI: a sentence, or for a 422 what is wrong with which field."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from outlast.dialects.port import FieldFault, Refusal, Reply

_INVALID: Final = 422
_PARTS: Final = re.compile(r"[^.\[\]]+")
_TYPES: Final = (
    (re.compile(r"missing required field"), "missing"),
    (re.compile(r"^Expected `str`"), "string_type"),
    (re.compile(r"^Expected `int`"), "int_type"),
    (re.compile(r"^Expected `float`"), "float_type"),
    (re.compile(r"^Expected `bool`"), "bool_type"),
    (re.compile(r"^Expected `array`"), "list_type"),
    (re.compile(r"^Expected `object`"), "model_type"),
    (re.compile(r"^Invalid (?:enum )?value"), "enum"),
    (re.compile(r"not valid JSON"), "json_invalid"),
)


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A refused request, in one sentence."""

    detail: str


class ValidationError(msgspec.Struct, frozen=True, kw_only=True):
    """One field that does not fit."""

    loc: Sequence[str | int]
    msg: str
    type: str


class HTTPValidationError(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose fields do not fit."""

    detail: Sequence[ValidationError]


def render_refusal(refusal: Refusal) -> Reply:
    """The body of a refusal.

    What names fields, and what is wrong with the request's form, is a 422 with a list; anything
    else is one sentence. A spec that asks for something impossible is a 400, as the service does.
    """
    faults = refusal.faults
    if refusal.status in {400, _INVALID} and (faults or refusal.code == "invalid_request"):
        listed = faults or (FieldFault(place=refusal.place, path="", reason=refusal.message),)
        detail = [_validation_error(fault, refusal) for fault in listed]
        return Reply(status=_INVALID, body=encode(HTTPValidationError(detail=detail)))
    status = 400 if refusal.status == _INVALID else refusal.status
    return Reply(status=status, body=encode(ErrorDetail(detail=refusal.message)))


def refusal_type(status: int) -> type[ErrorDetail | HTTPValidationError]:
    """The type of the body of a refusal with this status."""
    return HTTPValidationError if status == _INVALID else ErrorDetail


def field_place(fault: FieldFault) -> list[str | int]:
    """Where a field is, as a list: its part of the request, then names and positions."""
    parts: list[str | int] = [fault.place]
    parts.extend(
        int(part) if part.isascii() and part.isdigit() else part
        for part in _PARTS.findall(fault.path)
    )
    return parts


def _validation_error(fault: FieldFault, refusal: Refusal) -> ValidationError:
    # A reason such as "unknown" says little without its sentence.
    is_terse = " " not in fault.reason
    message = f"{fault.reason}: {refusal.message}" if is_terse else fault.reason
    return ValidationError(loc=field_place(fault), msg=message, type=_fault_type(fault.reason))


def _fault_type(reason: str) -> str:
    for pattern, name in _TYPES:
        if pattern.search(reason):
            return name
    return "value_error"


encode: Final = msgspec.json.Encoder().encode
