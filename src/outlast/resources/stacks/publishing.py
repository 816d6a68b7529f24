"""Makes what an operation did to a stack what the catalog tells of it."""

from collections.abc import Sequence
from typing import Final, TypeAlias, assert_never

from msgspec.structs import replace

from outlast.engine.preparing import TenantCatalog
from outlast.operations.errors import Conflict
from outlast.operations.kind import CatalogWrite
from outlast.resources.publication import Publication
from outlast.resources.stacks import model
from outlast.resources.stacks.finding import FoundStack
from outlast.resources.stacks.model import Drift, RemovedStack, StackDrift, StackState
from outlast.store.port import CatalogStore

TAGS: Final = ("stack_state", "stack_drift", "stack_removal")

_Wish: TypeAlias = StackState | StackDrift | RemovedStack


class StackPublisher:
    """Publishes changes of stacks. The worker calls it before it records an end."""

    def __init__(self, catalog: CatalogStore) -> None:
        self._catalog = catalog

    async def publish(self, publication: Publication) -> Sequence[CatalogWrite]:
        """The writes for an encoded publication; they belong into the transaction of the end.

        Each expects what was read: where one is refused, call again. Raises Conflict for what
        cannot be published.
        """
        wish: _Wish = publication.read(_Wish, "the change of a stack")
        resource = await TenantCatalog(self._catalog, publication.tenant).get(
            model.STACK, wish.stack
        )
        if resource is None:
            raise Conflict(f"the stack {wish.stack!r} is no more")
        found = FoundStack(resource=resource, document=model.stack_document(resource))
        match wish:
            case StackState():
                return _new_state(found, wish, publication)
            case StackDrift():
                drift = Drift(operation_id=publication.operation_id, resources=wish.resources)
                return _changed(found, replace(found.document, drift=drift))
            case RemovedStack():
                revision = found.resource.revision
                return [CatalogWrite(type=model.STACK, id=found.id, expected_revision=revision)]
            case _:
                assert_never(wish)


def _new_state(
    found: FoundStack, wish: StackState, publication: Publication
) -> Sequence[CatalogWrite]:
    document = found.document
    key = model.states_prefix(found.resource.tenant, found.id) + wish.state
    if document.state is not None and key < document.state:
        # The last checkpoint of an operation whose retry never began: others came after it.
        return ()
    changed = replace(
        document,
        module=wish.module,
        variables=wish.variables,
        secret_names=wish.secret_names,
        connection=wish.connection,
        state=key,
        resources=wish.resources,
        outputs=wish.outputs,
        drift=None,
        created_by=document.created_by or publication.created_by,
        operation_id=publication.operation_id if wish.is_done else document.operation_id,
    )
    return _changed(found, changed)


def _changed(found: FoundStack, document: model.StackDocument) -> Sequence[CatalogWrite]:
    return [model.change_stack(found.resource, document, is_owned=False)]
