"""Asking a backend for one row: again and again where that may help, and not for ever."""

import asyncio
import random
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx2
import msgspec
import openai

from outlast.clock import Clock
from outlast.inference.endpoints import NO_KEY, Endpoint
from outlast.inference.rates import RateLimiter
from outlast.kinds.batch.plan import Patience
from outlast.kinds.batch.record import Usage
from outlast.kinds.batch.requests import EndpointPath

_BAD_KEY: Final = (401, 403)
_BUSY: Final = 429
_PASSING: Final = frozenset({408, 409, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_OK: Final = 200
_SHOWN: Final = 300
_ERROR_BODY_BYTES_MAX: Final = 64 * 1024
_TOKEN_BYTES: Final = 4
_MICROSECONDS: Final = 1_000_000
_PAUSE_SECONDS_LIMIT: Final = 86_400.0
_HEADERS: Final = {"Content-Type": "application/json"}


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request.

    `body` is the JSON object that the backend answered with, if any, in one line. `message` says
    why there is no good answer, and is None for one.
    """

    status: int | None = None
    request_id: str | None = None
    body: bytes | None = None
    message: str | None = None
    usage: Usage | None = None


class BackendBroken(Exception):
    """The backend answers nothing any more. The batch can go on when it does again."""

    def __init__(self, code: str, message: str, *, after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.after_seconds = after_seconds


class _Passing(Exception):
    """A try that failed in a way that may pass."""

    def __init__(self, reply: Reply, *, after_seconds: float | None = None) -> None:
        super().__init__(reply.message)
        self.reply = reply
        self.after_seconds = after_seconds

    @property
    def is_busy(self) -> bool:
        """Whether the backend asked for a pause."""
        return self.reply.status == _BUSY


class Caller:
    """Asks one endpoint on behalf of one batch. `is_last` tells whether no row waits any more.

    An answer takes `timeout_seconds` at most, from the first byte of the request to its last.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        path: EndpointPath,
        limiter: RateLimiter,
        *,
        clock: Clock,
        is_last: Callable[[], bool],
        timeout_seconds: float,
        patience: Patience,
    ) -> None:
        self._client = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            http_client=endpoint.http,
            max_retries=0,
        )
        self._path = path.removeprefix("/v1")
        self._key = endpoint.api_key.encode()
        self._limiter = limiter
        self._clock = clock
        self._is_last = is_last
        self._timeout_seconds = timeout_seconds
        self._patience = patience
        self._good_at = self._alive_at = _now()
        self._has_answered = False

    async def call(self, content: bytes, tokens_max: int) -> Reply:
        """Ask until there is an answer, good or not. Raises BackendBroken."""
        rounds = tries = 0
        failed_at = _now()
        estimate = len(content) / _TOKEN_BYTES + tokens_max
        while True:
            await self._limiter.acquire(estimate)
            try:
                reply = await self._try(content)
            except _Passing as failed:
                rounds, tries = rounds + 1, tries + (not failed.is_busy)
                if self._is_hopeless(failed, tries, failed_at):
                    return failed.reply
                failed_at = _now()
                await self._pause(failed, rounds)
            else:
                self._good_at = self._alive_at = _now()
                self._has_answered = True
                if reply.usage is not None:
                    self._limiter.correct(estimate, reply.usage.total_tokens)
                return reply

    def _is_hopeless(self, failed: _Passing, tries: int, failed_before_at: float) -> bool:
        """Whether the row has failed, rather than the backend, which raises BackendBroken.

        The row has, if others got good answers while it was between its last two tries, or if it is
        one of the last of a batch that the backend has answered otherwise.
        """
        patience, now = self._patience, _now()
        if failed.is_busy:
            self._alive_at = now
            if now - self._good_at > patience.busy_seconds:
                raise _broken(failed)
            return False
        if tries < patience.attempts_max:
            return False
        if self._good_at > failed_before_at:
            return True
        if now - self._alive_at <= patience.broken_seconds:
            return False
        if self._has_answered and self._is_last():
            return True
        raise _broken(failed)

    async def _pause(self, failed: _Passing, rounds: int) -> None:
        patience = self._patience
        delay = min(patience.delay_seconds * 2 ** min(rounds, 16), patience.delay_seconds_max)
        delay *= 1 - random.random() / 2  # noqa: S311  jitter is not a secret
        asked = failed.after_seconds
        if asked is not None and asked > patience.pause_seconds_max:
            raise _broken(failed)
        if failed.is_busy:
            self._limiter.pause(delay if asked is None else asked)
            return
        await asyncio.sleep(delay if asked is None else max(asked, delay))

    async def _try(self, content: bytes) -> Reply:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._client.post(
                    self._path,
                    cast_to=httpx2.Response,
                    content=content,
                    options={"headers": _HEADERS},
                )
        except openai.APIStatusError as error:
            return self._refusal(error.response)
        except (openai.APITimeoutError, TimeoutError) as error:
            raise _Passing(Reply(message="the backend did not answer in time")) from error
        except openai.APIConnectionError as error:
            raise _Passing(Reply(message=self._scrub(_said(error)))) from error
        answer = _read_answer(response.content)
        if answer is None:
            raise _Passing(Reply(message="the backend's answer is not a JSON object"))
        return Reply(
            status=_OK,
            request_id=_request_id(response),
            body=_in_one_line(response.content),
            usage=_usage_of(answer),
        )

    def _refusal(self, response: httpx2.Response) -> Reply:
        """An answer that is none. Raises _Passing for one that may pass."""
        status = response.status_code
        body = self._scrub_bytes(response.content[:_ERROR_BODY_BYTES_MAX])
        said = _message_of(body)
        message = f"the backend answered {status}" + (f": {said}" if said else "")
        reply = Reply(
            status=status,
            request_id=_request_id(response),
            body=None if _read_answer(body) is None else _in_one_line(body),
            message=message,
        )
        if status in _BAD_KEY:
            raise BackendBroken("backend_refused", f"{message} (is its key right?)")
        if status == _BUSY or status in _PASSING:
            raise _Passing(reply, after_seconds=self._retry_after(response))
        return reply

    def _retry_after(self, response: httpx2.Response) -> float | None:
        """How long the backend wants to be left alone: in seconds, or until a date."""
        text = response.headers.get("retry-after")
        if text is None:
            return None
        try:
            seconds = float(text)
        except ValueError:
            try:
                until = parsedate_to_datetime(text).timestamp()
            except (ValueError, OverflowError):
                return None
            seconds = until - self._clock() / _MICROSECONDS
        return min(max(0.0, seconds), _PAUSE_SECONDS_LIMIT)

    def _scrub(self, text: str) -> str:
        return self._scrub_bytes(text.encode(errors="replace")).decode(errors="replace")[:_SHOWN]

    def _scrub_bytes(self, text: bytes) -> bytes:
        """Without the key, which some backends say again when they refuse it."""
        return text if self._key == NO_KEY.encode() else text.replace(self._key, b"[key]")


