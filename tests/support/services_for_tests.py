"""Services for tests: one that tells something, one that tells nothing, one that tells too much."""

import msgspec

from outlast.operations.errors import InvalidSpec
from outlast.operations.kind import Kind
from outlast.operations.service import Service, status_kind


class BirdSpec(msgspec.Struct, forbid_unknown_fields=True):
    """Which birds to count."""

    species: str = ""


async def prepare(spec, catalog):
    if spec.species == "no_such_species":
        message = f"there is no species {spec.species!r}"
        raise InvalidSpec(message, field_errors={"species": message})
    return spec


async def run(spec, context): ...


async def tell(catalog):
    return {"tenant_has_databases": len(await catalog.find("database"))}


COUNT = Kind("count_birds", spec=BirdSpec, result=dict, run=run, prepare=prepare, executor="inline")
SERVICES = [
    Service("birds", commands={"count": "count_birds"}, status=tell, description="All birds."),
    Service("quiet", commands={}),
    Service("loud", commands={}, status=lambda _: {"says": "x" * 15_000}),
]
KINDS = [COUNT, *filter(None, map(status_kind, SERVICES))]
