"""How many requests a backend is asked at once, and how many may wait for their turn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from outlast.inference.models import ServedModel
from outlast.inference.rates import RateLimiter
from outlast.operations.errors import RateLimited

WAITING_PER_SLOT: Final = 4
"""For each request that may run, so many may wait."""

WAIT_SECONDS: Final = 30.0
"""How long a request waits for its turn before it is told to come again."""


class Turnstile:
    """Lets the requests to one backend through as its limits allow. For one event loop."""

    def __init__(self, model: ServedModel, wait_seconds: float = WAIT_SECONDS) -> None:
        self._slots = asyncio.Semaphore(model.concurrency)
        self._waiting_max = model.concurrency * WAITING_PER_SLOT
        self._waiting = 0
        self._wait_seconds = wait_seconds
        self._rates = RateLimiter(
            requests_per_minute=model.requests_per_minute,
            tokens_per_minute=model.tokens_per_minute,
        )

    @asynccontextmanager
    async def turn(self, tokens: float) -> AsyncIterator[RateLimiter]:
        """The right to ask once, for about so many tokens. Raises RateLimited."""
        await self._enter(tokens)
        try:
            yield self._rates
        finally:
            self._slots.release()

    async def _enter(self, tokens: float) -> None:
        if self._waiting >= self._waiting_max:
            raise RateLimited("too many requests wait for this model; try again later")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._slots.acquire()
                try:
                    await self._rates.acquire(tokens)
                except BaseException:
                    self._slots.release()
                    raise
        except TimeoutError:
            raise RateLimited(
                f"this model was busy for {self._wait_seconds:g} s; try again later"
            ) from None
        finally:
            self._waiting -= 1
