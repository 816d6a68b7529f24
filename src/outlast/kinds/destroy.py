"""The kind `destroy`: a stack goes, with all that it consists of.

Safe to repeat: what one has left half destroyed, the next one destroys. When nothing is left the
stack itself is gone, and its state a day later. Failure codes: those of `deploy`.
"""

from typing import Final

import msgspec

from outlast.kinds.deploy import RETRY, publish_partly
from outlast.kinds.infrastructure.plan import SECRETS, InfrastructurePlan
from outlast.kinds.infrastructure.preparing import (
    CANCEL_GRACE_SECONDS,
    Asked,
    files_prefix,
    maker_of,
    prepare_stack,
)
from outlast.kinds.infrastructure.running import StackRun
from outlast.operations.kind import Catalog, Context, Finish, Kind, Prepared
from outlast.resources.stacks import find_stack, model
from outlast.resources.stacks.model import RemovedStack, Word


class DestroySpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The stack, by its id or name, or WORD/NAME."""

    stack: str


class DestroyResult(msgspec.Struct, frozen=True, kw_only=True):
    """The stack that was destroyed, and of how many resources it consisted at the end."""

    stack: str
    name: str
    word: Word
    deleted: int


async def prepare(spec: DestroySpec, catalog: Catalog) -> Prepared:
    """Make the stack this operation's. Raises NotFound, NotSupported."""
    found = await find_stack(catalog, spec.stack)
    asked = Asked(id=found.id, name=model.plain_name(found.resource), document=found.document)
    if catalog.operation_id is not None:
        return await prepare_stack(asked, catalog, files_prefix=files_prefix(found))
    owning = model.change_stack(found.resource, found.document, is_owned=True)
    owner = await maker_of(found, catalog)
    return await prepare_stack(asked, catalog, writes=[owning], owner=owner)


async def run(plan: InfrastructurePlan, context: Context) -> Finish:
    """Destroy a stack and all that it consists of."""
    with StackRun(plan, context) as tool:
        await tool.begin(changes=True)
        if tool.has_state:
            await tool.initialize()
            await tool.apply(destroys=True)
    deleted = tool.table.applied.remove if tool.table.applied is not None else 0
    return Finish(
        result=DestroyResult(stack=plan.stack, name=plan.name, word=plan.word, deleted=deleted),
        writes=[RemovedStack(stack=plan.stack)],
    )


kinds: Final = [
    Kind(
        "destroy",
        spec=DestroySpec,
        result=DestroyResult,
        plan=InfrastructurePlan,
        prepare=prepare,
        run=run,
        partial=publish_partly,
        secrets=SECRETS,
        cancel_grace_seconds=CANCEL_GRACE_SECONDS,
        retry=RETRY,
        description="Destroy a stack and all that it consists of.",
    )
]
