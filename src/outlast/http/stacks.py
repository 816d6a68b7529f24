"""Stacks, networks and clusters, and the modules that they are made of. Changes are operations."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast, get_args

import msgspec

from outlast.engine import Engine
from outlast.engine.access import Verb
from outlast.http.listing import PAGE, PAGE_SIZE
from outlast.http.metrics import Metrics
from outlast.http.paging import page_position, page_token
from outlast.http.parsing import parse_integer, parse_traceparent, read_empty, read_json
from outlast.http.rendering import Instant, OperationView, encode, instant
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.http.submitting import IDEMPOTENCY_KEY, SUBMIT_ERRORS, accepted, replayed
from outlast.operations.errors import InvalidSpec
from outlast.resources.stacks import CallNames, ModuleDocument, Stacks, StackWish
from outlast.resources.stacks.finding import module_version
from outlast.resources.stacks.model import Drift, Output, Stack, Status, Word
from outlast.resources.stacks.modules import Variable
from outlast.store.port import Created

_WORD: Final = Parameter(
    name="word",
    schema={"type": "string", "enum": list(get_args(Word))},
    says="Only what is called so; names are looked for among stacks if it is not given.",
)
_OPERATION: Final = {200: OperationView, 202: OperationView}


class ModuleView(msgspec.Struct, frozen=True, kw_only=True):
    """A module that can be deployed. Its version is the beginning of the hash of its files."""

    name: str
    word: Word
    description: str
    version: str
    variables: Sequence[Variable]


class ModulesView(msgspec.Struct, frozen=True, kw_only=True):
    """All modules, by name."""

    modules: Sequence[ModuleView]


class StackView(msgspec.Struct, frozen=True, kw_only=True):
    """A stack. `operation_id` is what was asked for last."""

    id: str
    name: str
    word: Word
    module: str
    module_version: str
    variables: Mapping[str, Any]
    secret_names: Sequence[str]
    connection: str | None
    status: Status
    resources: int
    outputs: Mapping[str, Output]
    drift: Drift | None
    created_at: Instant
    created_by: str
    updated_at: Instant
    operation_id: str


class StacksView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of stacks, newest first."""

    stacks: Sequence[StackView]
    next_page_token: str | None


class OutputsView(msgspec.Struct, frozen=True, kw_only=True):
    """All outputs of a stack."""

    outputs: Mapping[str, Output]


class StackChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shall be different. Variables that are not named stay; null takes one away."""

    variables: dict[str, Any] = {}
    secret_variables: dict[str, Any] = {}
    connection: str | None = None
    plan_only: bool = False


class StackBody(StackChanges, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new stack of a `module`, or of the one that is bound to a `word`."""

    name: str
    module: str | None = None
    word: Word | None = None


