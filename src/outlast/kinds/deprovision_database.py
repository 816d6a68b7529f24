"""The kind `deprovision_database`: a database goes, with all that is in it.

Safe to repeat: what was removed half is removed by the next one, and what a failed
`provision_database` left is removed like a database. Refused: a database that another operation is
about. Its pipe tables, their schedules and its password go with it, its files a day later. Failure
codes:

    not_ours             the PostgreSQL database of this id belongs to another role
    role_in_use          its role owns something in another database of the server
    server_unreachable   the PostgreSQL server cannot be reached; tried again
"""

from typing import Final

import msgspec
from msgspec.structs import replace

from outlast.kinds.provision_database import ADMIN
from outlast.operations.errors import Conflict, ResourceInUse
from outlast.operations.kind import OPERATION, Catalog, Context, Finish, Kind, Prepared
from outlast.operations.retry import RetryPolicy
from outlast.operations.states import State
from outlast.resources.databases import (
    FoundDatabase,
    RemovedDatabase,
    look_for_database,
    model,
)
from outlast.resources.databases.model import EngineName

_LIVE: Final = tuple(state for state in State if not state.is_terminal)


class DeprovisionSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The database, by its id or name."""

    database: str


class DeprovisionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler needs."""

    database: str
    name: str
    engine: EngineName


class DeprovisionResult(msgspec.Struct, frozen=True, kw_only=True):
    """The database that was removed."""

    database: str
    name: str


async def prepare(spec: DeprovisionSpec, catalog: Catalog) -> Prepared:
    """Make the database this operation's. Raises NotFound, ResourceInUse, Conflict."""
    found = await look_for_database(catalog, spec.database)
    if found is None:
        raise model.no_database(spec.database)
    if catalog.operation_id is None:
        await _check_idle(found, catalog)
    elif found.owner != catalog.operation_id:
        raise Conflict(f"the database {spec.database!r} is another operation's meanwhile")
    engine = found.document.engine
    write = model.change_database(found.resource, replace(found.document, is_going=True))
    return Prepared(
        plan=DeprovisionPlan(database=found.id, name=found.resource.name, engine=engine),
        writes=[replace(write, is_owned=True)],
        secrets={"admin": ADMIN} if engine == "postgresql" else {},
        targets=(found.id,),
        owner=found.document.created_by or None,
        concurrency_key=model.concurrency_key(found.id),
        resource_type=model.DATABASE,
        resource_id=found.id,
    )


async def _check_idle(found: FoundDatabase, catalog: Catalog) -> None:
    if found.status in {"provisioning", "deprovisioning"}:
        raise model.not_ready(found.resource.name, found.status)
    for state in _LIVE:
        live = await catalog.find(
            OPERATION,
            limit=1,
            resource_type=model.DATABASE,
            resource_id=found.id,
            state=state.value,
        )
        if live:
            raise ResourceInUse(
                f"the operation {live[0].id} is about the database {found.resource.name!r};"
                " cancel it, or wait for it",
                details={"operation_id": live[0].id},
            )


async def run(plan: DeprovisionPlan, context: Context) -> Finish:
    """Remove a database and all that is in it."""
    if plan.engine == "postgresql":
        # Only the child has the driver, so that the server stays small.
        from outlast.kinds.databases.postgres import Administrator  # noqa: PLC0415

        await Administrator(context.secrets["admin"]).drop(plan.database)
    return Finish(
        result=DeprovisionResult(database=plan.database, name=plan.name),
        writes=[RemovedDatabase(database=plan.database)],
    )


kinds: Final = [
    Kind(
        "deprovision_database",
        spec=DeprovisionSpec,
        result=DeprovisionResult,
        plan=DeprovisionPlan,
        prepare=prepare,
        run=run,
        secrets=("admin",),
        retry=RetryPolicy(attempts_max=5),
        description="Remove a database and all that is in it.",
    )
]
