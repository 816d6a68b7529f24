"""The kind `check_drift`: what others have changed of a stack.

Nothing is changed, neither the resources nor the state. Failure codes: those of `deploy`.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from outlast.kinds.deploy import RETRY
from outlast.kinds.destroy import DestroySpec
from outlast.kinds.infrastructure.plan import SECRETS, InfrastructurePlan
from outlast.kinds.infrastructure.preparing import (
    CANCEL_GRACE_SECONDS,
    Asked,
    files_prefix,
    prepare_stack,
)
from outlast.kinds.infrastructure.running import StackRun
from outlast.operations.kind import Catalog, Context, Finish, Kind, Prepared
from outlast.resources.stacks import find_stack, model
from outlast.resources.stacks.model import DriftedResource, StackDrift, Word


class CheckDriftSpec(DestroySpec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The stack, by its id or name, or WORD/NAME."""


class CheckDriftResult(msgspec.Struct, frozen=True, kw_only=True):
    """What others have changed, at most 1,000 resources; or nothing."""

    stack: str
    name: str
    word: Word
    has_drifted: bool
    resources: Sequence[DriftedResource]


async def prepare(spec: CheckDriftSpec, catalog: Catalog) -> Prepared:
    """Find the stack. Raises NotFound, NotSupported."""
    found = await find_stack(catalog, spec.stack)
    asked = Asked(id=found.id, name=model.plain_name(found.resource), document=found.document)
    return await prepare_stack(asked, catalog, files_prefix=files_prefix(found))


async def run(plan: InfrastructurePlan, context: Context) -> Finish:
    """Find what others have changed of a stack."""
    with StackRun(plan, context) as tool:
        await tool.begin(changes=False)
        await tool.initialize()
        await tool.plan_changes(refresh_only=True)
    result = CheckDriftResult(
        stack=plan.stack,
        name=plan.name,
        word=plan.word,
        has_drifted=bool(tool.drifted),
        resources=tool.drifted,
    )
    return Finish(
        result=result, writes=[StackDrift(stack=plan.stack, resources=tuple(tool.drifted))]
    )


kinds: Final = [
    Kind(
        "check_drift",
        spec=CheckDriftSpec,
        result=CheckDriftResult,
        plan=InfrastructurePlan,
        prepare=prepare,
        run=run,
        secrets=SECRETS,
        cancel_grace_seconds=CANCEL_GRACE_SECONDS,
        retry=RETRY,
        description="Find what others have changed of a stack.",
    )
]
