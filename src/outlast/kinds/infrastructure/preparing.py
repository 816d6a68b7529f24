"""What all kinds that work on stacks prepare alike."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from outlast.kinds.infrastructure.plan import (
    ENVIRONMENT,
    STATE_KEYS,
    VARIABLE,
    InfrastructurePlan,
)
from outlast.operations.errors import Conflict, NotSupported
from outlast.operations.kind import Catalog, Prepared
from outlast.resources.configured import InfrastructureDocument, find_installation
from outlast.resources.connections import FoundConnection, find_any
from outlast.resources.stacks import FoundStack, model
from outlast.resources.stacks.finding import find_owner
from outlast.resources.stacks.model import StackDocument
from outlast.resources.stacks.modules import MODULE_FILE

CANCEL_GRACE_SECONDS: Final = 60.0
"""The tool has half of it to stop; the rest is for its state."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A stack as it shall be. `id` is empty for a plan of one that does not exist."""

    id: str
    name: str
    document: StackDocument
    references: Mapping[str, str] = {}
    plan_only: bool = False


async def find_tool(catalog: Catalog) -> InfrastructureDocument:
    """What deploys here. Raises NotSupported where nothing does and something should."""
    tool = (await find_installation(catalog)).infrastructure
    if tool.program is None and tool.is_needed:
        raise NotSupported(
            "this server has neither tofu nor terraform: install one, or name it in the settings as"
            " [infrastructure] program"
        )
    return tool


async def prepare_stack(asked: Asked, catalog: Catalog, **more: Any) -> Prepared:
    """The plan for an attempt on a stack, with what it is given beside."""
    tool, document = await find_tool(catalog), asked.document
    connection = await _connection(document.connection, catalog)
    plan = InfrastructurePlan(
        stack=asked.id,
        name=asked.name,
        word=document.word,
        module=document.module,
        variables=document.variables,
        secret_names=document.secret_names,
        connection=document.connection,
        state=None if document.state is None else document.state.rpartition("/")[2],
        tool=tool,
        plain_environment={} if connection is None else connection.plain,
        plan_only=asked.plan_only,
    )
    of_stack: dict[str, Any] = {}
    if asked.id:
        of_stack = {
            "concurrency_key": model.concurrency_key(asked.id),
            "resource_type": document.word,
            "resource_id": asked.id,
        }
    return Prepared(
        plan=plan,
        inputs={MODULE_FILE: document.module.key},
        secrets=_secrets(asked, connection),
        **of_stack,
        **more,
    )


def _secrets(asked: Asked, connection: FoundConnection | None) -> dict[str, str]:
    module = asked.document.module
    secrets = {f"{VARIABLE}{name}": text for name, text in asked.references.items()}
    of_module = {name: f"module:{module.name}/{name}" for name in module.environment}
    of_connection = {} if connection is None else connection.environment
    secrets |= {
        f"{ENVIRONMENT}{name}": text for name, text in (of_module | {**of_connection}).items()
    }
    if asked.id:
        secrets[STATE_KEYS] = model.state_reference(asked.id)
    return secrets


async def _connection(id: str | None, catalog: Catalog) -> FoundConnection | None:
    """The connection of a stack. Raises Conflict for one that never worked as it is now.

    Where it leads was never held to what calls may leave. One that is looked at again is used.
    """
    if id is None:
        return None
    found = await find_any(catalog, id)
    if found.document.validated_at is None:
        raise Conflict(
            f"the connection {found.resource.name!r} was never found to work",
            details={"status": found.status, "operation_id": found.owner},
        )
    return found


def files_prefix(found: FoundStack) -> str:
    """Where the states of a stack are kept."""
    return model.states_prefix(found.resource.tenant, found.id)


async def maker_of(found: FoundStack, catalog: Catalog) -> str | None:
    """Who made a stack, or has asked for it: until it was changed once, its operation knows."""
    if found.document.created_by:
        return found.document.created_by
    owner = await find_owner(catalog, found)
    return None if owner is None else owner.created_by or None
