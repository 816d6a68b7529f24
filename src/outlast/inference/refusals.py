"""What a failure of a model's server means for who asked: which error, and in which words."""

import re
from typing import Any, Final

import httpx2
import msgspec

from outlast.inference.endpoints import Endpoint
from outlast.operations.errors import (
    BackendFailed,
    BackendRefused,
    BackendTimedOut,
    OutlastError,
)

TEXT_CHARS_MAX: Final = 1000
_OUR_FAULT: Final = frozenset({401, 403, 404, 405, 407, 408})
"""What a request cannot have caused: the key, the model's name and the address are the server's."""

_BEARER: Final = re.compile(r"(?i)\bbearer\s+\S+|\bsk-\S+")
_RETRY_AFTER_CHARS_MAX: Final = 64


def refusal_of(
    endpoint: Endpoint, status: int, headers: httpx2.Headers, body: bytes
) -> OutlastError:
    """The error for an answer that is none."""
    text = readable(body, endpoint.api_key)
    if 400 <= status < 500 and status not in _OUR_FAULT:  # noqa: PLR2004  what HTTP says
        return BackendRefused(
            text or f"the model's server answered {status}",
            status=status,
            retry_after=headers.get("retry-after", "")[:_RETRY_AFTER_CHARS_MAX] or None,
        )
    if status in {401, 403}:
        return BackendFailed("the model's server does not accept this server's key")
    if status == 504:  # noqa: PLR2004  what HTTP says
        return BackendTimedOut("the model's server says that it took too long")
    return BackendFailed(f"the model's server answered {status}{': ' if text else ''}{text}")


def failure_of(endpoint: Endpoint, error: Exception) -> OutlastError:
    """The error for an answer that did not come, or broke off."""
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return BackendTimedOut()
    reason = scrubbed(str(error) or type(error).__name__, endpoint.api_key)
    return BackendFailed(f"the model's server failed: {reason}")


def readable(body: bytes, key: str) -> str:
    """What a server says in the body of a refusal, where it says it in one of the usual ways."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return scrubbed(message_in(document), key)


def message_in(document: Any) -> str:
    """The sentence in an error document, or nothing."""
    for name in ("error", "message", "detail"):
        found = document.get(name) if isinstance(document, dict) else None
        if isinstance(found, str):
            return found
        if isinstance(found, dict | list):
            return message_in(found) or msgspec.json.encode(found).decode()
    return ""


def scrubbed(text: str, key: str) -> str:
    """A text that may be shown: bounded, printable, and without keys."""
    if key:
        text = text.replace(key, "[key]")
    text = _BEARER.sub("[key]", text[: 2 * TEXT_CHARS_MAX])
    return "".join(char if char.isprintable() else " " for char in text)[:TEXT_CHARS_MAX].strip()
