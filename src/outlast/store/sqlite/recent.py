"""Live operations as this process last wrote them, so that most decisions need no look-up.

What is here is as true as the database: the writer forgets all of it as soon as another connection
has written, which it knows before it reads anything in a transaction.
"""

from collections.abc import Mapping
from typing import Final

from outlast.operations.model import Operation

OPERATIONS_MAX: Final = 10_000


class Recent:
    """At most OPERATIONS_MAX of them; the oldest go first."""

    def __init__(self) -> None:
        self._operations: dict[str, Operation] = {}
        self._version = -1

    def get(self, operation_id: str) -> Operation | None:
        """The operation as it stands, or None if that is not known here."""
        return self._operations.get(operation_id)

    def check(self, version: int) -> None:
        """Forget everything if others have written since the last time."""
        if version != self._version:
            self._operations.clear()
            self._version = version

    def keep(self, written: Mapping[str, Operation | None]) -> None:
        """Remember what a transaction has committed; None is what must be looked up again."""
        operations = self._operations
        for operation_id, operation in written.items():
            if operation is None:
                operations.pop(operation_id, None)
            else:
                operations[operation_id] = operation
        while len(operations) > OPERATIONS_MAX:
            del operations[next(iter(operations))]
