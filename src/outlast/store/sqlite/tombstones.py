"""What is left of operations that are gone."""

from typing import Final

import apsw

from outlast.store.port import Tombstone
from outlast.store.sqlite.connections import fetch_one
from outlast.store.sqlite.transaction import Transaction

_COLUMNS: Final = "id, tenant, alias, kind, gone_at"
BY_ID: Final = f"SELECT {_COLUMNS} FROM tombstones WHERE id = ? AND tenant = ?"  # noqa: S608  constants
BY_ALIAS: Final = (
    f"SELECT {_COLUMNS} FROM tombstones WHERE tenant = ? AND alias = ?"  # noqa: S608  constants
    " ORDER BY gone_at DESC LIMIT 1"
)
BURY: Final = (
    "REPLACE INTO tombstones (id, tenant, alias, kind, gone_at)"
    " SELECT id, tenant, alias, kind, ? FROM operations WHERE id = ?"
)
LOOK: Final = "SELECT 1 FROM tombstones WHERE gone_at < ? LIMIT 1"
PRUNE: Final = (
    "DELETE FROM tombstones WHERE id IN"
    " (SELECT id FROM tombstones WHERE gone_at < ? ORDER BY gone_at LIMIT ?)"
)


def bury(transaction: Transaction, operation_id: str) -> None:
    """Put down a tombstone for an operation that is about to be deleted."""
    transaction.connection.execute(BURY, (transaction.now, operation_id))


def find(connection: apsw.Connection, tenant: str, ref: str) -> Tombstone | None:
    """See OperationStore.find_tombstone."""
    row = fetch_one(connection, BY_ID, (ref, tenant)) or fetch_one(
        connection, BY_ALIAS, (tenant, ref)
    )
    return None if row is None else Tombstone(*row)


def may_prune(connection: apsw.Connection, before: int) -> bool:
    """Whether there is something to prune: a cheap read, no lock."""
    return fetch_one(connection, LOOK, (before,)) is not None


def prune(transaction: Transaction, limit: int, *, before: int) -> int:
    """See OperationStore.prune_tombstones."""
    transaction.connection.execute(PRUNE, (before, limit))
    return transaction.connection.changes()
