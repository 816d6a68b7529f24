"""What is under way with a resource that an operation makes, changes or removes.

Its indexed field `operation_id` names the operation that works on it, or worked on it last; its
document names the one whose work stands. So an operation that ends without success needs no second
write: what it would have made is told apart from what is there.
"""

from typing import Final, Literal

import msgspec

from outlast.operations.kind import OPERATION, Catalog, OperationDocument, Resource
from outlast.operations.states import State

_OWNER: Final = "operation_id"


async def stand_of(
    catalog: Catalog, resource: Resource, done_by: str | None
) -> Literal["settled", "under_way", "over", "changed"]:
    """How it stands with the owner's work; `done_by` is the operation that the document names.

    `settled`: that work stands. `under_way`: it has not ended. `over`: it ended without success.
    `changed`: it has succeeded since the resource was read, which must be read again.
    """
    owner = resource.fields.get(_OWNER, "")
    if done_by == owner:
        return "settled"
    found = await catalog.get(OPERATION, owner)
    if found is None:
        return "over"
    state = msgspec.json.decode(found.document, type=OperationDocument).state
    if state is State.SUCCEEDED:
        return "changed"
    return "over" if state.is_terminal else "under_way"
