"""Which door stands where: the main port, and the addresses and host names of the profiles."""

import re
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from outlast.settings import Profile, Settings, SettingsError

_ADDRESS: Final = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]+)):(\d{1,5})")
_HOST: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
_PORT_MAX: Final = 65_535


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen: for the main port (no `profile`), or for a profile."""

    host: str
    port: int
    profile: str | None = None

    def url(self, port: int) -> str:
        """The address as a URL, with the port that it got."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{port}"


def plan_addresses(settings: Settings, dialects: Collection[str]) -> Sequence[Address]:
    """Every address to listen on, the main port first. Raises SettingsError."""
    addresses = [Address(host=settings.host, port=settings.port)]
    hosts: set[str] = set()
    for name, profile in settings.profiles.items():
        if profile.dialect not in dialects:
            known = ", ".join(sorted(dialects))
            raise SettingsError(f"profile {name}: there is no dialect {profile.dialect!r}: {known}")
        _check_hosts(name, profile, hosts)
        if profile.listen is None:
            continue
        address = parse_address(name, profile.listen)
        if address.port and any(_is_same(address, other) for other in addresses):
            raise SettingsError(f"profile {name}: {profile.listen} is used twice")
        addresses.append(address)
    return addresses


def parse_address(profile: str, text: str) -> Address:
    """HOST:PORT as an address. Raises SettingsError."""
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found[3]) > _PORT_MAX:
        raise SettingsError(f"profile {profile}: {text!r} is not HOST:PORT, or [IPV6]:PORT")
    return Address(host=found[1] or found[2], port=int(found[3]), profile=profile)


def _check_hosts(name: str, profile: Profile, taken: set[str]) -> None:
    for host in profile.hosts:
        if not _HOST.fullmatch(host):
            raise SettingsError(
                f"profile {name}: {host!r} is not a host name in lower case, without a port"
            )
        if host in taken:
            raise SettingsError(f"profile {name}: the host name {host} is used twice")
        taken.add(host)


def _is_same(one: Address, other: Address) -> bool:
    return (one.host, one.port) == (other.host, other.port)
