"""Which instance types are found, and what is told of them: against values that are known."""

import asyncio
import gzip
import json

import msgspec
import pytest

from outlast.kinds import discover_instance_types
from outlast.kinds.instance_types.capacity import allocatable_milli_cpu
from outlast.kinds.instance_types.published import read_published
from outlast.operations import documents
from outlast.operations.errors import InvalidSpec
from outlast.operations.kind import Resource
from outlast.resources.configured import INSTANCE_TYPES, ConfiguredCatalog
from outlast.resources.connections.model import ConnectionDocument
from outlast.settings import Limits, SettingsError, load_settings
from outlast.testing.running import run_kind

[KIND] = discover_instance_types.kinds
AZURE = {
    "source": "a table",
    "date": "2026-11-01",
    "licence": "none",
    "types": [
        {"name": "D2", "vcpus": 2, "memory_mib": 8192, "architecture": "x86_64"}
        | {"group": "general_purpose", "max_pods": 30}
    ],
}


def run(spec, settings=None, more=()):
    catalog = ConfiguredCatalog(None, load_settings(settings or {}, {}))
    listed = asyncio.run(catalog.find("", INSTANCE_TYPES))
    return run_kind(KIND, spec, catalog=[*listed, *more])


def discover(settings=None, **spec):
    outcome = run(spec, settings)
    assert outcome.failure is None, outcome.failure
    return msgspec.convert(outcome.result, discover_instance_types.DiscoverResult)


def names(**spec):
    return [one.instance_type for one in discover(**spec).items]


def one(name, **spec):
    [found] = discover(name=name, **spec).items
    return found


@pytest.mark.parametrize(
    ("name", "pods", "milli_cpu"),
    [
        ("m5.large", 29, 1930),
        ("t3.small", 11, 1930),
        ("c6i.xlarge", 58, 3920),
        ("m5.2xlarge", 58, 7910),
        ("m5.24xlarge", 737, 95_690),
        ("p4d.24xlarge", 737, 95_690),
        ("t2.nano", 4, 940),
    ],
)
def test_pods_and_cpu_are_those_that_are_known(name, pods, milli_cpu):
    found = one(name)
    assert (found.max_pods, found.allocatable_milli_cpu) == (pods, milli_cpu)


def test_the_cards_beside_the_default_one_bring_no_pods():
    # Its four cards have 60 interfaces together: 2,942 pods would be a mistake that is often made.
    assert one("p4d.24xlarge").max_pods == 737


def test_managed_nodes_have_fewer_pods():
    pods = {name: one(name, is_managed=True).max_pods for name in ("m5.large", "m5.24xlarge")}
    assert pods == {"m5.large": 29, "m5.24xlarge": 250}
    assert one("c5.4xlarge", is_managed=True).max_pods == 110


def test_more_cores_leave_more_for_pods():
    left = [allocatable_milli_cpu(vcpus) for vcpus in range(1, 512)]
    assert left == sorted(set(left))
    assert left[:5] == [940, 1930, 2925, 3920, 4917]


def test_an_instance_type_is_told_whole():
    assert one("g5.48xlarge") == discover_instance_types.NodeType(
        provider="aws",
        instance_type="g5.48xlarge",
        vcpus=192,
        memory_mib=786_432,
        architecture="x86_64",
        gpu_count=8,
        instance_family="g5",
        max_pods=345,
        group="accelerated_computing",
        allocatable_milli_cpu=191_450,
    )


def test_the_filters_hold_together():
    found = discover(
        vcpus_min=4, vcpus_max=8, memory_mib_min=16_384, gpus_max=0, architecture="arm64"
    ).items
    assert found
    for each in found:
        assert 4 <= each.vcpus <= 8
        assert each.memory_mib >= 16_384
        assert (each.gpu_count, each.architecture) == (0, "arm64")
    sizes = [(each.vcpus, each.memory_mib) for each in found]
    assert sizes == sorted(sizes)
    families = {each.instance_family for each in discover(family="m7g").items}
    assert families == {"m7g"}
    assert {each.group for each in discover(group="storage_optimized").items} == {
        "storage_optimized"
    }
    assert names(name="t3.*")[:3] == ["t3.nano", "t3.micro", "t3.small"]
    assert names(name="nothing") == []


def test_a_region_has_the_types_that_are_offered_there():
    everywhere, there = set(names()), set(names(region="me-central-1"))
    assert there < everywhere
    outcome = run({"region": "moon-1"})
    assert outcome.failure.code == "unknown_region"
    assert "eu-north-1" in outcome.failure.field_errors["region"]


