"""Services and object storages on the wire."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from outlast.dialects.gooddata.errors import renamed
from outlast.dialects.gooddata.lists import Listed, Window, listed
from outlast.operations.errors import Invalid

PAYLOAD_CHARS_MAX: Final = 15_000
SERVICE: Final = "service"
STORAGE: Final = "objectStorage"


class RunServiceCommandRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a command is given. The payload has at most 15,000 characters."""

    context: dict[str, str | None] | None = None
    payload: dict[str, Any] | None = None


class ServiceInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A service."""

    service_id: str
    name: str


class ListServices(Listed[ServiceInfo], frozen=True, kw_only=True, rename="camel"):
    """Services."""

    services: Sequence[ServiceInfo]


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a service says of itself."""

    status: dict[str, Any] | None


class ObjectStorageInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A place for bytes that the settings name. Its keys are no one's but the server's."""

    storage_id: str
    name: str
    storage_type: str
    storage_config: dict[str, str]


class ListObjectStorages(Listed[ObjectStorageInfo], frozen=True, kw_only=True, rename="camel"):
    """Object storages."""

    storages: Sequence[ObjectStorageInfo]


_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "service": "serviceId",
        "command": "commandName",
        "context": "context",
        "payload": "payload",
    }
)


def wire_path(path: str) -> str:
    """What a field of our specs is called here. Those of the command's own kind are payload."""
    own = renamed(path, _NAMES)
    return own if own.partition(".")[0] in _NAMES.values() else f"payload.{path}"


def command_spec(service: str, command: str, request: RunServiceCommandRequest) -> dict[str, Any]:
    """The spec of what a request asks for. Raises Invalid for a payload that is too long."""
    spec: dict[str, Any] = {"service": service, "command": command}
    if request.context:
        spec["context"] = request.context
    if request.payload:
        chars = len(msgspec.json.encode(request.payload).decode())
        if chars > PAYLOAD_CHARS_MAX:
            raise Invalid(
                f"payload has {chars:,} characters; at most {PAYLOAD_CHARS_MAX:,} are allowed",
                field_errors={"payload": "too long"},
            )
        spec["payload"] = request.payload
    return spec


def service_list(services: Sequence[ServiceInfo], window: Window) -> ListServices:
    """The services that a window shows."""
    shown, beside = listed(SERVICE, services, lambda one: one.service_id, window)
    return ListServices(services=shown, **beside)


def storage_on_wire(
    name: str, url: str, endpoint: str | None, region: str | None
) -> ObjectStorageInfo:
    """A place of the settings as the wire has it. A folder of the server's is not told."""
    parts = urlsplit(url)
    config: dict[str, str] = {}
    if parts.scheme == "s3":
        told = {
            "bucket": parts.netloc,
            "prefix": parts.path.strip("/"),
            "endpoint": endpoint,
            "region": region,
        }
        config = {key: value for key, value in told.items() if value}
    return ObjectStorageInfo(
        storage_id=name,
        name=name,
        storage_type="local" if parts.scheme == "file" else parts.scheme,
        storage_config=config,
    )


def storage_list(storages: Sequence[ObjectStorageInfo], window: Window) -> ListObjectStorages:
    """The object storages that a window shows."""
    shown, beside = listed(STORAGE, storages, lambda one: one.storage_id, window)
    return ListObjectStorages(storages=shown, **beside)
