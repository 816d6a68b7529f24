"""The routes of stacks, networks and clusters. Changes are operations."""

import contextlib
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

from msgspec import UNSET

from outlast.dialects.lakesail.names import NAME, NETWORK, NETWORK_OUTPUTS, REGION
from outlast.dialects.lakesail.operations import LakeSailOperation, operation_on_wire
from outlast.dialects.lakesail.stacks import (
    Change,
    CreateClusterRequest,
    CreateNetworkRequest,
    CreateStackRequest,
    UpdateStackRequest,
)
from outlast.engine.access import Principal, Verb
from outlast.http.lakesail.answering import ANSWER_MEDIA, WINDOW, Window, answered
from outlast.http.lakesail.including import NamedOperations
from outlast.http.lakesail.stack_forms import Form
from outlast.http.lakesail.stack_views import known_outputs
from outlast.http.parsing import parse_traceparent, read_empty, read_json
from outlast.http.parts import Parts
from outlast.http.renaming import renaming
from outlast.http.routing import Answer, Call, Handler, Route
from outlast.http.submitting import IDEMPOTENCY_KEY, SUBMIT_ERRORS, replayed
from outlast.operations.errors import InvalidSpec, NotFound
from outlast.resources.stacks import CallNames, Stack, Stacks, StackWish
from outlast.store.port import Created

_ERRORS: Final = (*SUBMIT_ERRORS, "not_supported")


