"""What callers do with playgrounds, LLM blueprints, chats and chat prompts.

Operations answer chat prompts. What is removed takes along what is in it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from outlast.engine.access import Principal, Verb
from outlast.operations import ids
from outlast.operations.errors import Conflict, InvalidSpec, RevisionMismatch
from outlast.operations.kind import CatalogWrite, Resource
from outlast.operations.model import Operation
from outlast.operations.states import State
from outlast.resources.playgrounds import model
from outlast.resources.playgrounds.model import (
    BlueprintDocument,
    ChatDocument,
    ChatPrompt,
    Status,
)
from outlast.resources.shelves import Kept, Shelf
from outlast.resources.walking import walk_resources
from outlast.store.port import AuditEntry, CatalogStore, Store

PAGE_MAX: Final = 1000
_WITHIN: Final[Mapping[str, Sequence[str]]] = {
    model.PLAYGROUND: (model.PROMPT, model.CHAT, "question_set", model.BLUEPRINT),
    model.BLUEPRINT: (model.PROMPT, model.CHAT),
    model.CHAT: (model.PROMPT,),
}
"""What lies in a thing of each type, and knows by a field called as the type which one it is."""

_BATCH: Final = 100
_FEEDBACK_MAX: Final = 1000
_FEEDBACK_TRIES: Final = 5


class Playgrounds:
    """The playgrounds of all tenants; every call is scoped by its principal."""

    def __init__(self, store: Store) -> None:
        self._catalog: CatalogStore = store.catalog
        self._operations = store.operations
        now = store.operations.now
        self.playgrounds = Shelf(store.catalog, model.PLAYGROUNDS, now)
        self.blueprints = Shelf(store.catalog, model.BLUEPRINTS, now)
        self.chats = Shelf(store.catalog, model.CHATS, now)

    async def create_blueprint(
        self, principal: Principal, document: BlueprintDocument, *, request_id: str | None = None
    ) -> Kept[BlueprintDocument]:
        """A new blueprint in a playground. Raises NotFound, InvalidSpec for too many."""
        playground = await self.playgrounds.get(principal, document.playground)
        await self._check_room(principal, model.BLUEPRINT, playground=playground.id)
        document = replace(document, playground=playground.id)
        return await self.blueprints.create(principal, document, request_id=request_id)

    async def create_chat(
        self, principal: Principal, blueprint: str, name: str, *, request_id: str | None = None
    ) -> Kept[ChatDocument]:
        """A new chat with a blueprint. Raises NotFound, InvalidSpec for too many."""
        found = await self.blueprints.get(principal, blueprint)
        await self._check_room(principal, model.CHAT, llm_blueprint=found.id)
        document = ChatDocument(
            playground=found.document.playground, llm_blueprint=found.id, name=name
        )
        return await self.chats.create(principal, document, request_id=request_id)

    async def count(self, principal: Principal, type: str, **fields: str) -> int:
        """How many things of a type have these values, as far as there may be so many."""
        principal.require(Verb.READ)
        return await self._catalog.count(
            principal.tenant, type, fields=fields, limit=model.THINGS_MAX
        )

    async def find_prompts(
        self,
        principal: Principal,
        *,
        before_id: str | None = None,
        limit: int = PAGE_MAX,
        **fields: str | None,
    ) -> list[Kept[model.PromptDocument]]:
        """At most `limit` chat prompts, newest first, without what became of them."""
        principal.require(Verb.READ)
        found = await self._catalog.find(
            principal.tenant,
            model.PROMPT,
            fields={name: value for name, value in fields.items() if value is not None},
            before_id=before_id,
            limit=min(limit, PAGE_MAX),
        )
        return [model.PROMPTS.read(one) for one in found]

    async def get_prompts(self, principal: Principal, refs: Sequence[str]) -> list[ChatPrompt]:
        """Those of these chat prompts that there are, with what became of them."""
        principal.require(Verb.READ)
        read = [
            await self._catalog.read(principal.tenant, model.PROMPT, id)
            for ref in refs
            if (id := ids.decode_any(ref)) is not None
        ]
        found = [one for one in read if one is not None]
        owners = [one.fields.get(model.OWNER, "") for one in found]
        operations = await self._operations.get(principal.tenant, owners) if owners else []
        return [
            await self._look_at(principal.tenant, one, operation)
            for one, operation in zip(found, operations, strict=True)
        ]

    async def get_prompt(self, principal: Principal, ref: str) -> ChatPrompt:
        """One chat prompt. Raises NotFound."""
        found = await self.get_prompts(principal, [ref])
        if not found:
            raise model.PROMPTS.missing(ref)
        return found[0]

    async def give_feedback(
        self, principal: Principal, ref: str, *, is_good: bool, request_id: str | None = None
    ) -> ChatPrompt:
        """Note what the principal thinks of an answer. Raises NotFound, Conflict without one."""
        principal.require(Verb.SUBMIT)
        for _ in range(_FEEDBACK_TRIES):
            prompt = await self.get_prompt(principal, ref)
            if prompt.status != "completed":
                raise Conflict("there is no answer yet to give feedback on")
            found = await self._catalog.read(principal.tenant, model.PROMPT, prompt.id)
            if found is None:
                continue
            document = model.prompt_of(found)
            feedback = {**document.feedback, principal.member: is_good}
            if len(feedback) > _FEEDBACK_MAX:
                raise InvalidSpec(f"an answer has feedback of at most {_FEEDBACK_MAX} members")
            write = model.change_prompt(found, replace(document, feedback=feedback))
            audit = _audit(principal, f"{model.PROMPT}.feedback", found.id, request_id)
            try:
                await self._catalog.write(principal.tenant, [write], audit)
            except RevisionMismatch:
                continue
            return await self.get_prompt(principal, ref)
        raise RevisionMismatch

    async def delete(
        self, principal: Principal, type: str, ref: str, *, request_id: str | None = None
    ) -> None:
        """Delete a playground, a blueprint or a chat, and before it all that lies in it.

        Raises NotFound, Forbidden; Conflict while a prompt in it is being answered.
        """
        principal.require(Verb.SUBMIT)
        shelves: dict[str, Shelf[Any]] = {
            model.PLAYGROUND: self.playgrounds,
            model.BLUEPRINT: self.blueprints,
            model.CHAT: self.chats,
        }
        shelf = shelves[type]
        found = await shelf.get(principal, ref)
        principal.require_over(found.document.created_by)
        inside = {type: found.id}
        await self._check_idle(principal.tenant, inside)
        for inner in _WITHIN[type]:
            await self._clear(principal.tenant, inner, inside)
        await shelf.delete(principal, found.id, request_id=request_id)

    async def delete_prompt(
        self, principal: Principal, ref: str, *, request_id: str | None = None
    ) -> None:
        """Delete a chat prompt. Raises NotFound, Forbidden; Conflict while it is answered."""
        prompt = await self.get_prompt(principal, ref)
        principal.require_over(prompt.created_by)
        if prompt.status in {"new", "running"}:
            raise _being_answered(prompt.operation_id)
        audit = _audit(principal, f"{model.PROMPT}.delete", prompt.id, request_id)
        await self._catalog.write(principal.tenant, _removals(model.PROMPT, [prompt.id]), audit)

    async def _look_at(
        self, tenant: str, resource: Resource, operation: Operation | None
    ) -> ChatPrompt:
        if operation is not None and operation.state is State.SUCCEEDED:
            # It may have been answered since the resource was read.
            resource = await self._catalog.read(tenant, model.PROMPT, resource.id) or resource
        document = model.prompt_of(resource)
        stored = None
        if document.operation_id is not None:
            stored = await self._catalog.read(tenant, model.ANSWER, resource.id)
        asked_by = "" if operation is None else operation.created_by
        return ChatPrompt(
            id=resource.id,
            document=document,
            status=_status(document, operation),
            operation_id=resource.fields.get(model.OWNER, ""),
            created_by=document.created_by or asked_by,
            created_at=resource.created_at,
            answer=None if stored is None else model.answer_of(stored),
            error=_error(document, operation),
        )

    async def _check_room(self, principal: Principal, type: str, **inside: str) -> None:
        model.check_room(type, await self.count(principal, type, **inside))

    async def _check_idle(self, tenant: str, inside: Mapping[str, str]) -> None:
        owners = [
            one.fields.get(model.OWNER, "")
            async for one in walk_resources(self._catalog, tenant, model.PROMPT, fields=inside)
            if model.prompt_of(one).operation_id is None
        ]
        for start in range(0, len(owners), _BATCH):
            for operation in await self._operations.get(tenant, owners[start : start + _BATCH]):
                if operation is not None and not operation.state.is_terminal:
                    raise _being_answered(operation.id)

    async def _clear(self, tenant: str, type: str, inside: Mapping[str, str]) -> None:
        """Remove all things of a type within another, some at a time: to do it again goes on."""
        while found := await self._catalog.find(tenant, type, fields=inside, limit=_BATCH):
            await self._catalog.write(tenant, _removals(type, [one.id for one in found]))


def _being_answered(operation_id: str) -> Conflict:
    return Conflict(
        f"a chat prompt is being answered: cancel the operation {operation_id} first",
        details={"operation_id": operation_id},
    )


def _removals(type: str, found: Sequence[str]) -> list[CatalogWrite]:
    """The writes that remove things, and the answers of those that are chat prompts."""
    types = (type, model.ANSWER) if type == model.PROMPT else (type,)
    return [CatalogWrite(type=one, id=id) for id in found for one in types]


def _status(document: model.PromptDocument, operation: Operation | None) -> Status:
    if document.operation_id is not None:
        return "completed"
    if operation is None or operation.state.is_terminal:
        return "failed"
    return "new" if operation.state is State.PENDING and not operation.attempt else "running"


def _error(document: model.PromptDocument, operation: Operation | None) -> str | None:
    if document.operation_id is not None:
        return None
    if operation is None:
        return "the operation that should have answered it is gone"
    if operation.state is State.CANCELLED:
        return "it was cancelled"
    return None if operation.failure is None else operation.failure.message


def _audit(principal: Principal, action: str, id: str, request_id: str | None) -> AuditEntry:
    return AuditEntry(actor=principal.member, action=action, target=id, request_id=request_id)
