"""Connections to providers on the wire."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from outlast.dialects.lakesail.ids import ResourceId
from outlast.dialects.lakesail.names import renamed, to_camel, to_snake
from outlast.dialects.lakesail.operations import Included, Instant

REGION: Final = "region"

STATUSES: Final[Mapping[str, str]] = MappingProxyType(
    {"validating": "validating", "ready": "active", "failed": "failed"}
)

_IDENTITY: Final[Mapping[str, str]] = MappingProxyType({"account": "accountId"})


class CreateConnectionRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A connection to make. `providerConfig` has the region too; credentials are never shown."""

    name: str
    provider: str
    provider_config: Mapping[str, str] = {}
    credentials: Mapping[str, str] = {}


class UpdateConnectionRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What shall be different. `providerConfig` is replaced as a whole, the region if it is there.

    A credential that is null is taken away.
    """

    provider_config: Mapping[str, str] | None = None
    credentials: Mapping[str, str | None] = {}


class Connection(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A connection. Its operation looks whether it works."""

    id: ResourceId
    name: str
    provider: str
    provider_config: Mapping[str, str]
    credential_names: Sequence[str]
    status: str
    status_message: str | UnsetType = UNSET
    operation_id: ResourceId
    created_at: Instant
    created_by: ResourceId
    updated_at: Instant


class ConnectionList(msgspec.Struct, frozen=True, kw_only=True):
    """Connections, newest first, and what they name. A `marker` is there if there are more."""

    items: Sequence[Connection]
    included: Included
    marker: str | UnsetType = UNSET


def read_config(config: Mapping[str, str]) -> dict[str, str]:
    """The settings that a configuration holds beside the region."""
    return {to_snake(name): value for name, value in config.items() if name != REGION}


def show_config(
    region: str | None, settings: Mapping[str, str], identity: Mapping[str, str]
) -> dict[str, str]:
    """Where a provider is reached, and what it has said of whoever has the credentials."""
    shown = {} if region is None else {REGION: region}
    shown |= {_IDENTITY.get(name) or to_camel(name): text for name, text in identity.items()}
    return shown | {to_camel(name): text for name, text in settings.items()}


def wire_path(path: str) -> str:
    """What a field of ours is called in a request."""
    field, dot, rest = path.partition(".")
    if field == REGION:
        return f"providerConfig.{REGION}"
    return renamed(field, _PLACES) + dot + to_camel(rest)


_PLACES: Final = {"settings": "providerConfig", "secrets": "credentials"}