class StackRoutes:
    """The routes of /v1/modules and /v1/stacks."""

    def __init__(
        self, stacks: Stacks, engine: Engine, metrics: Metrics, body_seconds: float
    ) -> None:
        self._stacks = stacks
        self._engine = engine
        self._metrics = metrics
        self._body_seconds = body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._reading(), *self._changing()]

    def _reading(self) -> list[Route]:
        one = "/v1/stacks/{stack}"
        return [
            Route(
                method="GET",
                path="/v1/modules",
                handle=self._modules,
                says="The modules that can be deployed",
                verb=Verb.READ,
                answers={200: ModulesView},
            ),
            Route(
                method="GET",
                path="/v1/stacks",
                handle=self._list,
                says="Stacks, networks and clusters, newest first",
                verb=Verb.READ,
                query=(_WORD, *PAGE),
                answers={200: StacksView},
                errors=("invalid_page_token", "invalid_spec"),
            ),
            Route(
                method="GET",
                path=one,
                handle=self._get,
                says="A stack, by its id or name",
                verb=Verb.READ,
                query=(_WORD,),
                answers={200: StackView},
                errors=("not_found", "invalid_spec"),
            ),
            Route(
                method="GET",
                path=one + "/outputs",
                handle=self._outputs,
                says="The outputs of a stack, sensitive ones too; it stands in the audit log",
                verb=Verb.READ_SECRETS,
                query=(_WORD,),
                answers={200: OutputsView},
                errors=("not_found", "conflict", "secret_missing", "invalid_spec"),
            ),
        ]

    def _changing(self) -> list[Route]:
        one, errors = "/v1/stacks/{stack}", (*SUBMIT_ERRORS, "not_supported")
        return [
            Route(
                method="POST",
                path="/v1/stacks",
                handle=self._create,
                says="Deploy a module as a new stack",
                verb=Verb.SUBMIT,
                headers=(IDEMPOTENCY_KEY,),
                body=StackBody,
                answers=_OPERATION,
                errors=errors,
            ),
            Route(
                method="PATCH",
                path=one,
                handle=self._update,
                says="Make a stack what it is asked to be",
                verb=Verb.SUBMIT,
                query=(_WORD,),
                headers=(IDEMPOTENCY_KEY,),
                body=StackChanges,
                answers=_OPERATION,
                errors=errors,
            ),
            Route(
                method="DELETE",
                path=one,
                handle=self._delete,
                says="Destroy a stack and all that it consists of",
                verb=Verb.SUBMIT,
                query=(_WORD,),
                headers=(IDEMPOTENCY_KEY,),
                answers=_OPERATION,
                errors=errors,
            ),
            Route(
                method="POST",
                path=one + "/check-drift",
                handle=self._check_drift,
                says="Find what others have changed of a stack",
                verb=Verb.SUBMIT,
                query=(_WORD,),
                headers=(IDEMPOTENCY_KEY,),
                answers=_OPERATION,
                errors=errors,
            ),
        ]

    async def _modules(self, call: Call) -> Answer:
        found = await self._stacks.modules(call.principal)
        return Answer(body=encode(ModulesView(modules=[_module_view(one) for one in found])))

    async def _list(self, call: Call) -> Answer:
        limit = parse_integer(call, "page_size", PAGE_SIZE, 1, self._engine.limits.page_size)
        word, token = _word(call), call.one("page_token")
        bound_to = ["stacks", call.principal.tenant, word]
        found = await self._stacks.find(
            call.principal,
            word=word,
            before_id=None if token is None else page_position(token, bound_to),
            limit=limit + 1,
        )
        page = found[:limit]
        view = StacksView(
            stacks=[_view(one) for one in page],
            next_page_token=page_token(page[-1].id, bound_to) if len(found) > limit else None,
        )
        return Answer(body=encode(view))

    async def _get(self, call: Call) -> Answer:
        found = await self._stacks.get(call.principal, call.params["stack"], _word(call))
        return Answer(body=encode(_view(found)))

    async def _outputs(self, call: Call) -> Answer:
        outputs = await self._stacks.outputs(
            call.principal, call.params["stack"], word=_word(call), request_id=call.request_id
        )
        return Answer(body=encode(OutputsView(outputs=outputs)))

    async def _create(self, call: Call) -> Answer:
        limit = self._engine.limits.body_bytes
        body = await read_json(call, StackBody, limit, self._body_seconds)
        created = await self._stacks.create(
            call.principal,
            body.name,
            _wish(body),
            module=body.module,
            word=body.word,
            call=_names(call),
        )
        return self._accepted(created)

    async def _update(self, call: Call) -> Answer:
        limit = self._engine.limits.body_bytes
        body = await read_json(call, StackChanges, limit, self._body_seconds)
        created = await self._stacks.update(
            call.principal,
            call.params["stack"],
            _wish(body),
            word=_word(call),
            call=_names(call),
        )
        return self._accepted(created)

    async def _delete(self, call: Call) -> Answer:
        await read_empty(call, self._engine.limits.body_bytes, self._body_seconds)
        created = await self._stacks.delete(
            call.principal, call.params["stack"], word=_word(call), call=_names(call)
        )
        return self._accepted(created)

    async def _check_drift(self, call: Call) -> Answer:
        await read_empty(call, self._engine.limits.body_bytes, self._body_seconds)
        created = await self._stacks.check_drift(
            call.principal, call.params["stack"], word=_word(call), call=_names(call)
        )
        return self._accepted(created)

    def _accepted(self, created: Created) -> Answer:
        self._metrics.count_created(created.operation.kind, is_new=created.is_new)
        return accepted(self._engine, created.operation, replayed(created))


def _wish(body: StackChanges) -> StackWish:
    return StackWish(
        variables=body.variables,
        secret_variables=body.secret_variables,
        connection=body.connection,
        plan_only=body.plan_only,
    )


def _names(call: Call) -> CallNames:
    return CallNames(
        idempotency_key=call.header(b"idempotency-key"),
        request_id=call.request_id,
        traceparent=parse_traceparent(call),
    )


def _word(call: Call) -> Word | None:
    said = call.one("word")
    if said is None:
        return None
    if said not in get_args(Word):
        raise InvalidSpec(f"word is one of: {', '.join(get_args(Word))}")
    return cast("Word", said)


def _module_view(module: ModuleDocument) -> ModuleView:
    return ModuleView(
        name=module.pin.name,
        word=module.word,
        description=module.description,
        version=module_version(module.pin.key),
        variables=module.variables,
    )


def _view(stack: Stack) -> StackView:
    fields = msgspec.structs.asdict(stack)
    times = {name: instant(fields[name]) for name in ("created_at", "updated_at")}
    return StackView(**fields | times)
