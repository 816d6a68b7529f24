"""The services over what this server manages itself."""

from typing import Any, Final

from outlast.operations.kind import Catalog
from outlast.operations.service import Service
from outlast.resources.databases import model as databases
from outlast.resources.databases.finding import tell_status
from outlast.resources.datasets import model as datasets

_LOOKED_AT_MAX: Final = 500


async def databases_status(catalog: Catalog) -> dict[str, Any]:
    """How many databases there are, what is under way with them, and how large they are."""
    found = await catalog.find(databases.DATABASE, limit=_LOOKED_AT_MAX)
    by_status: dict[str, int] = {}
    size = 0
    for resource in found:
        status = await tell_status(catalog, resource)
        if status in {None, "abandoned"}:
            continue
        by_status[str(status)] = by_status.get(str(status), 0) + 1
        size += databases.database_document(resource).bytes
    return {
        "databases": by_status,
        "bytes": size,
        "are_all_counted": len(found) < _LOOKED_AT_MAX,
    }


async def datasets_status(catalog: Catalog) -> dict[str, Any]:
    """How many datasets there are."""
    found = await catalog.find(datasets.DATASET, limit=_LOOKED_AT_MAX)
    temporary = sum(1 for one in found if "temporary" in one.fields)
    return {
        "datasets": len(found),
        "temporary": temporary,
        "are_all_counted": len(found) < _LOOKED_AT_MAX,
    }


services: Final = [
    Service(
        "databases",
        description="The databases of this server.",
        commands={
            "analyze": "analyze_statistics",
            "compact": "compact_database",
            "describe": "describe_database",
        },
        status=databases_status,
    ),
    Service(
        "datasets",
        description="The datasets of this server.",
        commands={"verify": "verify_dataset", "collect": "collect_datasets"},
        status=datasets_status,
    ),
]
kinds: Final = ()
