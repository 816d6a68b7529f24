"""What an installation allows beside the public internet: hosts, ports, suffixes, networks."""

import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Final

import msgspec

from outlast.outbound.addresses import Address, Network, unwrap

PORT_MAX: Final = 65_535
_LABEL: Final = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
# What some resolvers take for an IPv4 address: 2130706433, 0x7f.1, 0177.0.0.1.
_NUMBER: Final = re.compile(r"(.*\.)?(0[xX][0-9A-Fa-f]*|[0-9]+)")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One place that may be called: a host, what is below a suffix, or a network.

    `port` None: any.
    """

    host: str = ""
    suffix: str = ""
    network: Network | None = None
    port: int | None = None

    def names(self, host: str, port: int) -> bool:
        """Whether the rule allows this host, whatever its address."""
        if self.port not in {None, port}:
            return False
        return host == self.host or (self.suffix != "" and host.endswith(self.suffix))

    def contains(self, address: Address) -> bool:
        """Whether the rule allows this address, whatever its name."""
        network = self.network
        return network is not None and network.version == address.version and address in network


def parse_rules(texts: Iterable[str]) -> tuple[Rule, ...]:
    """Rules as the settings write them. Raises ValueError, naming the one that is none."""
    return tuple(_parse_rule(text) for text in texts)


def clean_host(text: str) -> str:
    """A host as it is compared: lower case, no trailing dot, addresses in their one spelling.

    Raises ValueError for what is no host, and for numbers that only some take for an address.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    address = as_address(bare)
    if address is not None:
        return str(address)
    bare = bare.removesuffix(".").lower()
    if not _NAME.fullmatch(bare) or _NUMBER.fullmatch(bare):
        raise ValueError("it is not the name of a host, nor a plain address")
    return bare


def as_address(text: str) -> Address | None:
    """The unwrapped address that a text plainly is, or None. A zone makes it none."""
    try:
        return None if "%" in text else unwrap(ip_address(text))
    except ValueError:
        return None


def _parse_rule(text: str) -> Rule:
    try:
        if "/" in text:
            return Rule(network=ip_network(text))
        host, port = _split_port(text)
        if host.startswith("*."):
            return Rule(suffix="." + clean_host(host[2:]), port=port)
        return Rule(host=clean_host(host), port=port)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is neither HOST, HOST:PORT, *.SUFFIX nor a network such as 10.0.0.0/8: "
            f"{error}"
        ) from error


def _split_port(text: str) -> tuple[str, int | None]:
    host, colon, port = text.rpartition(":")
    # A bare IPv6 address has colons of its own.
    if not colon or (":" in host and not host.endswith("]")):
        return text, None
    if not (port.isascii() and port.isdecimal() and 1 <= int(port[:6]) <= PORT_MAX):
        raise ValueError(f"{port!r} is not a port")
    return host, int(port)
