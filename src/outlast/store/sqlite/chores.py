"""What keeps a store in order: renewing, reaping, pruning, deleting."""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from collections.abc import Sequence
from typing import Final

import apsw

from outlast.operations import transitions
from outlast.operations.errors import NotFound, NotTerminal
from outlast.operations.model import SECOND, Operation
from outlast.store.port import AuditEntry, Held, Renewal
from outlast.store.sqlite import tombstones
from outlast.store.sqlite.connections import fetch_one
from outlast.store.sqlite.creating import BY_ALIAS
from outlast.store.sqlite.transaction import SELECT, Transaction

_RENEW: Final = (
    "UPDATE operations SET lease_expires_at = max(lease_expires_at, ?)"
    " WHERE id = ? AND lease_token = ? RETURNING cancel_requested_at"
)
EXPIRED_LEASES: Final = (
    f"{SELECT} INDEXED BY operations_by_lease_expiry"
    " WHERE lease_expires_at <= ? ORDER BY lease_expires_at LIMIT ?"
)
PASSED_DEADLINES: Final = (
    f"{SELECT} INDEXED BY operations_by_deadline"
    " WHERE deadline_at <= ? AND state = 'pending' ORDER BY deadline_at LIMIT ?"
)
EXPIRED_OPERATIONS: Final = (
    f"{SELECT} INDEXED BY operations_by_expiry WHERE expire_at <= ? ORDER BY expire_at LIMIT ?"
)
_LOOK: Final = (
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM operations INDEXED BY operations_by_lease_expiry"
    " WHERE lease_expires_at <= ?1) OR EXISTS (SELECT 1 FROM operations"
    " INDEXED BY operations_by_deadline WHERE deadline_at <= ?1 AND state = 'pending')"
)
_LOOK_EXPIRED: Final = (
    "SELECT 1 FROM operations INDEXED BY operations_by_expiry WHERE expire_at <= ? LIMIT 1"
)
_DELETE_PARTS: Final = tuple(
    f"DELETE FROM {table} WHERE operation_id = ?" for table in ("documents", "events", "logs")
)
_DELETE: Final = "DELETE FROM operations WHERE id = ?"
_DELETE_LABEL: Final = (
    "DELETE FROM labels WHERE tenant = ? AND key = ? AND value = ? AND operation_id = ?"
)


def renew(transaction: Transaction, held: Held, lease_seconds: float) -> Renewal:
    """Extend one lease, if it stands."""
    expires_at = transaction.now + int(lease_seconds * SECOND)
    rows = transaction.select(_RENEW, (expires_at, held.id, held.token))
    if not rows:
        return Renewal(id=held.id, token=held.token, is_held=False)
    transaction.forget(held.id)
    return Renewal(
        id=held.id, token=held.token, is_held=True, cancel_requested=rows[0][0] is not None
    )


def may_reap(connection: apsw.Connection, now: int) -> bool:
    """Whether there is something to reap: a cheap read, no lock."""
    return fetch_one(connection, _LOOK, (now,)) is not None


def reap(transaction: Transaction, limit: int) -> list[Operation]:
    """Lose expired leases, then end pending operations whose deadline has passed."""
    now = transaction.now
    reaped: dict[str, Operation] = {}
    for old in _select(transaction, EXPIRED_LEASES, limit):
        transition = transitions.lose(old, now)
        transaction.update(old, transition)
        reaped[old.id] = transition.operation
    # Some of them may be lost attempts from above.
    for old in _select(transaction, PASSED_DEADLINES, limit - len(reaped)):
        transition = transitions.pass_deadline(old, None, now)
        transaction.update(old, transition)
        reaped[old.id] = transition.operation
    return list(reaped.values())


def may_prune(connection: apsw.Connection, now: int) -> bool:
    """Whether there is something to prune: a cheap read, no lock."""
    return fetch_one(connection, _LOOK_EXPIRED, (now,)) is not None


def prune(transaction: Transaction, limit: int) -> int:
    """Delete operations past their retention; how many."""
    expired = _select(transaction, EXPIRED_OPERATIONS, limit)
    for operation in expired:
        _delete(transaction, operation)
    return len(expired)


def delete(
    transaction: Transaction, ref: str, *, tenant: str, audit: AuditEntry | None
) -> Operation:
    """Delete one terminal operation of the tenant: NotFound, NotTerminal."""
    operation = transaction.read(ref)
    if operation is None or operation.tenant != tenant:
        operation = transaction.select_named(BY_ALIAS, tenant, ref)
    if operation is None:
        raise NotFound
    if not operation.state.is_terminal:
        raise NotTerminal
    _delete(transaction, operation)
    transaction.audit(tenant, audit, operation.id)
    return operation


def _select(transaction: Transaction, sql: str, limit: int) -> Sequence[Operation]:
    if limit < 1:
        return ()
    rows = transaction.select(sql, (transaction.now, limit))
    return [transaction.from_row(row) for row in rows]


def _delete(transaction: Transaction, operation: Operation) -> None:
    # The operation may have got events in this very transaction.
    transaction.flush()
    connection = transaction.connection
    tombstones.bury(transaction, operation.id)
    for sql in _DELETE_PARTS:
        connection.execute(sql, (operation.id,))
    for key, value in operation.labels.items():
        connection.execute(_DELETE_LABEL, (operation.tenant, key, value, operation.id))
    connection.execute(_DELETE, (operation.id,))
    transaction.changed.add(operation.id)
    transaction.forget(operation.id)
