"""What callers do with stacks: deploy, change, look at, destroy. Each change is an operation.

Changing what another member made is for operators.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from outlast.engine import Engine
from outlast.engine.access import Principal, Verb
from outlast.engine.preparing import TenantCatalog
from outlast.engine.wishes import Wish
from outlast.operations import documents
from outlast.operations.errors import Conflict, InvalidSpec, NotSupported
from outlast.operations.kind import CatalogWrite
from outlast.resources.keyring import Keyring, stack_purpose
from outlast.resources.objects import ObjectStore
from outlast.resources.secrets import Secrets
from outlast.resources.stacks import model
from outlast.resources.stacks.finding import FoundStack, find_stack, show_stack
from outlast.resources.stacks.model import Output, Stack, Word
from outlast.resources.stacks.modules import ModuleDocument, list_modules
from outlast.resources.stacks.states import NO_STATE, open_state, read_state
from outlast.store.port import AuditEntry, Created

PAGE_MAX: Final = 1000


class StackWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a stack shall be made of. What is not named stays as it is; null takes a variable away.

    `secret_variables` are in the clear: they are sealed before anything is stored.
    """

    variables: Mapping[str, Any] = {}
    secret_variables: Mapping[str, Any] = {}
    connection: str | None = None
    plan_only: bool = False


class CallNames(msgspec.Struct, frozen=True, kw_only=True):
    """What a call is known by: see `outlast.engine.wishes.Wish`."""

    operation_id: str | None = None
    idempotency_key: str | None = None
    request_id: str | None = None
    traceparent: str | None = None


