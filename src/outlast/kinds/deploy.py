"""The kind `deploy`: makes a stack of a module, or makes one what it is asked to be.

What a stack consists of is told by its state, which is stored, sealed, whenever it changes: a
deployment that fails, is cancelled or is killed leaves a state that the next one begins with, and
what was made is not made again. Operations on one stack wait for each other. Failure codes:

    program_missing           the worker has neither tofu nor terraform
    init_failed               the module, or its providers, cannot be used
    plan_failed               the module does not agree with what it was given
    apply_failed              resources could not be changed; tried again, three times in all
    program_crashed           the program ended without a word; tried again
    timed_out                 it took longer than the module may
    state_missing             the stack's state is gone from the object store
    state_unreadable          the stack's state cannot be opened
    secret_variables_missing  a secret variable must be given again
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from outlast.clock import system_clock
from outlast.kinds.infrastructure.plan import SECRETS, InfrastructurePlan
from outlast.kinds.infrastructure.preparing import (
    CANCEL_GRACE_SECONDS,
    Asked,
    files_prefix,
    find_tool,
    maker_of,
    prepare_stack,
)
from outlast.kinds.infrastructure.running import StackRun
from outlast.operations import documents, ids
from outlast.operations.errors import Conflict, InvalidSpec, ResourceExists
from outlast.operations.kind import Catalog, CatalogWrite, Context, Finish, Kind, Prepared
from outlast.operations.retry import RetryPolicy
from outlast.resources.connections import find_any, find_connection
from outlast.resources.stacks import find_stack, model
from outlast.resources.stacks.model import (
    DeploymentDocument,
    Output,
    StackDocument,
    StackState,
    Word,
)
from outlast.resources.stacks.modules import ModuleDocument, find_module

RETRY: Final = RetryPolicy(attempts_max=10, delay_seconds_max=60)
"""Of lost workers there may be more than of failed applies."""

_PLANNED_MAX: Final = 1000


class DeploySpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `stack` that there is, or a new one called `name` of a `module`.

    Variables and secret variables that are not named stay as they are; null takes one away. A
    secret variable is a reference to a sealed secret, which doors make of what callers give them.
    `plan_only`: nothing is changed, and the result tells what would be.
    """

    stack: str | None = None
    module: str | None = None
    name: str | None = None
    word: Word | None = None
    variables: Mapping[str, Any] = {}
    secret_variables: Mapping[str, str | None] = {}
    connection: str | None = None
    plan_only: bool = False


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """How many resources were created, updated and deleted, or would be."""

    created: int = 0
    updated: int = 0
    deleted: int = 0


