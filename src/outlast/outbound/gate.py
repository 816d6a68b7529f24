"""The gate: which calls may leave, and the addresses that they may go to."""

import asyncio
import socket
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Final, TypeAlias

import httpx2
import msgspec

from outlast.operations.errors import OutboundRefused, Unavailable
from outlast.outbound.addresses import is_public, unwrap
from outlast.outbound.rules import PORT_MAX, Rule, as_address, clean_host, parse_rules
from outlast.settings import Settings, SettingsError

Resolve: TypeAlias = Callable[[str, int], Sequence[str]]
"""Looks a name up: host and port in, addresses out. It may block. Raises OSError."""

LOOKUP_SECONDS: Final = 10.0
ADDRESSES_MAX: Final = 4
_PORTS: Final = {"http": 80, "https": 443}
_FIRST_FREE_PORT: Final = 1024
_LOOKUPS_AT_ONCE: Final = 8
_SHOWN_CHARS: Final = 200


class Destination(msgspec.Struct, frozen=True):
    """Where a call wants to go; `host` is in the form of `rules.clean_host`."""

    scheme: str
    host: str
    port: int


class Gate:
    """Decides where calls may go.

    The public internet, on the ports of the web and those from 1024 on, unless `is_public_allowed`
    is false; what `allow` names (see the setting `outbound.allow`); and the hosts and ports of the
    URLs in `configured`, which the operator wrote. Any process may make its own gate.
    """

    def __init__(
        self,
        allow: Iterable[str] = (),
        *,
        configured: Iterable[str] = (),
        is_public_allowed: bool = True,
        resolve: Resolve | None = None,
    ) -> None:
        """Raises ValueError for what is not a rule or not a URL."""
        self._rules = (*parse_rules(allow), *map(_configured_rule, configured))
        self._is_public_allowed = is_public_allowed
        self._resolve = look_up if resolve is None else resolve
        # Of its own: names that take long must not hold up what else runs in threads.
        self._threads = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="look-up")

    def check(self, url: str) -> Destination:
        """Where a URL leads, as far as it can be refused without a look-up.

        Raises OutboundRefused.
        """
        try:
            parsed = httpx2.URL(url)
        except (httpx2.InvalidURL, TypeError) as error:
            raise OutboundRefused(f"not a URL: {error}") from error
        if parsed.userinfo:
            raise OutboundRefused("a URL with a name or a password in it is not called")
        if parsed.scheme not in _PORTS:
            raise OutboundRefused("only http and https URLs are called")
        port = _PORTS[parsed.scheme] if parsed.port is None else parsed.port
        return self.check_host(parsed.scheme, parsed.raw_host.decode("ascii"), port)

    def check_host(self, scheme: str, host: str, port: int) -> Destination:
        """See `check`, for a URL in its parts."""
        try:
            destination = Destination(scheme, clean_host(host), port)
        except ValueError as error:
            raise OutboundRefused(f"{host[:_SHOWN_CHARS]!r} is not called: {error}") from error
        if self._is_named(destination):
            return destination
        if port not in _PORTS.values() and not _FIRST_FREE_PORT <= port <= PORT_MAX:
            raise OutboundRefused(f"port {port} is not called; outbound.allow can allow it")
        address = as_address(destination.host)
        if address is not None and not self._is_allowed(str(address)):
            raise _not_public(destination)
        return destination

    async def find_addresses(self, destination: Destination) -> list[str]:
        """The addresses to connect to, looked up once: connect to these and to no other.

        Raises OutboundRefused, and Unavailable where the name cannot be looked up.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                return await loop.run_in_executor(self._threads, self.find_here, destination)
        except TimeoutError:
            raise Unavailable(f"{destination.host} could not be looked up in time") from None

    def find_here(self, destination: Destination) -> list[str]:
        """See `find_addresses`, in the calling thread."""
        if as_address(destination.host) is not None:
            found: Sequence[str] = (destination.host,)
        else:
            try:
                found = self._resolve(destination.host, destination.port)
            except (OSError, UnicodeError) as error:
                raise Unavailable(f"{destination.host} cannot be looked up: {error}") from error
        addresses = [str(unwrap(ip_address(text.partition("%")[0]))) for text in found]
        allowed = [
            address
            for address in dict.fromkeys(addresses)
            if self._is_named(destination) or self._is_allowed(address)
        ]
        if not allowed:
            raise _not_public(destination)
        return allowed[:ADDRESSES_MAX]

    def _is_named(self, destination: Destination) -> bool:
        return any(rule.names(destination.host, destination.port) for rule in self._rules)

    def _is_allowed(self, text: str) -> bool:
        address = ip_address(text)
        if any(rule.contains(address) for rule in self._rules):
            return True
        return self._is_public_allowed and is_public(address)


def gate_of(settings: Settings) -> Gate:
    """The gate of an installation. Raises SettingsError."""
    urls = [backend.url for backend in settings.backends.values() if backend.url is not None]
    urls += [store.endpoint for store in settings.object_stores.values() if store.endpoint]
    try:
        return Gate(settings.outbound.allow, configured=urls)
    except ValueError as error:
        raise SettingsError(f"outbound.allow: {error}") from error


def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system finds them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]


def _configured_rule(url: str) -> Rule:
    try:
        parsed = httpx2.URL(url)
        host = clean_host(parsed.raw_host.decode("ascii"))
    except (httpx2.InvalidURL, ValueError) as error:
        raise ValueError(f"{url!r} is not a URL that can be called: {error}") from error
    if parsed.scheme not in _PORTS:
        raise ValueError(f"{url!r} begins with neither http:// nor https://")
    return Rule(host=host, port=parsed.port or _PORTS[parsed.scheme])


def _not_public(destination: Destination) -> OutboundRefused:
    # Not which address: what names of this network lead to is nobody's business.
    return OutboundRefused(
        f"{destination.host} is not called: it is not on the public internet, and outbound.allow"
        " does not name it"
    )
