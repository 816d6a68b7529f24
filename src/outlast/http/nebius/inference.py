"""The routes of chats, embeddings and models in the Nebius dialect: OpenAI's API."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, TypeVar

import msgspec

from outlast.dialects.nebius.errors import ErrorDetail
from outlast.dialects.nebius.inference import (
    PRIVATE_HEADER,
    PRIVATE_WORD,
    ChatCompletion,
    ChatRequest,
    EmbeddingList,
    EmbeddingRequest,
    Model,
    ModelList,
    error_event,
    parameters_of,
    passed_on,
)
from outlast.engine.access import Verb
from outlast.http.parsing import read_json_and_body
from outlast.http.parts import Parts
from outlast.http.rendering import encode
from outlast.http.routing import Answer, Call, Header, Parameter, Route
from outlast.http.streaming import begin, while_connected
from outlast.inference.models import ServedModel
from outlast.inference.questions import CHAT, EMBEDDINGS, Chat, Question
from outlast.inference.relaying import Relay
from outlast.operations.errors import BackendRefused, Invalid, OutlastError
from outlast.operations.model import SECOND

T = TypeVar("T")

EVENTS: Final = "text/event-stream"
_ERRORS: Final = (
    "backend_failed",
    "backend_refused",
    "backend_timed_out",
    "not_found",
    "rate_limited",
    "request_timeout",
    "too_large",
    "unsupported_media_type",
)
_PRIVATE: Final = Parameter(
    name=PRIVATE_HEADER,
    schema={"type": "string", "enum": [PRIVATE_WORD]},
    says="Keeps this chat out of the log, as `store: false` does.",
)


class InferenceRoutes:
    """The routes of /v1/chat/completions, /v1/embeddings and /v1/models."""

    def __init__(self, parts: Parts, relay: Relay) -> None:
        self._relay = relay
        self._body_bytes_max = parts.limits.chat_body_bytes
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._of_models(), *self._of_questions()]

    def _of_questions(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path="/v1/chat/completions",
                handle=self._chat,
                says="Complete a chat, at once or as a stream of server-sent events",
                verb=Verb.SUBMIT,
                headers=(_PRIVATE,),
                body=ChatRequest,
                answers={200: ChatCompletion},
                answer_media=("application/json", EVENTS),
                errors=_ERRORS,
            ),
            Route(
                method="POST",
                path="/v1/embeddings",
                handle=self._embed,
                says="Embed texts",
                verb=Verb.SUBMIT,
                body=EmbeddingRequest,
                answers={200: EmbeddingList},
                errors=_ERRORS,
            ),
        ]

    def _of_models(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/v1/models",
                handle=self._list,
                says="Every model that can be asked",
                verb=Verb.READ,
                answers={200: ModelList},
            ),
            Route(
                method="GET",
                path="/v1/models/{model:path}",
                handle=self._get,
                says="A model",
                verb=Verb.READ,
                answers={200: Model},
                errors=("not_found",),
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        found = await self._relay.models(call.principal)
        return Answer(body=encode(ModelList(data=[_model(model) for model in found])))

    async def _get(self, call: Call) -> Answer:
        found = await self._relay.model(call.principal, call.params["model"])
        return Answer(body=encode(_model(found)))

    async def _embed(self, call: Call) -> Answer:
        request, body = await self._read(call, EmbeddingRequest)
        fields = passed_on(_decoder.decode(body))
        question = Question(model=request.model, path=EMBEDDINGS, fields=fields)
        asked = self._relay.ask(call.principal, question)
        try:
            return Answer(body=await while_connected(call.receive, asked))
        except BackendRefused as error:
            return _refusal(error)

    async def _chat(self, call: Call) -> Answer:
        request, body = await self._read(call, ChatRequest)
        chat = _read_chat(request, body, is_private=_is_private(call, request))
        try:
            if not request.stream:
                asked = self._relay.chat(call.principal, chat)
                return Answer(body=await while_connected(call.receive, asked))
            events = _with_last_words(self._relay.stream(call.principal, chat))
            stream = await while_connected(call.receive, begin(events))
        except BackendRefused as error:
            return _refusal(error)
        return Answer(media=EVENTS.encode(), stream=stream)

    async def _read(self, call: Call, type: type[T]) -> tuple[T, bytes]:
        return await read_json_and_body(call, type, self._body_bytes_max, self._body_seconds)


def _read_chat(request: ChatRequest, body: bytes, *, is_private: bool) -> Chat:
    fields = _decoder.decode(body)
    return Chat(
        model=request.model,
        path=CHAT,
        fields=passed_on(fields),
        messages=fields["messages"],
        parameters=parameters_of(fields),
        metadata=request.metadata or {},
        stream_options=request.stream_options or {},
        is_streamed=request.stream is True,
        is_private=is_private,
    )


def _is_private(call: Call, request: ChatRequest) -> bool:
    word = call.header(PRIVATE_HEADER.lower().encode())
    if word is not None and word.lower() != PRIVATE_WORD:
        raise Invalid(f"the header {PRIVATE_HEADER} says {PRIVATE_WORD!r}, or is left out")
    return word is not None or request.store is False


async def _with_last_words(events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The events, and one that tells of the error if they break off: no clean end without one."""
    has_begun = False
    async with aclosing(events):
        try:
            async for piece in events:
                has_begun = True
                yield piece
        except OutlastError as error:
            if not has_begun:
                raise
            yield error_event(error.message, error.code)


def _refusal(error: BackendRefused) -> Answer:
    """What the model's server answered, with its own status: clients go by that."""
    headers: list[Header] = []
    if error.retry_after is not None:
        headers.append((b"retry-after", error.retry_after.encode("latin-1", "replace")))
    detail = encode(ErrorDetail(detail=error.message))
    return Answer(status=error.status, body=detail, headers=headers)


def _model(model: ServedModel) -> Model:
    return Model(
        id=model.name, created=model.created_at // SECOND, owned_by=model.backend or "outlast"
    )


_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