class Stacks:
    """The stacks of all tenants, networks and clusters among them; calls are scoped by principal.

    A `ref` is an id in any of its forms, a name, or WORD/NAME. Where a `word` is given, only what
    that word is for is meant. What is not the principal's is NotFound.
    """

    def __init__(
        self, engine: Engine, secrets: Secrets, objects: ObjectStore, keyring: Keyring
    ) -> None:
        self._engine = engine
        self._catalog = engine.store.catalog
        self._secrets = secrets
        self._objects = objects
        self._keyring = keyring

    async def modules(self, principal: Principal) -> list[ModuleDocument]:
        """The modules of this installation, by name."""
        principal.require(Verb.READ)
        return await list_modules(TenantCatalog(self._catalog, principal.tenant))

    async def find(
        self,
        principal: Principal,
        *,
        word: Word | None = None,
        before_id: str | None = None,
        limit: int = 50,
    ) -> list[Stack]:
        """At most `limit` (1 to 1,000) of them, newest first, with ids below `before_id`."""
        principal.require(Verb.READ)
        if not 1 <= limit <= PAGE_MAX:
            raise InvalidSpec(f"limit must be from 1 to {PAGE_MAX}")
        found = await self._catalog.find(
            principal.tenant,
            model.STACK,
            fields=None if word is None else {model.WORD: word},
            before_id=before_id,
            limit=limit,
        )
        catalog = TenantCatalog(self._catalog, principal.tenant)
        stacks = [FoundStack(resource=one, document=model.stack_document(one)) for one in found]
        return [await show_stack(catalog, one) for one in stacks]

    async def get(self, principal: Principal, ref: str, word: Word | None = None) -> Stack:
        """One stack. Raises NotFound."""
        principal.require(Verb.READ)
        catalog = TenantCatalog(self._catalog, principal.tenant)
        return await show_stack(catalog, await find_stack(catalog, ref, word))

    async def outputs(
        self, principal: Principal, ref: str, *, word: Word | None = None, request_id: str | None
    ) -> Mapping[str, Output]:
        """All outputs of a stack with their values, also of those that are sensitive.

        It stands in the audit log first. Raises NotFound, Forbidden, SecretMissing; Conflict
        before there is a state.
        """
        principal.require(Verb.READ_SECRETS)
        catalog = TenantCatalog(self._catalog, principal.tenant)
        found = await find_stack(catalog, ref, word)
        key = found.document.state
        if key is None:
            raise Conflict("nothing was deployed yet: there are no outputs")
        audit = AuditEntry(
            actor=principal.member,
            action="stack.read_outputs",
            target=found.id,
            request_id=request_id,
        )
        await self._catalog.write(principal.tenant, [], audit)
        content = b"".join([chunk async for chunk in self._objects.read(key)])
        keys = self._keyring.narrow(stack_purpose(principal.tenant, found.id))
        kept = open_state(keys, content, key.rpartition("/")[2])
        outputs = {} if kept.state == NO_STATE else read_state(bytes(kept.state)).outputs
        return {
            name: Output(value=one.value, is_sensitive=one.sensitive)
            for name, one in outputs.items()
        }

    async def create(
        self,
        principal: Principal,
        name: str,
        wish: StackWish,
        *,
        module: str | None = None,
        word: Word | None = None,
        call: CallNames = CallNames(),  # noqa: B008  frozen
    ) -> Created:
        """The operation that makes a stack of a module, or of the one bound to a word.

        Raises InvalidSpec, NotFound, ResourceExists; NotSupported where no module is bound.
        """
        if module is None:
            module = await self._bound_to(principal, word)
        spec = {"module": module, "name": name} | ({} if word is None else {"word": word})
        return await self._deploy(principal, spec, wish, call)

    async def update(
        self,
        principal: Principal,
        ref: str,
        wish: StackWish,
        *,
        word: Word | None = None,
        call: CallNames = CallNames(),  # noqa: B008  frozen
    ) -> Created:
        """The operation that makes a stack what is wished for. Raises NotFound, InvalidSpec."""
        stack = await self.get(principal, ref, word)
        return await self._deploy(principal, {"stack": stack.id}, wish, call)

    async def delete(
        self,
        principal: Principal,
        ref: str,
        *,
        word: Word | None = None,
        call: CallNames = CallNames(),  # noqa: B008  frozen
    ) -> Created:
        """The operation that destroys a stack and all that it consists of. Raises NotFound."""
        return await self._about(principal, "destroy", ref, word, call)

    async def check_drift(
        self,
        principal: Principal,
        ref: str,
        *,
        word: Word | None = None,
        call: CallNames = CallNames(),  # noqa: B008  frozen
    ) -> Created:
        """The operation that looks for what others have changed. Raises NotFound."""
        return await self._about(principal, "check_drift", ref, word, call)

    async def _bound_to(self, principal: Principal, word: Word | None) -> str:
        """The module that is bound to a word. Raises InvalidSpec where there are several."""
        if word is None:
            message = "name a module, or a word that one is bound to"
            raise InvalidSpec(message, field_errors={"module": message})
        bound = [one.pin.name for one in await self.modules(principal) if one.word == word]
        if not bound:
            raise NotSupported(
                f'no module is bound to the word {word}: an administrator says word = "{word}" in'
                " the settings of one, [modules.NAME]"
            )
        if len(bound) > 1:
            message = f"several modules are bound to {word}, name one: {', '.join(bound)[:500]}"
            raise InvalidSpec(message, field_errors={"module": message})
        return bound[0]

    async def _deploy(
        self, principal: Principal, spec: dict[str, Any], wish: StackWish, call: CallNames
    ) -> Created:
        references: dict[str, str | None] = {}
        writes: list[CatalogWrite] = []
        for name, value in wish.secret_variables.items():
            if value is None:
                references[name] = None
                continue
            # A caller who asks again with the same key asks for the same.
            key = call.idempotency_key or call.operation_id
            named = None if key is None else f"{key}/{name}"
            text = msgspec.json.encode(value).decode()
            references[name], write = self._secrets.seal(principal.tenant, text, call=named)
            writes.append(write)
        spec |= {"variables": wish.variables, "secret_variables": references}
        if wish.connection is not None:
            spec["connection"] = wish.connection
        if wish.plan_only:
            spec["plan_only"] = True
        return await self._submit(principal, "deploy", spec, call, writes)

    async def _about(
        self, principal: Principal, kind: str, ref: str, word: Word | None, call: CallNames
    ) -> Created:
        stack = await self.get(principal, ref, word)
        return await self._submit(principal, kind, {"stack": stack.id}, call, [])

    async def _submit(
        self,
        principal: Principal,
        kind: str,
        spec: dict[str, Any],
        call: CallNames,
        writes: list[CatalogWrite],
    ) -> Created:
        wish = Wish(
            kind=kind,
            spec=documents.canonical(spec),
            operation_id=call.operation_id,
            idempotency_key=call.idempotency_key,
            request_id=call.request_id,
            traceparent=call.traceparent,
            writes=writes,
        )
        return await self._engine.submit(principal, wish)
