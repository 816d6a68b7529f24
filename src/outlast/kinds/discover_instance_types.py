"""The kind `discover_instance_types`: types of machines, and what a node of each has room for.

It reads what is published of a provider: what is packaged of AWS, or the file of the settings; or
it asks an account of AWS. Failure codes, those of calls to AWS as in `validate_connection`:

    access_refused     the keys may not ask for instance types
    outbound_refused   the gate does not let calls go there
    unexpected_answer  what answers there is not AWS
    unknown_region     nothing is published of that region
    unreadable_file    the file of the settings does not hold instance types
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from outlast.clock import system_clock
from outlast.kinds.instance_types.capacity import allocatable_milli_cpu, max_pods
from outlast.kinds.instance_types.published import (
    BadFile,
    InstanceType,
    PublishedTypes,
    read_published,
)
from outlast.kinds.instance_types.selecting import Wanted, select
from outlast.operations.errors import Fatal, InvalidSpec
from outlast.operations.instants import show_instant
from outlast.operations.kind import Catalog, Context, Kind, Prepared
from outlast.outbound import Gate
from outlast.resources.configured import (
    INSTANCE_TYPES,
    InstanceTypesDocument,
    find_installation,
)
from outlast.resources.connections import find_connection
from outlast.resources.connections.model import check_region
from outlast.settings import NodeOverhead

LIMIT_MAX: Final = 3000
"""As many as are sure to fit into a result."""
_NAME_CHARS_MAX: Final = 100
_AWS: Final = "aws"


class DiscoverSpec(Wanted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The instance types of a provider that are wanted, at most `limit`, the smallest first.

    `connection`: ask that account of AWS, in the region, else in that of the connection. Else
    `region`: only those that are offered there. `is_managed`: pods are counted as managed nodes of
    Amazon EKS allow.
    """

    provider: str = "aws"
    connection: str | None = None
    region: str | None = None
    is_managed: bool = False
    limit: int = LIMIT_MAX


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """An account to ask, and what the installation allows."""

    settings: Mapping[str, str]
    region: str
    allow: tuple[str, ...]
    allow_unsandboxed: bool


class DiscoverPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler needs: the file or the account, and what nodes hold beside."""

    spec: DiscoverSpec
    path: str | None
    overhead: NodeOverhead
    live: Live | None = None


class NodeType(msgspec.Struct, frozen=True, kw_only=True):
    """An instance type as a node of Kubernetes."""

    provider: str
    instance_type: str
    vcpus: int
    memory_mib: int
    architecture: str
    gpu_count: int
    instance_family: str
    max_pods: int
    group: str
    allocatable_milli_cpu: int


class Metadata(NodeOverhead, frozen=True, kw_only=True):
    """What the nodes hold of the cluster's own, as the settings say, and where the types are from.

    `total` counts the types that were wanted; `is_truncated`: not all of them are here.
    """

    provider: str
    source: str
    source_date: str
    source_licence: str
    total: int
    is_truncated: bool


class DiscoverResult(msgspec.Struct, frozen=True, kw_only=True):
    """The instance types that were wanted, the smallest first."""

    items: tuple[NodeType, ...]
    metadata: Metadata


async def prepare(spec: DiscoverSpec, catalog: Catalog) -> Prepared:
    """Find the provider, and the connection. Raises InvalidSpec, NotFound, Conflict."""
    _check(spec)
    found = await catalog.get(INSTANCE_TYPES, spec.provider)
    if found is None:
        known = sorted(one.name for one in await catalog.find(INSTANCE_TYPES))
        raise _invalid("provider", f"there are instance types of {', '.join(known)} alone")
    document = msgspec.json.decode(found.document, type=InstanceTypesDocument)
    plan = DiscoverPlan(spec=spec, path=document.path, overhead=document.overhead)
    if spec.connection is None:
        return Prepared(plan=plan)
    connection = await find_connection(catalog, spec.connection)
    if connection.document.provider != spec.provider or spec.provider != _AWS:
        raise _invalid("connection", "it is not one to AWS")
    region = check_region(spec.region or connection.document.region or "")
    installation = await find_installation(catalog)
    live = Live(
        settings=connection.document.settings,
        region=region,
        allow=installation.outbound_allow,
        allow_unsandboxed=installation.allow_unsandboxed,
    )
    secrets = {f"connection/{name}": one for name, one in connection.secrets.items()}
    return Prepared(plan=msgspec.structs.replace(plan, live=live), secrets=secrets)


def _check(spec: DiscoverSpec) -> None:
    for name in ("vcpus", "memory_mib", "gpus"):
        least, most = getattr(spec, f"{name}_min"), getattr(spec, f"{name}_max")
        if least is not None and most is not None and least > most:
            raise _invalid(f"{name}_max", f"it is less than {name}_min")
    if not 1 <= spec.limit <= LIMIT_MAX:
        raise _invalid("limit", f"it is from 1 to {LIMIT_MAX}")
    if spec.name is not None and len(spec.name) > _NAME_CHARS_MAX:
        raise _invalid("name", f"it has at most {_NAME_CHARS_MAX} characters")


def _invalid(field: str, message: str) -> InvalidSpec:
    return InvalidSpec(f"{field}: {message}", field_errors={field: message})


async def run(plan: DiscoverPlan, context: Context) -> DiscoverResult:
    """Find the instance types that are wanted, with what a node of each has room for."""
    spec = plan.spec
    published = _read(plan) if plan.live is None else await _ask(plan.live, context)
    types = published.types if spec.region is None else _offered(published, spec.region)
    wanted = select(types, spec)
    items = tuple(_node_type(one, spec) for one in wanted[: spec.limit])
    context.report(len(items), len(items), unit="instance types")
    metadata = Metadata(
        **msgspec.structs.asdict(plan.overhead),
        provider=spec.provider,
        source=published.source,
        source_date=published.date,
        source_licence=published.licence,
        total=len(wanted),
        is_truncated=len(items) < len(wanted),
    )
    return DiscoverResult(items=items, metadata=metadata)


def _read(plan: DiscoverPlan) -> PublishedTypes:
    try:
        return read_published(None if plan.path is None else Path(plan.path))
    except BadFile as error:
        raise Fatal("unreadable_file", f"the file of {plan.spec.provider}: {error}") from error


async def _ask(live: Live, context: Context) -> PublishedTypes:
    # Only who asks has what it takes to ask.
    from outlast.kinds.connections.aws import Account  # noqa: PLC0415
    from outlast.kinds.instance_types.asking import ask_for_types  # noqa: PLC0415

    secrets = {name.removeprefix("connection/"): one for name, one in context.secrets.items()}
    account = Account(
        settings=live.settings, region=live.region, secrets=secrets, gate=Gate(live.allow)
    )
    types = await ask_for_types(account, context, allow_unsandboxed=live.allow_unsandboxed)
    return PublishedTypes(
        source=f"{account.url('ec2')} DescribeInstanceTypes",
        date=show_instant(system_clock())[:10],
        licence="",
        types=types,
    )


def _offered(published: PublishedTypes, region: str) -> list[InstanceType]:
    known = {one for each in published.types for one in each.regions}
    if region not in known:
        raise Fatal(
            "unknown_region",
            f"nothing is published of the region {region[:100]!r}",
            field_errors={"region": f"there are {', '.join(sorted(known)) or 'none'}"},
        )
    return [one for one in published.types if region in one.regions]


def _node_type(one: InstanceType, spec: DiscoverSpec) -> NodeType:
    return NodeType(
        provider=spec.provider,
        instance_type=one.name,
        vcpus=one.vcpus,
        memory_mib=one.memory_mib,
        architecture=one.architecture,
        gpu_count=one.gpus,
        instance_family=one.family,
        max_pods=max_pods(one, is_managed=spec.is_managed),
        group=one.group,
        allocatable_milli_cpu=allocatable_milli_cpu(one.vcpus),
    )


kinds: Final = [
    Kind(
        "discover_instance_types",
        spec=DiscoverSpec,
        result=DiscoverResult,
        plan=DiscoverPlan,
        prepare=prepare,
        run=run,
        secrets=("connection/*",),
        description="Find types of machines, with what a node of each has room for.",
    )
]