def test_all_types_fit_into_a_result():
    found = discover()
    assert found.metadata.total == len(found.items) == 1395
    assert len(documents.encode(found)) < Limits().result_bytes / 2


def test_a_limit_leaves_the_smallest_and_says_so():
    found = discover(limit=3, family="m5")
    assert [each.instance_type for each in found.items] == ["m5.large", "m5.xlarge", "m5.2xlarge"]
    assert (found.metadata.total, found.metadata.is_truncated) == (9, True)
    assert discover(family="m5").metadata.is_truncated is False


def test_where_the_types_are_from_is_told_with_the_overhead_of_the_settings():
    overhead = {"instance_types": {"aws": {"overhead": {"system_pods_per_node": 7}}}}
    metadata = discover(overhead, name="m5.large").metadata
    assert (metadata.provider, metadata.source_licence) == ("aws", "Apache-2.0")
    assert "DescribeInstanceTypes" in metadata.source
    assert (metadata.system_pods_per_node, metadata.karpenter_replicas) == (7, 2)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_another_provider_comes_from_a_file(tmp_path, pack):
    path = tmp_path / "azure.json"
    path.write_bytes(pack(json.dumps(AZURE).encode()))
    found = discover({"instance_types": {"azure": {"path": path}}}, provider="azure")
    [only] = found.items
    assert (only.provider, only.max_pods, only.allocatable_milli_cpu) == ("azure", 30, 1930)
    assert (found.metadata.source, found.metadata.source_date) == ("a table", "2026-11-01")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not a file of instance types"),
        (json.dumps(AZURE | {"types": []}).encode(), "1 to 20000"),
        (json.dumps(AZURE | {"types": AZURE["types"] * 2}).encode(), "a name of its own"),
        (json.dumps(AZURE).encode().replace(b"max_pods", b"max_nods"), "max_nods"),
        (gzip.compress(b"[]", mtime=0)[:-4], "cannot be read"),
        (gzip.compress(bytes(17 * 1024**2), mtime=0), "more than"),
        (None, "No such file"),
    ],
    ids=["json", "none", "twice", "unknown", "cut", "large", "missing"],
)
def test_a_file_that_does_not_hold_types_is_told(tmp_path, content, reason):
    path = tmp_path / "azure.json"
    if content is not None:
        path.write_bytes(content)
    outcome = run({"provider": "azure"}, {"instance_types": {"azure": {"path": path}}})
    assert (outcome.failure.code, outcome.failure.fault) == ("unreadable_file", "user")
    assert reason in outcome.failure.message
    assert str(tmp_path) not in outcome.failure.message


def test_only_aws_is_there_without_a_file():
    with pytest.raises(SettingsError, match=r"instance_types.azure: it needs a path"):
        load_settings({"instance_types": {"azure": {}}}, {})


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"provider": "moon"}, "provider"),
        ({"vcpus_min": 8, "vcpus_max": 4}, "vcpus_max"),
        ({"limit": 0}, "limit"),
        ({"limit": 3001}, "limit"),
        ({"name": "*" * 101}, "name"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(spec, field):
    with pytest.raises(InvalidSpec) as refused:
        run(spec)
    assert list(refused.value.field_errors) == [field]


@pytest.mark.parametrize("region", ["elsewhere.example/?", "a.b", "eu north", "a@b", "EU"])
def test_no_region_leads_the_keys_of_an_account_to_another_host(region):
    document = ConnectionDocument(
        provider="aws",
        region="eu-north-1",
        secret_names=("access_key", "secret_key"),
        operation_id="06EV0000000000000PPP",
    )
    account = Resource(
        tenant="default",
        type="connection",
        id="06EV0000000000000CNN",
        name="production",
        document=documents.encode(document),
        revision=1,
        created_at=0,
        updated_at=0,
        fields={"operation_id": "06EV0000000000000PPP"},
    )
    with pytest.raises(InvalidSpec) as refused:
        run({"connection": "production", "region": region}, more=[account])
    assert list(refused.value.field_errors) == ["region"]


def test_every_packaged_type_is_sound():
    published = read_published(None)
    for each in published.types:
        assert each.regions, each.name
        assert each.architecture in {"x86_64", "arm64", "x86_64_mac", "arm64_mac"}
        assert discover_instance_types.max_pods(each, is_managed=False) >= 4
    assert {each.group for each in published.types} == {
        "accelerated_computing",
        "compute_optimized",
        "general_purpose",
        "high_performance_computing",
        "memory_optimized",
        "storage_optimized",
    }
