"""Refusals: problem documents that lead to the log, and a 401 that says all in a header."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import msgspec

from outlast.dialects.port import FieldFault, Refusal, Reply

CANCELLED: Final = 499
"""The status that stands in an operation for one that was cancelled."""

_INVALID: Final = 422
_UNAUTHENTICATED: Final = (
    'Bearer error="invalid_token", '
    'error_description="The token is missing or unknown, was revoked or has expired", '
    'error_uri="https://tools.ietf.org/html/rfc6750#section-3.1"'
)
_TITLES: Final = {CANCELLED: "Cancelled", HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Content Too Large"}


class Problem(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A refused request. By its `traceId` the server's log has more."""

    detail: str
    status: int
    title: str
    trace_id: str


def render_refusal(refusal: Refusal) -> Reply:
    """The answer to a request that was not done. What does not fit is always a 400 here."""
    trace = ("X-GDC-TRACE-ID", refusal.request_id)
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers = [("WWW-Authenticate", _UNAUTHENTICATED), trace]
        return Reply(status=refusal.status, headers=headers, media=_MEDIA)
    status = int(HTTPStatus.BAD_REQUEST) if refusal.status == _INVALID else refusal.status
    problem = Problem(
        detail=sentence(refusal.message, refusal.faults),
        status=status,
        title=title_of(status),
        trace_id=refusal.request_id,
    )
    return Reply(status=status, headers=[trace], body=msgspec.json.encode(problem), media=_MEDIA)


def refusal_type(status: int) -> type[Problem] | None:
    """The type of the body of a refusal with this status, or None if it has none."""
    return None if status == HTTPStatus.UNAUTHORIZED else Problem


def title_of(status: int) -> str:
    """What a status is called."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


def renamed(path: str, names: Mapping[str, str]) -> str:
    """A path whose first step has another name."""
    return _FIRST_STEP.sub(lambda step: names.get(step[0], step[0]), path, count=1)


def sentence(message: str, faults: Sequence[FieldFault]) -> str:
    """A message that names every field that is meant: the wire has no place beside it."""
    if len(faults) == 1 and faults[0].reason == message:
        return f"{faults[0].path}: {message}"
    unnamed = [f"{one.path}: {one.reason}" for one in faults if one.path not in message]
    return "; ".join([message, *unnamed])


_FIRST_STEP: Final = re.compile(r"\w+")
_MEDIA: Final = "application/problem+json"
