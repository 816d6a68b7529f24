"""What the process of a local model answers: OpenAI's bodies, read and written.

What the model cannot do is refused, never ignored: tools, several choices, log probabilities,
formats of the response. What only steers style (penalties, user, metadata) is ignored.
"""

import asyncio
import base64
import secrets
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from outlast.clock import system_clock
from outlast.inference.local_model import CannotServe, LocalModel, Piece, Sampling
from outlast.inference.local_server import refusal

BODY_BYTES_MAX: Final = 16 * 1024 * 1024
_MICROSECONDS: Final = 1_000_000

Text = Annotated[str, msgspec.Meta(min_length=1)]
_REFUSED: Final = ("tools", "functions", "logprobs", "top_logprobs", "audio", "modalities")


class TextPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a message. Images and sound are refused."""

    type: Literal["text"]
    text: str


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart]

    def plain(self) -> dict[str, str]:
        """The message as chat templates know it."""
        if isinstance(self.content, str):
            return {"role": self.role, "content": self.content}
        return {"role": self.role, "content": "".join(part.text for part in self.content)}


class ChatBody(msgspec.Struct, frozen=True, kw_only=True):
    """A chat completion that is asked for."""

    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    model: str | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    seed: int | None = None
    stop: Text | Annotated[list[Text], msgspec.Meta(max_length=16)] | None = None
    n: Literal[1] | None = None

    def sampling(self, tokens_max: int) -> Sampling:
        """How tokens are chosen."""
        asked = self.max_completion_tokens or self.max_tokens or tokens_max
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return Sampling(
            tokens_max=min(asked, tokens_max),
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            seed=self.seed,
            stop=stop,
        )


class EmbeddingsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Embeddings that are asked for."""

    input: Text | Annotated[list[Text], msgspec.Meta(min_length=1, max_length=2048)]
    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = None


class Busy(Exception):
    """So many wait already that this one shall come again."""


class Answers:
    """The routes of one model."""

    def __init__(self, model: LocalModel, name: str, *, tokens_max: int, waiting_max: int) -> None:
        self._model = model
        self._name = name
        self._tokens_max = tokens_max
        self._waiting_max = waiting_max
        self._waiting = 0
        self._turn = asyncio.Lock()
        self._created = _now()

    async def models(self, request: Request) -> Response:
        """The one model."""
        _ = request
        own = {"id": self._name, "object": "model", "created": self._created, "owned_by": "outlast"}
        return _json({"object": "list", "data": [own]})

    async def chat(self, request: Request) -> Response:
        """A chat completion, whole or as a stream of events."""
        try:
            body = await _read(request, ChatBody)
            messages = [message.plain() for message in body.messages]
            prompt = await asyncio.to_thread(self._model.render, messages)
            pieces = self._pieces(prompt, body.sampling(self._tokens_max))
            # The first one here, so that what is refused is refused with a status.
            first = await anext(pieces)
        except CannotServe as error:
            return refusal(400, str(error))
        except Busy as error:
            return refusal(429, str(error))
        frame = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "created": _now(),
            "model": self._name,
        }
        if body.stream:
            with_usage = bool((body.stream_options or {}).get("include_usage"))
            events = _events(frame, first, pieces, len(prompt) if with_usage else None)
            return StreamingResponse(events, media_type="text/event-stream")
        return await self._whole(request, frame, first, pieces, len(prompt))

    async def embeddings(self, request: Request) -> Response:
        """One vector per text."""
        try:
            body = await _read(request, EmbeddingsBody)
            texts = [body.input] if isinstance(body.input, str) else body.input
            async with self._next_turn():
                vectors, tokens = await asyncio.to_thread(self._model.embed, texts)
        except CannotServe as error:
            return refusal(400, str(error))
        except Busy as error:
            return refusal(429, str(error))
        is_packed = body.encoding_format == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": _packed(vector, is_packed)}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return _json({"object": "list", "data": data, "model": self._name, "usage": usage})

    async def _whole(
        self,
        request: Request,
        frame: dict[str, Any],
        first: Piece,
        pieces: AsyncIterator[Piece],
        prompt_tokens: int,
    ) -> Response:
        texts, last = [first.text], first
        async for piece in pieces:
            texts.append(piece.text)
            last = piece
            if await request.is_disconnected():
                break
        message = {"role": "assistant", "content": "".join(texts), "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": last.finish, "logprobs": None}
        usage = _usage(prompt_tokens, last.tokens)
        return _json(frame | {"object": "chat.completion", "choices": [choice], "usage": usage})

    async def _pieces(self, prompt: list[int], sampling: Sampling) -> AsyncIterator[Piece]:
        async with self._next_turn():
            pieces = self._model.generate(prompt, sampling)
            while (piece := await asyncio.to_thread(_next, pieces)) is not None:
                yield piece

    @asynccontextmanager
    async def _next_turn(self) -> AsyncIterator[None]:
        if self._waiting > self._waiting_max:
            raise Busy(f"{self._waiting_max} requests wait for this model already")
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1


async def _events(
    frame: dict[str, Any], first: Piece, pieces: AsyncIterator[Piece], prompt_tokens: int | None
) -> AsyncIterator[bytes]:
    frame = frame | {"object": "chat.completion.chunk"}
    yield _event(frame, {"role": "assistant", "content": ""}, None)
    last = first
    if first.text:
        yield _event(frame, {"content": first.text}, None)
    async for piece in pieces:
        last = piece
        if piece.text:
            yield _event(frame, {"content": piece.text}, None)
    yield _event(frame, {}, last.finish)
    if prompt_tokens is not None:
        usage = _usage(prompt_tokens, last.tokens)
        yield _line(frame | {"choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _event(frame: dict[str, Any], delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return _line(frame | {"choices": [choice]})


def _line(document: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(document) + b"\n\n"


def _next(pieces: Iterator[Piece]) -> Piece | None:
    return next(pieces, None)


def _usage(prompt_tokens: int, tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": tokens,
        "total_tokens": prompt_tokens + tokens,
    }


def _packed(vector: list[float], is_packed: bool) -> list[float] | str:  # noqa: FBT001  a choice of form
    if not is_packed:
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


async def _read(request: Request, type: Any) -> Any:
    """The request's body. Raises CannotServe for what is malformed or cannot be done here."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > BODY_BYTES_MAX:
            raise CannotServe(f"the body is larger than {BODY_BYTES_MAX} bytes")
    try:
        asked = msgspec.json.decode(content)
        body = msgspec.convert(asked, type)
    except (msgspec.DecodeError, RecursionError) as error:
        raise CannotServe(f"the body is malformed: {error}") from error
    for name in _REFUSED:
        if asked.get(name):
            raise CannotServe(f"{name}: the local server does not do this")
    if (asked.get("response_format") or {"type": "text"}) != {"type": "text"}:
        raise CannotServe("response_format: the local server answers plain text only")
    return body


def _json(document: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")


def _now() -> int:
    return system_clock() // _MICROSECONDS
