"""Asks one model's server once: the answer whole or in pieces, or the error that stands for it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
import msgspec

from outlast.inference.endpoints import Endpoint
from outlast.inference.models import ServedModel
from outlast.inference.questions import Chat, Question
from outlast.inference.rates import RateLimiter
from outlast.inference.refusals import failure_of, refusal_of
from outlast.operations.errors import BackendFailed

REFUSAL_BYTES_MAX: Final = 64 * 1024
_OK: Final = 200
_BROKEN: Final = (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError)


class Answered(msgspec.Struct, frozen=True):
    """What matters in an answer that is not streamed."""

    choices: list[Any] = []
    usage: dict[str, Any] | None = None


class Asking:
    """One question to one server."""

    def __init__(
        self,
        model: ServedModel,
        endpoint: Endpoint,
        rates: RateLimiter,
        question: Question,
        answer_bytes_max: int,
    ) -> None:
        self.endpoint = endpoint
        self._timeout_seconds = model.timeout_seconds
        self._rates = rates
        self._question = question
        self._bytes_max = answer_bytes_max

    async def answer(self) -> tuple[bytes, Answered]:
        """The answer's body, and what matters in it. Raises BackendRefused, BackendFailed ..."""
        body = self._question.encode(self.endpoint.model)
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._response(body) as response,
            ):
                content = await _read(response, self._bytes_max)
        except _BROKEN as error:
            raise failure_of(self.endpoint, error) from error
        try:
            answered = _decoder.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BackendFailed("the model's server answered with what is no answer") from None
        self.settle(answered.usage)
        return content, answered

    async def pieces(self, chat: Chat, *, with_usage: bool) -> AsyncGenerator[bytes, None]:
        """The bytes of a streamed answer. `with_usage` asks for the usage at its end."""
        options = {**chat.stream_options, "include_usage": True}
        body = chat.encode(
            self.endpoint.model, **({"stream_options": options} if with_usage else {})
        )
        try:
            async with self._response(body) as response:
                async for piece in response.aiter_bytes():
                    yield piece
        except _BROKEN as error:
            raise failure_of(self.endpoint, error) from error

    def settle(self, usage: dict[str, Any] | None) -> None:
        """Tell the rate limit what the answer did cost."""
        used = (usage or {}).get("total_tokens")
        if isinstance(used, int):
            self._rates.correct(self._question.tokens, used)

    @asynccontextmanager
    async def _response(self, body: bytes) -> AsyncIterator[httpx2.Response]:
        endpoint = self.endpoint
        headers = {
            "authorization": f"Bearer {endpoint.api_key}",
            "content-type": "application/json",
            # What is not compressed cannot be a bomb, and is passed on as it is.
            "accept-encoding": "identity",
        }
        url = endpoint.base_url + self._question.path
        async with endpoint.http.stream("POST", url, content=body, headers=headers) as response:
            if response.status_code != _OK:
                said = await _read(response, REFUSAL_BYTES_MAX, is_cut=True)
                raise refusal_of(endpoint, response.status_code, response.headers, said)
            yield response


async def _read(response: httpx2.Response, bytes_max: int, *, is_cut: bool = False) -> bytes:
    pieces: list[bytes] = []
    left = bytes_max
    async for piece in response.aiter_bytes():
        left -= len(piece)
        if left < 0:
            if is_cut:
                break
            raise BackendFailed(f"the answer is larger than {bytes_max} bytes")
        pieces.append(piece)
    return b"".join(pieces)


_decoder: Final = msgspec.json.Decoder(Answered)
