"""What callers send, checked at the edge: bodies, query strings, headers, instants.

Everything has a limit, and going past it is an error that says so.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Scope

from outlast.http.errors import (
    ClientGone,
    HeadersTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
)
from outlast.http.routing import Call, Route
from outlast.operations import documents
from outlast.operations.errors import Invalid, TooLarge

HEADER_BYTES_MAX: Final = 32 * 1024
QUERY_BYTES_MAX: Final = 8 * 1024
QUERY_NAMES_MAX: Final = 200
BODY_DEPTH_MAX: Final = documents.DEPTH_MAX + 4
INSTANT_FORM: Final = "an RFC 3339 instant such as 2026-11-22T10:00:00Z (in a query, + is %2B)"

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._~-]{1,128}")
_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,6})?")
_INTEGER: Final = re.compile(r"\d{1,18}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TOKEN_NAMES: Final = frozenset({"token", "access_token", "authorization", "bearer", "api_key"})

T = TypeVar("T")


def parse_headers(scope: Scope) -> dict[bytes, bytes]:
    """The request's headers. A header that is repeated has its values joined with commas."""
    headers: dict[bytes, bytes] = {}
    size = 0
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        headers[name] = value if name not in headers else headers[name] + b", " + value
    if size > HEADER_BYTES_MAX:
        raise HeadersTooLarge(f"headers have {size} bytes; at most {HEADER_BYTES_MAX} are allowed")
    return headers


def parse_request_id(headers: Mapping[bytes, bytes]) -> str | None:
    """The caller's own id for the request, or None if there is none that can be kept."""
    value = headers.get(b"x-request-id", b"")
    return value.decode() if _REQUEST_ID.fullmatch(value) else None


def parse_traceparent(call: Call) -> str | None:
    """The W3C trace context, or None unless it is well-formed."""
    value = call.header(b"traceparent")
    return value if value is not None and _TRACEPARENT.fullmatch(value) else None


def parse_query(raw: bytes, route: Route, *, is_strict: bool = True) -> Mapping[str, Sequence[str]]:
    """The query's values by name. A name that the route does not have: Invalid, or left out."""
    if not raw:
        return {}
    if len(raw) > QUERY_BYTES_MAX:
        raise TooLarge(f"the query has {len(raw)} bytes; at most {QUERY_BYTES_MAX} are allowed")
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=QUERY_NAMES_MAX,
        )
    except ValueError as error:
        raise Invalid("the query is malformed, or has too many parts") from error
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        parameter = route.declares(name)
        shown = name[:80]
        if parameter is None:
            if name.lower() in _TOKEN_NAMES:
                raise Invalid(
                    "a token is never taken from a URL, where logs would keep it; "
                    "send it as Authorization: Bearer",
                    field_errors={shown: "not allowed"},
                )
            if not is_strict:
                continue
            raise Invalid(f"unknown query parameter {shown!r}", field_errors={shown: "unknown"})
        if name in values and not parameter.is_repeatable:
            raise Invalid(f"{shown} is given more than once", field_errors={shown: "repeated"})
        if "\0" in value:
            raise Invalid(f"{shown} has a NUL character", field_errors={shown: "malformed"})
        values.setdefault(name, []).append(value)
    return values


def parse_seconds(text: str, name: str, seconds_max: float) -> float:
    """A number of seconds from 0 to a limit."""
    if not _SECONDS.fullmatch(text) or float(text) > seconds_max:
        raise Invalid(
            f"{name} is a number of seconds from 0 to {seconds_max:g}", field_errors={name: "range"}
        )
    return float(text)


def parse_integer(call: Call, name: str, default: int, low: int, high: int) -> int:
    """An integer of the query within limits."""
    text = call.one(name)
    if text is None:
        return default
    if not _INTEGER.fullmatch(text) or not text.isascii() or not low <= int(text) <= high:
        raise Invalid(f"{name} is a number from {low} to {high}", field_errors={name: "range"})
    return int(text)


def parse_instant(text: str, name: str) -> int:
    """An instant as microseconds since the epoch."""
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Invalid(f"{name} is {INSTANT_FORM}", field_errors={name: "malformed"})
    return to_microseconds(moment)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since the epoch of an instant with a time zone; what lies before it is 0."""
    return max(0, (moment - _EPOCH) // timedelta(microseconds=1))


def parse_prefer_wait(call: Call) -> float | None:
    """The wait that the Prefer header asks for (RFC 7240), or None. Bad preferences are ignored."""
    value = call.header(b"prefer")
    for preference in (value or "").split(","):
        name, _, seconds = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            seconds = seconds.strip().strip('"')
            return float(seconds) if _INTEGER.fullmatch(seconds) and seconds.isascii() else None
    return None


async def read_json(call: Call, type_: type[T], bytes_max: int, seconds_max: float) -> T:
    """The request's body as a type. Raises Invalid, naming the field, and what `read_body` does."""
    value, _ = await read_json_and_body(call, type_, bytes_max, seconds_max)
    return value