class StackRoutes:
    """The routes of stacks of one word."""

    def __init__(self, parts: Parts, stacks: Stacks, form: Form) -> None:
        self._engine = parts.engine
        self._stacks = stacks
        self._form = form
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._reading(), *self._changing()]

    def _reading(self) -> list[Route]:
        form = self._form
        return [
            Route(
                method="GET",
                path=form.path,
                handle=self._list,
                says=f"List {form.word}s, newest first",
                verb=Verb.READ,
                query=WINDOW,
                answers={200: form.listed},
                answer_media=ANSWER_MEDIA,
                errors=("invalid_page_token",),
            ),
            Route(
                method="GET",
                path=self._one,
                handle=self._get,
                says=f"Get a {form.word}",
                verb=Verb.READ,
                answers={200: form.shown},
                answer_media=ANSWER_MEDIA,
                errors=("not_found",),
                params=self._params,
            ),
        ]

    def _changing(self) -> list[Route]:
        form, word = self._form, self._form.word
        changed = (form.shown, LakeSailOperation)
        return [
            self._change(
                "POST",
                form.path,
                self._create,
                says=f"Make a {word}",
                body=form.create,
                answers={202: changed},
            ),
            self._change(
                "PATCH",
                self._one,
                self._update,
                says=f"Change a {word}",
                body=form.update,
                answers={202: changed},
            ),
            self._change(
                "DELETE",
                self._one,
                self._delete,
                says=f"Delete a {word} with all that it consists of",
                answers={202: changed},
            ),
            self._change(
                "POST",
                self._one + "/check-drift",
                self._check_drift,
                says=f"Find what others have changed of a {word}",
                answers={202: LakeSailOperation},
            ),
        ]

    def _change(self, method: str, path: str, handle: Handler, **said: Any) -> Route:
        return Route(
            method=method,
            path=path,
            handle=handle,
            verb=Verb.SUBMIT,
            headers=(IDEMPOTENCY_KEY,),
            answer_media=ANSWER_MEDIA,
            errors=_ERRORS,
            params=self._params if "{" in path else {},
            **said,
        )

    @property
    def _one(self) -> str:
        return f"{self._form.path}/{{{self._form.word}}}"

    @property
    def _params(self) -> dict[str, str]:
        return {self._form.word: f"A {self._form.word}'s id, or its name."}

    async def _list(self, call: Call) -> Answer:
        form = self._form
        window = Window(call, form.word)
        found = await self._stacks.find(
            call.principal, word=form.word, before_id=window.before_id, limit=window.limit + 1
        )
        shown, marker = window.cut(
            found[: window.limit], attrgetter("id"), has_more=len(found) > window.limit
        )
        named = await self._named(call, *shown)
        items: Any = [form.show(one, named) for one in shown]
        marked = UNSET if marker is None else marker
        return answered(form.listed(items=items, included=named.included, marker=marked))

    async def _get(self, call: Call) -> Answer:
        found = await self._stacks.get(call.principal, self._ref(call), self._form.word)
        return answered(self._form.show(found, await self._named(call, found)))

    async def _create(self, call: Call) -> Answer:
        form, limit = self._form, self._engine.limits.body_bytes
        body = await read_json(call, form.create, limit, self._body_seconds)
        with renaming(form.wire_path):
            created = await self._stacks.create(
                call.principal,
                body.name,
                _wish(body, await self._variables(call.principal, body)),
                module=body.module,
                word=form.word,
                call=_names(call),
            )
        return await self._changed(call, created, is_plan=body.plan_only)

    async def _update(self, call: Call) -> Answer:
        form, limit = self._form, self._engine.limits.body_bytes
        body = await read_json(call, form.update, limit, self._body_seconds)
        variables = body.variables if isinstance(body, UpdateStackRequest) else body.config
        with renaming(form.wire_path):
            created = await self._stacks.update(
                call.principal,
                self._ref(call),
                _wish(body, variables),
                word=form.word,
                call=_names(call),
            )
        return await self._changed(call, created, is_plan=body.plan_only)

    async def _delete(self, call: Call) -> Answer:
        await read_empty(call, self._engine.limits.body_bytes, self._body_seconds)
        created = await self._stacks.delete(
            call.principal, self._ref(call), word=self._form.word, call=_names(call)
        )
        return await self._changed(call, created)

    async def _check_drift(self, call: Call) -> Answer:
        await read_empty(call, self._engine.limits.body_bytes, self._body_seconds)
        created = await self._stacks.check_drift(
            call.principal, self._ref(call), word=self._form.word, call=_names(call)
        )
        return await self._changed(call, created, is_plan=True)

    async def _variables(
        self, principal: Principal, body: CreateStackRequest | CreateNetworkRequest
    ) -> Mapping[str, Any]:
        """The variables that a request comes to; its name too, if the module asks for it."""
        if isinstance(body, CreateStackRequest):
            return body.variables
        known = await self._known(principal, body.module)
        asked: dict[str, Any] = {} if body.region is None else {REGION: body.region}
        if isinstance(body, CreateClusterRequest) and body.network_id is not None:
            network = await self._stacks.get(principal, body.network_id, "network")
            asked[NETWORK] = network.id
            if NETWORK_OUTPUTS in known:
                asked[NETWORK_OUTPUTS] = known_outputs(network)
        for name in asked.keys() - known if known else ():
            message = f"the module has no variable {name}"
            raise InvalidSpec(message, field_errors={f"variables.{name}": message})
        named = {NAME: body.name} if NAME in known else {}
        return {**named, **body.config, **asked}

    async def _known(self, principal: Principal, module: str | None) -> frozenset[str]:
        """The variables of the module that is meant; of none if that is not clear."""
        found = [
            one
            for one in await self._stacks.modules(principal)
            if one.word == self._form.word and module in {None, one.pin.name}
        ]
        return (
            frozenset(each.name for each in found[0].variables) if len(found) == 1 else frozenset()
        )

    async def _changed(self, call: Call, created: Created, *, is_plan: bool = False) -> Answer:
        """What an operation works on, as it stands; itself if that is not there, or not changed."""
        operation = created.operation
        found = None
        if not is_plan and operation.resource_id is not None:
            # It may be gone already, or again.
            with contextlib.suppress(NotFound):
                found = await self._stacks.get(
                    call.principal, operation.resource_id, self._form.word
                )
        shown: Any = operation_on_wire(operation)
        if found is not None:
            shown = self._form.show(found, await self._named(call, found))
        return answered(shown, 202, replayed(created))

    async def _named(self, call: Call, *stacks: Stack) -> NamedOperations:
        ids = (one.operation_id for one in stacks)
        return await NamedOperations.find(self._engine, call.principal, ids)

    def _ref(self, call: Call) -> str:
        return call.params[self._form.word]


def _wish(body: Change, variables: Mapping[str, Any]) -> StackWish:
    return StackWish(
        variables=variables,
        secret_variables=body.secret_variables,
        connection=body.connection_id,
        plan_only=body.plan_only,
    )


def _names(call: Call) -> CallNames:
    return CallNames(
        idempotency_key=call.header(b"idempotency-key"),
        request_id=call.request_id,
        traceparent=parse_traceparent(call),
    )