def _broken(failed: _Passing) -> BackendBroken:
    code = "backend_busy" if failed.is_busy else "backend_unavailable"
    message = failed.reply.message or "the backend does not answer"
    return BackendBroken(code, message, after_seconds=failed.after_seconds)


def _said(error: openai.APIConnectionError) -> str:
    cause = error.__cause__ or error
    return f"the backend cannot be reached: {str(cause) or type(cause).__name__}"


class _Error(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Error | str = ""


def _message_of(body: bytes) -> str:
    """What an error's body says in one line."""
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode(errors="replace").strip().split("\n", 1)[0][:_SHOWN]
    return (error if isinstance(error, str) else error.message)[:_SHOWN]


class _Answer(msgspec.Struct):
    usage: msgspec.Raw = msgspec.Raw()


def _read_answer(body: bytes) -> _Answer | None:
    """The answer, if it is a JSON object."""
    try:
        return _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _usage_of(answer: _Answer) -> Usage | None:
    try:
        return _USAGE.decode(answer.usage) if answer.usage else None
    except msgspec.DecodeError:
        return None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_USAGE: Final[msgspec.json.Decoder[Usage | None]] = msgspec.json.Decoder(Usage | None)


def _in_one_line(body: bytes) -> bytes:
    """The same JSON without line breaks: it becomes a line of a file."""
    return msgspec.json.format(body, indent=-1) if b"\n" in body or b"\r" in body else body


def _request_id(response: httpx2.Response) -> str | None:
    found: Any = response.headers.get("x-request-id")
    return None if found is None else str(found)[:_SHOWN]


def _now() -> float:
    return asyncio.get_running_loop().time()