async def read_json_and_body(
    call: Call, type_: type[T], bytes_max: int, seconds_max: float
) -> tuple[T, bytes]:
    """As `read_json`, with the body itself: for a type that holds only what matters here."""
    check_json_media(call)
    body = await read_body(call, bytes_max, seconds_max)
    return decode_json(body, type_), body


async def read_empty(call: Call, bytes_max: int, seconds_max: float) -> None:
    """Read a body that may only be empty or an empty object."""
    body = await read_body(call, bytes_max, seconds_max)
    if body.strip():
        decode_json(body, _Nothing)


async def read_body(call: Call, bytes_max: int, seconds_max: float) -> bytes:
    """The request's body. Raises TooLarge, RequestTimeout, ClientGone."""
    pieces: list[bytes] = []
    try:
        async with asyncio.timeout(seconds_max):
            async for piece in body_chunks(call, bytes_max):
                pieces.append(piece)  # noqa: PERF401  the pieces before a timeout do not matter
    except TimeoutError:
        raise RequestTimeout(f"the body did not arrive within {seconds_max:g} s") from None
    return b"".join(pieces)


async def upload_chunks(call: Call, bytes_max: int, seconds_max: float) -> AsyncIterator[bytes]:
    """The body piece by piece, each within so many seconds of the one before."""
    chunks = body_chunks(call, bytes_max)
    while True:
        try:
            async with asyncio.timeout(seconds_max):
                piece = await anext(chunks, None)
        except TimeoutError:
            raise RequestTimeout(f"nothing arrived for {seconds_max:g} s") from None
        if piece is None:
            return
        yield piece


async def body_chunks(call: Call, bytes_max: int) -> AsyncIterator[bytes]:
    """The body piece by piece. Raises TooLarge as soon as that is known, and ClientGone."""
    too_large = f"the body is larger than {bytes_max} bytes"
    declared = call.headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared[:18]) > bytes_max:
        raise TooLarge(too_large)
    size, more = 0, True
    while more:
        message = await call.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece, more = message.get("body", b""), message.get("more_body", False)
        size += len(piece)
        if size > bytes_max:
            raise TooLarge(too_large)
        if piece:
            yield piece


def decode_json(body: bytes, type_: type[T]) -> T:
    """JSON as a type. Raises Invalid, naming the field that is wrong, unknown or there twice."""
    brackets = body.count(b"{") + body.count(b"[")
    if brackets > BODY_DEPTH_MAX and documents.depth(body) > BODY_DEPTH_MAX:
        raise Invalid(f"the body is nested deeper than {BODY_DEPTH_MAX} levels")
    try:
        value = msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        raise _invalid_field(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"the body is not valid JSON: {error}") from error
    _check_duplicates(body)
    return value


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """A body without fields."""


def check_json_media(call: Call) -> None:
    """Refuse a body that does not call itself JSON in UTF-8."""
    media, _, parameters = (call.header(b"content-type") or "application/json").partition(";")
    media = media.strip().lower()
    if media != "application/json" and not media.endswith("+json"):
        raise UnsupportedMediaType("send the body as Content-Type: application/json")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if charset not in {"", "utf-8", "utf8"}:
        raise UnsupportedMediaType("JSON is sent as UTF-8")
    check_encoding(call)


def check_encoding(call: Call) -> None:
    """Refuse compressed bodies: their size is not what it seems."""
    if (call.header(b"content-encoding") or "identity").strip().lower() != "identity":
        raise UnsupportedMediaType("send the body without a Content-Encoding")


def _invalid_field(text: str) -> Invalid:
    """A decoder's complaint, with the field that it concerns."""
    reason, _, path = text.partition(" - at `")
    field = path.rstrip("`").removeprefix("$").removeprefix(".")
    named = re.search(r"(?:unknown|required) field `(.*?)`", reason)
    if named:
        field = f"{field}.{named[1]}" if field else named[1]
    return Invalid(text, field_errors={field[:200]: reason[:300]} if field else None)


def _check_duplicates(body: bytes) -> None:
    try:
        _duplicate_finder.decode(body.decode())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise Invalid(f"the body is not valid JSON: {error}") from error


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        twice = next(name for name in names if names.count(name) > 1)[:80]
        raise Invalid(f"the field {twice!r} is there twice", field_errors={twice: "duplicate"})


# Numbers are not needed here, and long ones would be costly to build.
_duplicate_finder: Final = json.JSONDecoder(
    object_pairs_hook=_refuse_duplicates, parse_int=len, parse_float=len
)