class PlannedChange(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen to a resource."""

    address: str
    type: str
    change: str


class DeployResult(msgspec.Struct, frozen=True, kw_only=True):
    """The stack, of how many resources it consists, and what was changed, or would be.

    `planned` has at most 1,000 changes, and only those of a plan.
    """

    stack: str
    name: str
    word: Word
    resources: int
    changes: Changes
    outputs: Mapping[str, Output] = {}
    planned: Sequence[PlannedChange] = ()


async def prepare(spec: DeploySpec, catalog: Catalog) -> Prepared:
    """Reserve the name or find the stack, and pin the module. Raises OutlastError."""
    if catalog.operation_id is not None:
        return await _prepare_attempt(spec, catalog)
    _check_shape(spec)
    await find_tool(catalog)
    if spec.connection is not None:
        spec = replace(spec, connection=(await find_connection(catalog, spec.connection)).id)
    if spec.stack is None:
        return await _prepare_new(spec, catalog)
    found = await find_stack(catalog, spec.stack)
    module = await find_module(catalog, found.document.module.name)
    document = _asked(replace(found.document, module=module.pin), spec)
    _check_variables(document, module)
    # The stack stays as it is until something is changed: others may be asked for before.
    owning = model.change_stack(found.resource, found.document, is_owned=True)
    asked = Asked(
        id=found.id,
        name=model.plain_name(found.resource),
        document=document,
        references=_references(spec),
        plan_only=spec.plan_only,
    )
    return await prepare_stack(
        asked,
        catalog,
        writes=[*([] if spec.plan_only else [owning]), _pin(found.id, module)],
        owner=await maker_of(found, catalog),
    )


async def _prepare_new(spec: DeploySpec, catalog: Catalog) -> Prepared:
    module = await find_module(catalog, spec.module or "")
    if spec.word not in {None, module.word}:
        message = f"the module {module.pin.name!r} is bound to the word {module.word}"
        raise InvalidSpec(message, field_errors={"module": message})
    name = model.check_name(spec.name or "")
    known_as = model.catalog_name(module.word, name)
    document = _asked(StackDocument(word=module.word, module=module.pin), spec)
    _check_variables(document, module)
    id = "" if spec.plan_only else ids.make_id(system_clock(), ids.random_bits())
    writes = [_pin(id, module)]
    if not spec.plan_only:
        if await catalog.get(model.STACK, known_as) is not None:
            message = f"the {module.word} {name!r} exists already: name it as `stack` to change it"
            raise ResourceExists(message, field_errors={"name": "is taken"})
        reservation = CatalogWrite(
            type=model.STACK,
            id=id,
            name=known_as,
            document=documents.encode(document),
            fields=model.fields_of(document),
            expected_revision=0,
            is_owned=True,
        )
        writes.append(reservation)
    asked = Asked(
        id=id,
        name=name,
        document=document,
        references=_references(spec),
        plan_only=spec.plan_only,
    )
    return await prepare_stack(asked, catalog, writes=writes)


async def _prepare_attempt(spec: DeploySpec, catalog: Catalog) -> Prepared:
    pins = await catalog.find(model.DEPLOYMENT, operation_id=catalog.operation_id or "", limit=1)
    if not pins:
        raise Conflict("what was to be deployed is not known any more")
    if spec.connection is not None:
        spec = replace(spec, connection=(await find_any(catalog, spec.connection)).id)
    pin = msgspec.json.decode(pins[0].document, type=DeploymentDocument)
    if not pin.stack:
        fresh = StackDocument(word=spec.word or "stack", module=pin.module)
        asked = Asked(
            id="",
            name=spec.name or "",
            document=_asked(fresh, spec),
            references=_references(spec),
            plan_only=True,
        )
        return await prepare_stack(asked, catalog)
    found = await find_stack(catalog, pin.stack)
    asked = Asked(
        id=found.id,
        name=model.plain_name(found.resource),
        document=_asked(replace(found.document, module=pin.module), spec),
        references=_references(spec),
        plan_only=spec.plan_only,
    )
    return await prepare_stack(asked, catalog, files_prefix=files_prefix(found))


def _references(spec: DeploySpec) -> dict[str, str]:
    return {name: text for name, text in spec.secret_variables.items() if text is not None}


def _check_shape(spec: DeploySpec) -> None:
    if (spec.stack is None) == (spec.module is None):
        raise InvalidSpec("a deployment names either a stack or the module of a new one")
    if (spec.module is None) != (spec.name is None):
        raise InvalidSpec("a new stack has a module and a name", field_errors={"name": "required"})
    for name, text in spec.secret_variables.items():
        if text is not None and not text.startswith("sealed:"):
            message = "is no reference to a sealed secret; POST /v1/stacks seals what it is given"
            raise InvalidSpec(
                f"secret_variables.{name}: {message}",
                field_errors={f"secret_variables.{name}": message},
            )
    both = sorted(spec.variables.keys() & spec.secret_variables.keys())
    if both:
        raise InvalidSpec(f"given twice: {', '.join(both)[:500]}")


def _asked(document: StackDocument, spec: DeploySpec) -> StackDocument:
    """What the stack shall be."""
    variables = {**document.variables, **spec.variables}
    secret: dict[str, str | None] = dict.fromkeys(document.secret_names, "")
    secret |= spec.secret_variables
    for name in spec.variables:
        secret.pop(name, None)
    return replace(
        document,
        variables={
            name: value
            for name, value in variables.items()
            if value is not None and name not in spec.secret_variables
        },
        secret_names=tuple(sorted(name for name, text in secret.items() if text is not None)),
        connection=spec.connection or document.connection,
    )


def _check_variables(document: StackDocument, module: ModuleDocument) -> None:
    """Raise InvalidSpec for variables that the module has not, or misses, or wants kept secret."""
    given = {*document.variables, *document.secret_names}
    known = {one.name: one for one in module.variables}
    wrong = {f"variables.{name}": "the module has no such variable" for name in given - {*known}}
    for name, one in known.items():
        if one.is_required and name not in given:
            wrong[f"variables.{name}"] = "is required"
        elif one.is_sensitive and name in document.variables:
            wrong[f"variables.{name}"] = "is sensitive: it is given as a secret variable"
    if len(document.secret_names) > model.SECRET_VARIABLES_MAX:
        wrong["secret_variables"] = f"at most {model.SECRET_VARIABLES_MAX}"
    if wrong:
        first = min(wrong)
        raise InvalidSpec(f"{first}: {wrong[first]}", field_errors=wrong)


def _pin(stack: str, module: ModuleDocument) -> CatalogWrite:
    return CatalogWrite(
        type=model.DEPLOYMENT,
        id=ids.make_id(system_clock(), ids.random_bits()),
        document=documents.encode(DeploymentDocument(stack=stack, module=module.pin)),
        is_owned=True,
    )


async def run(plan: InfrastructurePlan, context: Context) -> Finish:
    """Deploy a module as a stack."""
    with StackRun(plan, context) as tool:
        await tool.begin(changes=not plan.plan_only)
        await tool.initialize()
        if plan.plan_only:
            await tool.plan_changes()
            return Finish(result=_result(plan, tool))
        await tool.apply()
    published = tool.published(is_done=True)
    result = replace(_result(plan, tool), outputs=published.outputs)
    return Finish(result=result, writes=[published])


def _result(plan: InfrastructurePlan, tool: StackRun) -> DeployResult:
    counts = tool.table.applied or tool.table.planned
    planned = [
        PlannedChange(address=row.resource.addr, type=row.resource.resource_type, change=row.action)
        for row in tool.table.changes()
    ]
    return DeployResult(
        stack=plan.stack,
        name=plan.name,
        word=plan.word,
        resources=tool.resources,
        changes=Changes(created=counts.add, updated=counts.change, deleted=counts.remove),
        planned=planned[:_PLANNED_MAX] if plan.plan_only else (),
    )


def publish_partly(checkpoint: Any) -> Sequence[StackState]:
    """The state of a stack as a deployment left it that failed or was cancelled."""
    return [msgspec.convert(checkpoint, StackState)]


kinds: Final = [
    Kind(
        "deploy",
        spec=DeploySpec,
        result=DeployResult,
        plan=InfrastructurePlan,
        prepare=prepare,
        run=run,
        partial=publish_partly,
        secrets=SECRETS,
        cancel_grace_seconds=CANCEL_GRACE_SECONDS,
        retry=RETRY,
        description="Make a stack of a module, or make one what it is asked to be.",
    )
]
