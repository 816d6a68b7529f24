"""All rows of a store, out of one database and into another: what an adapter gives for that.

Tables and columns have the same names in every adapter, and their rows the same order. So what was
written into one database can be compared with what was read from another, byte by byte.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import msgspec

from outlast.store.rows import Row

BATCH_ROWS: Final = 1000

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "operations": ("id",),
    "labels": ("tenant", "key", "value", "operation_id"),
    "events": ("operation_id", "number"),
    "logs": ("operation_id", "number"),
    "audit": ("number",),
    "resources": ("tenant", "type", "id"),
    "resource_fields": ("tenant", "type", "key", "value", "id"),
    "rates": ("scope", "name"),
    "tombstones": ("id",),
}
"""Every table that is moved, and what orders its rows. An older schema has not all of them."""


class Table(msgspec.Struct, frozen=True):
    """A table of KEYS, and those of its columns that mean something outside of its adapter."""

    name: str
    columns: tuple[str, ...]


class Snapshot(Protocol):
    """A store as it stands at one moment."""

    @property
    def tables(self) -> Sequence[Table]:
        """Every table that there is, in the order of KEYS."""

    def rows(self, table: Table) -> AsyncIterator[Sequence[Row]]:
        """A table's rows in the order of its key: BATCH_ROWS at a time, and the rest."""


class Load(Snapshot, Protocol):
    """A store that is being filled, in one transaction."""

    async def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows. Columns that `table` does not name keep their defaults."""


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """A migration that a database has not had yet."""

    number: int
    name: str
    sql: str


class Transfer(Protocol):
    """One database, opened for something else than serving."""

    async def upgrades(self) -> list[Upgrade]:
        """What `upgrade` would do. Changes nothing, and works where there is no database yet."""

    async def upgrade(self) -> list[int]:
        """Bring the schema up to date, as any process does that opens the store; the numbers."""

    def reading(self) -> AbstractAsyncContextManager[Snapshot]:
        """All that was committed by now."""

    def filling(self) -> AbstractAsyncContextManager[Load]:
        """Fill an empty store with an up-to-date schema: all is kept, or nothing.

        Raises Conflict if there is anything in it.
        """
