"""HTTP clients that go through the gate: give one of these to httpx2 as `transport`."""

import contextlib
from collections.abc import Iterable
from typing import Any, Final

import httpcore2
import httpx2

from outlast.outbound.gate import Gate

LIMITS: Final = httpx2.Limits(max_connections=100, max_keepalive_connections=20)


class AsyncGatedTransport(httpx2.AsyncHTTPTransport):
    """A transport that connects only to addresses that the gate has checked.

    Every hop of a redirect is checked as the first one was. Proxies of the environment are not
    used. A call that is refused raises OutboundRefused.
    """

    def __init__(self, gate: Gate, *, limits: httpx2.Limits = LIMITS) -> None:
        context = httpx2.create_ssl_context()
        super().__init__(verify=context)
        self._gate = gate
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_AsyncBackend(gate),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See httpx2."""
        self._gate.check(str(request.url))
        return await super().handle_async_request(request)


class GatedTransport(httpx2.HTTPTransport):
    """See AsyncGatedTransport."""

    def __init__(self, gate: Gate, *, limits: httpx2.Limits = LIMITS) -> None:
        context = httpx2.create_ssl_context()
        super().__init__(verify=context)
        self._gate = gate
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_Backend(gate),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """See httpx2."""
        self._gate.check(str(request.url))
        return super().handle_request(request)


# The pool asks these for connections by name, and secures them by name: only the address is ours.
# A URL was checked with its scheme before; here only host and port are known, for either scheme.
_SCHEME: Final = "https"


class _AsyncBackend(httpcore2.AsyncNetworkBackend):
    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's own
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        destination = self._gate.check_host(_SCHEME, host, port)
        *first, last = await self._gate.find_addresses(destination)
        for address in first:
            with contextlib.suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
        return await self._inner.connect_tcp(last, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _Backend(httpcore2.NetworkBackend):
    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._inner = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        destination = self._gate.check_host(_SCHEME, host, port)
        *first, last = self._gate.find_here(destination)
        for address in first:
            with contextlib.suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
        return self._inner.connect_tcp(last, port, timeout, local_address, socket_options)

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)
