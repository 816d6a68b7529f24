"""What the discovery of instance types finds, on the wire."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

KIND: Final = "discover_instance_types"
"""The kind of operation that discovers."""

_NAMES: Final[Mapping[str, str]] = {
    "vcpus": "vCpus",
    "memory_mib": "memoryMiB",
    "system_milli_cpu_per_node": "systemMilliCPUPerNode",
    "system_milli_cpu_fixed": "systemMilliCPUFixed",
    "karpenter_milli_cpu_per_replica": "karpenterMilliCPUPerReplica",
}
"""What is not spelled as the rest is."""


def discovery_on_wire(result: bytes) -> bytes:
    """The result of a discovery with the wire's names; values stay as they are."""
    found: Mapping[str, Any] = msgspec.json.decode(result)
    items = [_renamed(one) for one in found.get("items", ())]
    metadata = _renamed(found.get("metadata", {}))
    return msgspec.json.encode({"items": items, "metadata": metadata})


def wire_name(name: str) -> str:
    """What a field of ours is called here."""
    return _NAMES.get(name) or _UNDERSCORE.sub(lambda found: found[1].upper(), name)


def _renamed(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {wire_name(name): value for name, value in fields.items()}


_UNDERSCORE: Final = re.compile(r"_(\w)")
