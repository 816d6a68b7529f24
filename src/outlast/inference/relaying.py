"""Relays requests to the servers of models, and logs the chats.

A server is asked with its own key and its own name for the model; the caller's key never leaves.
What it says when it fails is shown bounded, and without keys.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final

from outlast.engine.access import Principal, Verb
from outlast.engine.preparing import TenantCatalog
from outlast.inference.asking import Asking
from outlast.inference.models import ServedModel, find_model, list_models
from outlast.inference.questions import Chat, Question, Record
from outlast.inference.streams import DONE_EVENT, EventRelay
from outlast.inference.turnstile import Turnstile
from outlast.inference.warm import WarmEndpoints
from outlast.operations.errors import OutlastError
from outlast.resources.chat_log import ChatLog
from outlast.store.port import CatalogStore

_DRAIN_SECONDS: Final = 1.0


class Relay:
    """The models of all tenants; every call is scoped by its principal.

    Whoever asks is told by NotFound, RateLimited, BackendRefused, BackendFailed, BackendTimedOut or
    Unavailable why there is no answer.
    """

    def __init__(
        self,
        catalog: CatalogStore,
        endpoints: WarmEndpoints,
        log: ChatLog,
        *,
        answer_bytes_max: int,
    ) -> None:
        self._catalog = catalog
        self._endpoints = endpoints
        self._log = log
        self._answer_bytes_max = answer_bytes_max
        self._turnstiles: dict[str, Turnstile] = {}

    async def models(self, principal: Principal) -> Sequence[ServedModel]:
        """Every model that the principal can ask."""
        principal.require(Verb.READ)
        return await list_models(TenantCatalog(self._catalog, principal.tenant))

    async def model(self, principal: Principal, name: str) -> ServedModel:
        """The model of this name. Raises NotFound, naming those that are known."""
        principal.require(Verb.READ)
        return await find_model(TenantCatalog(self._catalog, principal.tenant), name)

    async def ask(self, principal: Principal, question: Question) -> bytes:
        """The answer's body."""
        async with self._asking(principal, question) as asking:
            body, _ = await asking.answer()
            return body

    async def chat(self, principal: Principal, chat: Chat) -> bytes:
        """The answer's body; the chat is in the log, unless it is private or nothing is logged."""
        record = await self._record(principal, chat)
        async with self._asking(principal, chat) as asking, record:
            body, answered = await asking.answer()
            record.choices, record.usage = answered.choices, answered.usage
        return body

    async def stream(self, principal: Principal, chat: Chat) -> AsyncGenerator[bytes, None]:
        """The answer's events, logged as by `chat`.

        What is raised after the first event tells of an answer that broke off.
        """
        record = await self._record(principal, chat)
        # What was not asked for is kept back: that usage is for the log.
        hides_usage = record.is_kept and not chat.asks_usage
        async with (
            self._asking(principal, chat) as asking,
            aclosing(asking.pieces(chat, with_usage=hides_usage)) as pieces,
        ):
            events = EventRelay(
                asking.endpoint, hides_usage=hides_usage, bytes_max=self._answer_bytes_max
            )
            record.watch(events.assembly)
            async with record:
                async for piece in pieces:
                    passed = events.feed(piece)
                    if passed:
                        yield passed
                    if events.is_done:
                        break
                events.end()
            asking.settle(events.assembly.usage)
            # Now that the chat is in the log.
            yield DONE_EVENT
            await _drain(pieces)

    async def _record(self, principal: Principal, chat: Chat) -> Record:
        is_kept = not chat.is_private and await self._log.is_enabled(principal)
        return Record(self._log if is_kept else None, principal, chat)

    @asynccontextmanager
    async def _asking(self, principal: Principal, question: Question) -> AsyncIterator[Asking]:
        principal.require(Verb.SUBMIT)
        model = await self.model(principal, question.model)
        place = model.backend or model.name
        turnstile = self._turnstiles.get(place)
        if turnstile is None:
            turnstile = self._turnstiles[place] = Turnstile(model)
        async with (
            turnstile.turn(question.tokens) as rates,
            self._endpoints.endpoint(model) as endpoint,
        ):
            yield Asking(model, endpoint, rates, question, self._answer_bytes_max)


async def _drain(pieces: AsyncGenerator[bytes, None]) -> None:
    """Read what follows the last event, which is nothing: the connection is used again."""
    with contextlib.suppress(TimeoutError, OutlastError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in pieces:
                pass
