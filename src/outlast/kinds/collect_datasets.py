"""The kind `collect_datasets`: what no dataset of the tenant needs any more goes now.

The server does the same for all tenants once an hour. As there, an object goes only when it is a
day old. It runs in the worker itself, which alone may delete objects.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec

from outlast.engine import Verb
from outlast.operations.errors import Unavailable
from outlast.operations.kind import Catalog, Context, Kind
from outlast.resources.configured import INSTALLATION


class CollectSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing is to be said."""


class CollectPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Whose datasets."""

    tenant: str


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """How much went: temporary datasets that had expired, and objects."""

    datasets: int
    objects: int


Collect: TypeAlias = Callable[[str], Awaitable[tuple[int, int]]]
"""Collects what a tenant's datasets do not need: how many datasets and objects went."""


async def prepare(spec: CollectSpec, catalog: Catalog) -> CollectPlan:
    """Find out whose datasets are meant."""
    _ = spec
    found = await catalog.get(INSTALLATION, INSTALLATION)
    if found is None:
        raise Unavailable("the installation does not tell of itself")
    return CollectPlan(tenant=found.tenant)


def collecting(collect: Collect) -> Kind:
    """The kind, for a process that has what it takes to collect."""

    async def run(plan: CollectPlan, context: Context) -> Collection:
        """Delete what no dataset needs any more."""
        _ = context
        datasets, objects = await collect(plan.tenant)
        return Collection(datasets=datasets, objects=objects)

    return Kind(
        "collect_datasets",
        spec=CollectSpec,
        result=Collection,
        plan=CollectPlan,
        prepare=prepare,
        run=run,
        executor="inline",
        verb=Verb.OPERATE,
        concurrency_key="collect_datasets",
        description="Delete what no dataset needs any more.",
    )


async def _nothing(tenant: str) -> tuple[int, int]:
    raise Unavailable(f"this process collects nothing of {tenant}: a worker does")


kinds: Final = [collecting(_nothing)]
