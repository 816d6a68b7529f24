"""Asks a model for as long as that may help, in the words of an attempt: Retry and Fatal."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

from outlast.inference.asking import Asking
from outlast.inference.endpoints import ANSWER_BYTES_MAX, Endpoint
from outlast.inference.models import ServedModel
from outlast.inference.questions import Question
from outlast.inference.turnstile import Turnstile
from outlast.operations.errors import (
    BackendFailed,
    BackendRefused,
    BackendTimedOut,
    Fatal,
    RateLimited,
    Retry,
)

_TRIES_MAX: Final = 4
_SLOW_DOWN: Final = 429

T = TypeVar("T")


class PatientAsker:
    """Asks one model's server, as many questions at once as its limits allow."""

    def __init__(
        self, model: ServedModel, endpoint: Endpoint, *, tries_max: int = _TRIES_MAX
    ) -> None:
        self._model = model
        self._endpoint = endpoint
        self._turnstile = Turnstile(model)
        self._tries_max = tries_max

    async def ask(self, question: Question, read: Callable[[bytes], T]) -> T:
        """What `read` finds in the answer's body; it raises BackendFailed for what is no answer.

        Raises Retry for a server that gives none, Fatal for one that refuses.
        """
        found, _ = await self.ask_timed(question, read)
        return found

    async def ask_timed(self, question: Question, read: Callable[[bytes], T]) -> tuple[T, float]:
        """The same, and how many seconds the answer took, without what was waited before."""
        for tries in range(self._tries_max):
            try:
                async with self._turnstile.turn(question.tokens) as rates:
                    asking = Asking(self._model, self._endpoint, rates, question, ANSWER_BYTES_MAX)
                    began = time.perf_counter()
                    body, _ = await asking.answer()
                    seconds = time.perf_counter() - began
                return read(body), seconds
            except (BackendFailed, BackendTimedOut, RateLimited, BackendRefused) as error:
                if isinstance(error, BackendRefused) and error.status != _SLOW_DOWN:
                    raise Fatal("backend_refused", error.message) from error
                if tries + 1 == self._tries_max:
                    _give_up(error)
            await asyncio.sleep(2**tries * (0.5 + random.random() / 2))  # noqa: S311  jitter
        raise AssertionError


def _give_up(error: BackendFailed | BackendTimedOut | RateLimited | BackendRefused) -> NoReturn:
    raise Retry(code="backend_unavailable", message=error.message) from error
