"""The discovery of instance types: what is asked for, and what is found."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from outlast.dialects.lakesail.names import to_camel

KIND: Final = "discover_instance_types"
"""The kind of operation that discovers."""

_NAMES: Final[Mapping[str, str]] = {
    "connection": "connectionId",
    "vcpus": "vCpus",
    "vcpus_min": "vCpusMin",
    "vcpus_max": "vCpusMax",
    "memory_mib": "memoryMiB",
    "memory_mib_min": "memoryMiBMin",
    "memory_mib_max": "memoryMiBMax",
    "system_milli_cpu_per_node": "systemMilliCPUPerNode",
    "system_milli_cpu_fixed": "systemMilliCPUFixed",
    "karpenter_milli_cpu_per_replica": "karpenterMilliCPUPerReplica",
}
"""What is not spelled as the rest is."""


def wire_name(name: str) -> str:
    """What a field of ours is called here."""
    return _NAMES.get(name) or to_camel(name)


class DiscoverInstanceTypesRequest(msgspec.Struct, frozen=True, kw_only=True, rename=wire_name):
    """Which instance types are wanted; what is left out does not matter."""

    provider: str | None = None
    connection: str | None = None
    region: str | None = None
    name: str | None = None
    family: str | None = None
    group: str | None = None
    architecture: str | None = None
    vcpus_min: int | None = None
    vcpus_max: int | None = None
    memory_mib_min: int | None = None
    memory_mib_max: int | None = None
    gpus_min: int | None = None
    gpus_max: int | None = None
    is_managed: bool | None = None
    limit: int | None = None


def discovery_spec(request: DiscoverInstanceTypesRequest) -> dict[str, Any]:
    """The spec of what a request asks for."""
    asked = msgspec.structs.asdict(request)
    return {name: value for name, value in asked.items() if value is not None}


def discovery_on_wire(result: bytes) -> bytes:
    """The result of a discovery with the wire's names; values stay as they are."""
    found: Mapping[str, Any] = msgspec.json.decode(result)
    items = [_renamed(one) for one in found.get("items", ())]
    metadata = _renamed(found.get("metadata", {}))
    return msgspec.json.encode({"items": items, "metadata": metadata})


def _renamed(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {wire_name(name): value for name, value in fields.items()}
