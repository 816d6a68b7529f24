"""Finding stacks, and telling what is under way with them."""

from typing import Final

import msgspec

from outlast.operations import ids
from outlast.operations.kind import OPERATION, Catalog, OperationDocument, Resource
from outlast.operations.states import State
from outlast.resources.stacks import model
from outlast.resources.stacks.model import Stack, StackDocument, Status, Word

_DESTROY: Final = "destroy"


class FoundStack(msgspec.Struct, frozen=True, kw_only=True):
    """A stack as the catalog has it."""

    resource: Resource
    document: StackDocument

    @property
    def id(self) -> str:
        """Its id."""
        return self.resource.id

    @property
    def owner(self) -> str:
        """The operation that was asked for last."""
        return self.resource.fields.get(model.OWNER, "")


async def find_stack(catalog: Catalog, ref: str, word: Word | None = None) -> FoundStack:
    """The stack with this id or name, or WORD/NAME. Raises NotFound, also for one of another word.

    A plain name is that of a stack, unless a `word` is given.
    """
    id = ids.decode_any(ref)
    resource = None if id is None else await catalog.get(model.STACK, id)
    if resource is None:
        name = ref if "/" in ref else model.catalog_name(word or "stack", ref)
        resource = await catalog.get(model.STACK, name)
    if resource is None:
        raise model.no_stack(ref, word)
    found = FoundStack(resource=resource, document=model.stack_document(resource))
    if word is not None and found.document.word != word:
        raise model.no_stack(ref, word)
    return found


async def find_owner(catalog: Catalog, found: FoundStack) -> OperationDocument | None:
    """The operation that was asked for last, if it is still there."""
    owner = await catalog.get(OPERATION, found.owner)
    return None if owner is None else msgspec.json.decode(owner.document, type=OperationDocument)


def tell_status(found: FoundStack, owner: OperationDocument | None) -> Status:
    """What is under way with a stack, or what became of it."""
    if found.document.operation_id == found.owner:
        return "ready"
    if owner is None:
        return "failed"
    if not owner.state.is_terminal:
        return "destroying" if owner.kind == _DESTROY else "deploying"
    # It may have succeeded since the stack was read.
    return "ready" if owner.state is State.SUCCEEDED else "failed"


async def show_stack(catalog: Catalog, found: FoundStack) -> Stack:
    """A stack as callers see it."""
    resource, document = found.resource, found.document
    owner = None
    if document.operation_id != found.owner:
        owner = await find_owner(catalog, found)
    return Stack(
        id=resource.id,
        name=model.plain_name(resource),
        word=document.word,
        module=document.module.name,
        module_version=module_version(document.module.key),
        variables=document.variables,
        secret_names=document.secret_names,
        connection=document.connection,
        status=tell_status(found, owner),
        resources=document.resources,
        outputs=document.outputs,
        drift=document.drift,
        created_at=resource.created_at,
        # Until it was changed once, only who asked for that is known, and the operation knows.
        created_by=document.created_by or ("" if owner is None else owner.created_by),
        updated_at=resource.updated_at,
        operation_id=found.owner,
    )


def module_version(key: str) -> str:
    """The first digits of the hash of a module's files."""
    return key.rpartition("/")[2][:12]
