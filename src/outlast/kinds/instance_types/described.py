"""What AWS's DescribeInstanceTypes answers, as instance types."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from outlast.kinds.instance_types.published import BadFile, InstanceType

_ARCHITECTURES: Final = ("x86_64", "arm64")
_LETTERS: Final = re.compile(r"[a-z]+")
_GENERAL: Final = "general_purpose"
_GROUPS: Final = {
    "compute_optimized": ("c",),
    "memory_optimized": ("r", "u", "x", "z"),
    "storage_optimized": ("d", "h", "i", "im", "is"),
    "accelerated_computing": ("dl", "f", "g", "gr", "inf", "p", "trn", "vt"),
    "high_performance_computing": ("hpc",),
}
"""The groups of AWS's own pages, by the letters that a family begins with."""
_GROUP_OF: Final = {one: group for group, letters in _GROUPS.items() for one in letters}


class _Card(msgspec.Struct, frozen=True, rename="pascal"):
    maximum_network_interfaces: int
    network_card_index: int = 0


class _Network(msgspec.Struct, frozen=True, rename="pascal"):
    ipv4_addresses_per_interface: int
    maximum_network_interfaces: int
    default_network_card_index: int = 0
    network_cards: tuple[_Card, ...] = ()


class _Gpu(msgspec.Struct, frozen=True, rename="pascal"):
    count: int = 0
    logical_gpu_count: int = 0


class _Gpus(msgspec.Struct, frozen=True, rename="pascal"):
    gpus: tuple[_Gpu, ...] = ()


class _Processor(msgspec.Struct, frozen=True, rename="pascal"):
    supported_architectures: tuple[str, ...]


class _Memory(msgspec.Struct, frozen=True):
    size_in_mib: int = msgspec.field(name="SizeInMiB")


class _Cpus(msgspec.Struct, frozen=True):
    default: int = msgspec.field(name="DefaultVCpus")


class _Described(msgspec.Struct, frozen=True):
    """The fields that are read; the others may be as they like."""

    name: str = msgspec.field(name="InstanceType")
    cpus: _Cpus = msgspec.field(name="VCpuInfo")
    memory: _Memory = msgspec.field(name="MemoryInfo")
    processor: _Processor = msgspec.field(name="ProcessorInfo")
    network: _Network = msgspec.field(name="NetworkInfo")
    gpu: _Gpus = msgspec.field(name="GpuInfo", default=_Gpus())


class _Offer(msgspec.Struct, frozen=True, rename="pascal"):
    instance_type: str
    location: str


class _Offers(msgspec.Struct, frozen=True):
    offers: tuple[_Offer, ...] = msgspec.field(name="InstanceTypeOfferings")


class _Answer(msgspec.Struct, frozen=True):
    types: tuple[_Described, ...] = msgspec.field(name="InstanceTypes")


def read_described(
    content: bytes, regions: Mapping[str, Iterable[str]] | None = None
) -> tuple[InstanceType, ...]:
    """The instance types of an answer, or of a file that maps names to them. Raises BadFile.

    `regions` are the names of the types that each region offers.
    """
    try:
        answer: Any = msgspec.json.decode(content)
        if isinstance(answer, dict) and "InstanceTypes" not in answer:
            answer = {"InstanceTypes": list(answer.values())}
        described = msgspec.convert(answer, _Answer).types
        offers = {region: frozenset(names) for region, names in (regions or {}).items()}
        return tuple(
            _instance_type(one, [region for region in sorted(offers) if one.name in offers[region]])
            for one in sorted(described, key=lambda one: one.name)
        )
    except (msgspec.DecodeError, ValueError) as error:
        raise BadFile(f"it is no answer of DescribeInstanceTypes: {error}") from error


def read_offers(content: bytes) -> dict[str, list[str]]:
    """The names of the types that each region offers, of an answer or its list. Raises BadFile."""
    try:
        answer: Any = msgspec.json.decode(content)
        if isinstance(answer, list):
            answer = {"InstanceTypeOfferings": answer}
        regions: dict[str, list[str]] = {}
        for one in msgspec.convert(answer, _Offers).offers:
            regions.setdefault(one.location, []).append(one.instance_type)
    except msgspec.DecodeError as error:
        raise BadFile(f"it is no answer of DescribeInstanceTypeOfferings: {error}") from error
    return regions


def _instance_type(described: _Described, regions: Sequence[str]) -> InstanceType:
    network = described.network
    interfaces = network.maximum_network_interfaces
    for card in network.network_cards:
        # Pods get their addresses from the default card alone; the sum is that of all cards.
        if card.network_card_index == network.default_network_card_index:
            interfaces = card.maximum_network_interfaces
    known = described.processor.supported_architectures
    letters = _LETTERS.match(described.name)
    return InstanceType(
        name=described.name,
        vcpus=described.cpus.default,
        memory_mib=described.memory.size_in_mib,
        architecture=next((one for one in _ARCHITECTURES if one in known), known[0]),
        group=_GROUP_OF.get(letters[0], _GENERAL) if letters else _GENERAL,
        # A part of a GPU is one that a pod can ask for.
        gpus=sum(max(one.count, one.logical_gpu_count) for one in described.gpu.gpus),
        interfaces=interfaces,
        addresses_per_interface=network.ipv4_addresses_per_interface,
        regions=tuple(regions),
    )
