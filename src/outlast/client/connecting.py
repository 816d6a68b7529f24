"""What both clients need to know before they can send: where to, as whom, and how patiently."""

import random
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import httpx

from outlast.client.errors import InvalidRequest
from outlast.client.procedures import Backoff
from outlast.client.wire import Lost, Request

DEFAULT_URL: Final = "http://127.0.0.1:8470"

OnRetry: TypeAlias = Callable[[str, float], None]
"""Told why something is tried again, and after how many seconds."""

ProgressCallback: TypeAlias = Callable[[int, int], None]
"""Told how many bytes were sent, of how many."""

PIECE_BYTES: Final = 256 * 1024
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Where the server is, and how it is spoken to. Raises InvalidRequest for a bad address."""

    url: str = DEFAULT_URL
    token: str | None = field(default=None, repr=False)
    tenant: str | None = None
    timeout_seconds: float = 30.0
    retries_max: int = 4
    on_retry: OnRetry | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidRequest(f"{self.url!r} is not an http or https URL", code="invalid_url")
        if parts.username or parts.password:
            raise InvalidRequest("a token does not belong into the URL", code="invalid_url")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise InvalidRequest("the token has characters no token has", code="invalid_token")

    @property
    def backoff(self) -> Backoff:
        """How patiently things are tried again."""
        return Backoff(
            jitter=random.random,
            retries_max=self.retries_max,
        )

    @property
    def headers(self) -> Mapping[str, str]:
        """What is sent with every request."""
        headers = {"accept": "application/json", "user-agent": "outlast-client"}
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        if self.tenant is not None:
            headers["outlast-tenant"] = self.tenant
        return headers

    @property
    def httpx_options(self) -> dict[str, object]:
        """What an httpx client is made with, sync or async."""
        return {
            "base_url": self.url.rstrip("/"),
            "headers": self.headers,
            "timeout": httpx.Timeout(self.timeout_seconds, connect=min(self.timeout_seconds, 10)),
            "limits": httpx.Limits(max_connections=None, max_keepalive_connections=20),
            # A proxy from the environment must not see what is meant for this machine.
            "trust_env": not is_loopback(self.url),
        }

    def timeout(self, request: Request, *, is_stream: bool = False) -> httpx.Timeout:
        """How long the parts of a request may take."""
        # Streams say something every 15 seconds; three missed signs of life are a dead server.
        read = 45.0 if is_stream else request.read_seconds or self.timeout_seconds
        return httpx.Timeout(self.timeout_seconds, connect=min(self.timeout_seconds, 10), read=read)

    def notify(self, reason: str | None, seconds: float) -> None:
        """Tell whoever wants to know that something is tried again."""
        if reason is not None and self.on_retry is not None:
            self.on_retry(reason, seconds)


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def lost(error: httpx.TransportError) -> Lost:
    """What a broken connection means for the request that was on it."""
    return Lost(str(error) or type(error).__name__, sent=not isinstance(error, _NOT_SENT))


def fresh_key() -> str:
    """An idempotency key that nobody else has."""
    return secrets.token_hex(16)
