"""How fast a backend may be asked: requests and tokens a minute, and pauses that it asks for."""

import asyncio
from typing import Final

_BURST_SECONDS: Final = 5.0
_ROUNDING: Final = 1e-6
_SECONDS_PER_MINUTE: Final = 60.0


class Bucket:
    """Gives out a rate per minute, with at most five seconds of it saved up.

    What is larger than that goes when it is full, and overdraws it: those behind pay that back.
    """

    def __init__(self, per_minute: float, now: float) -> None:
        self._per_second = per_minute / _SECONDS_PER_MINUTE
        self._capacity = max(1.0, self._per_second * _BURST_SECONDS)
        self._level = self._capacity
        self._at = now

    def take(self, amount: float, now: float) -> float:
        """Take an amount; 0, or how many seconds to wait before asking again, and nothing taken."""
        self._fill(now)
        missing = min(amount, self._capacity) - self._level
        if missing > _ROUNDING:
            return missing / self._per_second
        self._level -= amount
        return 0.0

    def give_back(self, amount: float) -> None:
        """Correct what was taken; a negative amount takes more."""
        self._level = min(self._capacity, self._level + amount)

    def _fill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + (now - self._at) * self._per_second)
        self._at = now


class RateLimiter:
    """Lets requests to one backend begin no faster than it allows. For one event loop."""

    def __init__(self, *, requests_per_minute: int | None, tokens_per_minute: int | None) -> None:
        now = _now()
        self._requests = requests_per_minute and Bucket(requests_per_minute, now)
        self._tokens = tokens_per_minute and Bucket(tokens_per_minute, now)
        self._paused_until = now

    async def acquire(self, tokens: float) -> None:
        """Wait until a request that will cost about so many tokens may begin."""
        while True:
            wait = self._wait(tokens)
            if wait <= 0:
                return
            await asyncio.sleep(wait)

    def correct(self, estimated: float, used: float) -> None:
        """Tell what a request did cost in tokens."""
        if self._tokens:
            self._tokens.give_back(estimated - used)

    def pause(self, seconds: float) -> None:
        """Let nothing begin for so long."""
        self._paused_until = max(self._paused_until, _now() + seconds)

    def _wait(self, tokens: float) -> float:
        now = _now()
        if now < self._paused_until:
            return self._paused_until - now
        if self._tokens and (wait := self._tokens.take(tokens, now)):
            return wait
        if self._requests and (wait := self._requests.take(1, now)):
            if self._tokens:
                self._tokens.give_back(tokens)
            return wait
        return 0.0


def _now() -> float:
    return asyncio.get_running_loop().time()
