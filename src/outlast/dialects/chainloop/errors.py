"""Refusals: a code of gRPC, and the HTTP status that a gateway gives to it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from outlast.dialects.port import Refusal, Reply


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A refused request. `code` is one of gRPC's; there are never details."""

    code: int
    message: str
    details: Sequence[dict[str, Any]] = ()


def render_refusal(refusal: Refusal) -> Reply:
    """The answer to a request that was not done."""
    code, status = _BY_CODE.get(refusal.code) or _BY_STATUS.get(refusal.status) or _default(refusal)
    body = Status(code=code, message=_message(refusal))
    return Reply(status=status, body=msgspec.json.encode(body))


def _default(refusal: Refusal) -> tuple[int, int]:
    return _INTERNAL if refusal.status >= _SERVER_ERROR else _INVALID_ARGUMENT


def _message(refusal: Refusal) -> str:
    """The message, with every field that it does not name."""
    named = [
        f"{one.path}: {one.reason}" for one in refusal.faults if one.path not in refusal.message
    ]
    return "; ".join([refusal.message, *named])


_SERVER_ERROR: Final = 500
_INVALID_ARGUMENT: Final = (3, 400)
_DEADLINE_EXCEEDED: Final = 4
_NOT_FOUND: Final = (5, 404)
_ALREADY_EXISTS: Final = (6, 409)
_PERMISSION_DENIED: Final = (7, 403)
_RESOURCE_EXHAUSTED: Final = (8, 429)
_FAILED_PRECONDITION: Final = (9, 400)
_ABORTED: Final = (10, 409)
_UNIMPLEMENTED: Final = 12
_INTERNAL: Final = (13, 500)
_UNAVAILABLE: Final = (14, 503)
_UNAUTHENTICATED: Final = (16, 401)
_BY_CODE: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "illegal_transition": _FAILED_PRECONDITION,
        "not_terminal": _FAILED_PRECONDITION,
        "operation_id_taken": _ALREADY_EXISTS,
        "resource_exists": _ALREADY_EXISTS,
        "resource_in_use": _FAILED_PRECONDITION,
    }
)
_BY_STATUS: Final[Mapping[int, tuple[int, int]]] = MappingProxyType(
    {
        401: _UNAUTHENTICATED,
        403: _PERMISSION_DENIED,
        404: _NOT_FOUND,
        # A gateway says 501 and 504, which blame the server for what the caller did.
        405: (_UNIMPLEMENTED, 405),
        408: (_DEADLINE_EXCEEDED, 408),
        409: _ABORTED,
        429: _RESOURCE_EXHAUSTED,
        501: (_UNIMPLEMENTED, 501),
        502: _UNAVAILABLE,
        503: _UNAVAILABLE,
        504: (_DEADLINE_EXCEEDED, 504),
    }
)
"""What has another number than its class of statuses."""
