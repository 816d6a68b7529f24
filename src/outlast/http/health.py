"""How the server is: for load balancers, for Prometheus, for people with a doubt."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Final, Literal

import msgspec

from outlast.engine.access import Verb
from outlast.engine.tokens import Tokens
from outlast.http.auth import authenticate
from outlast.http.metrics import MEDIA, Metrics
from outlast.http.rendering import encode
from outlast.http.routing import Answer, Call, Route
from outlast.operations.errors import OutlastError, Unavailable

READY_SECONDS: Final = 5.0

logger = logging.getLogger(__name__)


class HealthView(msgspec.Struct, frozen=True, kw_only=True):
    """The server answers."""

    status: Literal["ok"] = "ok"
    version: str


class HealthRoutes:
    """The routes that say how the server is."""

    def __init__(
        self,
        tokens: Tokens,
        metrics: Metrics,
        ready: Callable[[], Awaitable[None]],
        version: str,
    ) -> None:
        self._tokens = tokens
        self._metrics = metrics
        self._ready = ready
        self._health = encode(HealthView(version=version))

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [
            Route(
                method="GET",
                path="/healthz",
                handle=self._live,
                says="Whether the server runs",
                verb=None,
                answers={200: HealthView},
            ),
            Route(
                method="GET",
                path="/readyz",
                handle=self._is_ready,
                says="Whether the server can take requests: its store answers",
                verb=None,
                answers={200: HealthView},
            ),
            Route(
                method="GET",
                path="/metrics",
                handle=self._numbers,
                says="Numbers for Prometheus (from another host: with a token)",
                verb=None,
                answers={200: bytes},
                answer_media=("text/plain",),
                errors=("forbidden", "unauthenticated"),
            ),
        ]

    async def _live(self, call: Call) -> Answer:
        _ = call
        return Answer(body=self._health)

    async def _is_ready(self, call: Call) -> Answer:
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._ready()
        except OutlastError:
            raise
        except TimeoutError as error:
            raise Unavailable(f"the store did not answer within {READY_SECONDS:g} s") from error
        except Exception as error:
            logger.exception("request %s: the server is not ready", call.request_id)
            raise Unavailable("the server is not ready") from error
        return Answer(body=self._health)

    async def _numbers(self, call: Call) -> Answer:
        if not _is_local(call):
            principal = await authenticate(self._tokens, call.headers)
            principal.require(Verb.READ)
        return Answer(body=self._metrics.render(), media=MEDIA)


def _is_local(call: Call) -> bool:
    """Whether the client is on this machine, and no proxy speaks for another one."""
    if b"forwarded" in call.headers or b"x-forwarded-for" in call.headers:
        return False
    try:
        return ip_address(call.client).is_loopback
    except ValueError:
        return False
