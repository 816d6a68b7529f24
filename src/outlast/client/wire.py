"""Requests and answers as values, with no socket in sight."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from outlast.client.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Refused,
    Unauthenticated,
    Unavailable,
    UnreadableAnswer,
)

T = TypeVar("T")

TRANSIENT_STATUSES: Final = frozenset({429, 502, 503, 504})
"""Answers after which the same request may succeed."""

_BY_STATUS: Final[Mapping[int, type[Refused]]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    429: Unavailable,
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request.

    `repeatable`: sending it twice does what sending it once does. `read_seconds` is how long the
    answer may take, if not as long as usual. `file` is streamed as the body.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    file: Path | None = None
    repeatable: bool = True
    read_seconds: float | None = None


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read to its end. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def retry_after_seconds(self) -> float | None:
        """What `Retry-After` says, in seconds; None without one."""
        try:
            return max(0.0, float(self.headers["retry-after"]))
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True)
class Lost:
    """No answer. `sent`: the server may have received the request all the same."""

    reason: str
    sent: bool


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request, and how to read the answer to it."""

    request: Request
    read: Callable[[Answer], T]


def decoding(type: type[T]) -> Callable[[Answer], T]:
    """Reads an answer's JSON as this type."""
    return lambda answer: read_json(answer, type)


def read_json(answer: Answer, type: type[T]) -> T:
    """The answer's JSON as this type. Raises UnreadableAnswer."""
    try:
        return msgspec.json.decode(answer.body, type=type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableAnswer(
            f"the answer ({answer.status}) is not one of an Outlast server: {error}", answer.status
        ) from error


def nothing(_: Answer) -> None:
    """Reads an answer that has no body."""


def refusal(answer: Answer) -> Refused:
    """The error that an answer of 400 or more stands for, whoever sent it."""
    try:
        problem = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    fallback = Unavailable if answer.status >= 500 else InvalidRequest  # noqa: PLR2004  HTTP's 5xx
    raised = _BY_STATUS.get(answer.status, fallback)
    return raised(
        str(problem.get("detail") or problem.get("title") or f"HTTP {answer.status}"),
        code=str(problem.get("code") or f"http_{answer.status}"),
        status=answer.status,
        field_errors=_mapping(problem.get("field_errors")),
        details=_mapping(problem.get("details")),
        request_id=problem.get("request_id") or answer.headers.get("x-request-id"),
    )


def path(*parts: str) -> str:
    """An absolute path of the API whose parts are escaped, whatever is in them."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def json_request(method: str, path: str, body: object, **rest: Any) -> Request:
    """A request with a JSON body; keys whose value is None are left out of an object."""
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if value is not None}
    headers = {"content-type": "application/json", **rest.pop("headers", {})}
    return Request(
        method=method, path=path, body=msgspec.json.encode(body), headers=headers, **rest
    )


def query(**values: Any) -> list[tuple[str, str]]:
    """Query parameters; those that are None are left out, sequences repeat their name."""
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        if value is None:
            continue
        many = value if isinstance(value, list | tuple | set | frozenset) else [value]
        pairs.extend((name, str(one)) for one in many)
    return pairs


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
