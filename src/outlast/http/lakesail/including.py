"""The operations that resources name: what they say of each, and those that lists include."""

from collections.abc import Iterable, Mapping

from msgspec import UNSET, UnsetType

from outlast.dialects.lakesail.operations import Included, LakeSailOperation, operation_on_wire
from outlast.engine import Engine
from outlast.engine.access import Principal
from outlast.operations.model import Operation
from outlast.operations.states import State


class NamedOperations:
    """Operations by id, as far as they are kept."""

    def __init__(self, found: Mapping[str, Operation]) -> None:
        self._found = found

    @classmethod
    async def find(
        cls, engine: Engine, principal: Principal, ids: Iterable[str]
    ) -> "NamedOperations":
        """Those of the principal's tenant with these ids."""
        wanted = list(dict.fromkeys(filter(None, ids)))
        found = await engine.store.operations.get(principal.tenant, wanted)
        return cls({one.id: one for one in found if one is not None})

    def why_failed(self, id: str) -> str | UnsetType:
        """Why an operation ended without success, if it did."""
        one = self._found.get(id)
        if one is None or not one.state.is_terminal or one.state is State.SUCCEEDED:
            return UNSET
        return "The operation was cancelled" if one.failure is None else one.failure.message

    def on_wire(self) -> list[LakeSailOperation]:
        """All of them."""
        return [operation_on_wire(one) for one in self._found.values()]

    @property
    def included(self) -> Included:
        """All of them, beside the items of a list."""
        return Included(operations=self.on_wire())
