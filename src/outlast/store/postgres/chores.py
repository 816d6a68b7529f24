"""What keeps a store in order: renewing, reaping, deleting."""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from collections.abc import Sequence
from typing import Final

import msgspec

from outlast.operations import transitions
from outlast.operations.errors import NotFound, NotTerminal, OutlastError
from outlast.operations.model import SECOND, Operation
from outlast.store.port import AuditEntry, Held, Renewal
from outlast.store.postgres import tombstones
from outlast.store.postgres.creating import BY_ALIAS
from outlast.store.postgres.transaction import SELECT, Transaction

_RENEW: Final = (
    "WITH held AS (SELECT o.id, h.expires_at FROM operations o"
    " JOIN unnest($1::text[], $2::text[], $3::bigint[]) AS h(id, token, expires_at)"
    " ON o.id = h.id AND o.lease_token = h.token ORDER BY o.id FOR UPDATE OF o)"
    " UPDATE operations o SET lease_expires_at = greatest(o.lease_expires_at, held.expires_at)"
    " FROM held WHERE o.id = held.id RETURNING o.id, o.lease_token, o.cancel_requested_at"
)
EXPIRED_LEASES: Final = (
    f"{SELECT} WHERE lease_expires_at <= $1 ORDER BY lease_expires_at LIMIT $2"
    " FOR UPDATE SKIP LOCKED"
)
PASSED_DEADLINES: Final = (
    f"{SELECT} WHERE deadline_at <= $1 AND state = 'pending' ORDER BY deadline_at LIMIT $2"
    " FOR UPDATE SKIP LOCKED"
)
MAY_REAP: Final = (
    "SELECT EXISTS (SELECT 1 FROM operations WHERE lease_expires_at <= $1)"
    " OR EXISTS (SELECT 1 FROM operations WHERE deadline_at <= $1 AND state = 'pending')"
)
_DELETE_LABELS: Final = (
    "DELETE FROM labels l USING unnest($1::text[], $2::text[], $3::text[], $4::text[])"
    " AS d(tenant, key, value, id) WHERE l.tenant = d.tenant AND l.key = d.key"
    " AND l.value = d.value AND l.operation_id = d.id"
)
_DELETE_PARTS: Final = tuple(
    f"DELETE FROM {table} WHERE operation_id = ANY($1::text[])" for table in ("events", "logs")
)
_DELETE: Final = "DELETE FROM operations WHERE id = ANY($1::text[])"


class Renewing(msgspec.Struct, frozen=True):
    """One lease to extend."""

    held: Held
    lease_seconds: float


class Deleting(msgspec.Struct, frozen=True):
    """One operation to delete."""

    tenant: str
    ref: str
    audit: AuditEntry | None


async def renew(transaction: Transaction, wishes: Sequence[Renewing]) -> list[Renewal]:
    """Extend leases, if they stand."""
    rows = await transaction.connection.fetch(
        _RENEW,
        [wish.held.id for wish in wishes],
        [wish.held.token for wish in wishes],
        [transaction.now + int(wish.lease_seconds * SECOND) for wish in wishes],
    )
    held = {(id_, token): asked for id_, token, asked in rows}
    return [
        Renewal(
            id=wish.held.id,
            token=wish.held.token,
            is_held=(wish.held.id, wish.held.token) in held,
            cancel_requested=held.get((wish.held.id, wish.held.token)) is not None,
        )
        for wish in wishes
    ]


async def reap(transaction: Transaction, limits: Sequence[int]) -> list[list[Operation]]:
    """For each limit: lose expired leases, then end pending operations past their deadline."""
    return [await _reap(transaction, limit) for limit in limits]


async def _reap(transaction: Transaction, limit: int) -> list[Operation]:
    now = transaction.now
    reaped: dict[str, Operation] = {}
    for old in await _select(transaction, EXPIRED_LEASES, limit):
        transition = transitions.lose(old, now)
        transaction.update(transition)
        reaped[old.id] = transition.operation
    # Some of them may be lost attempts from above.
    for old in await _select(transaction, PASSED_DEADLINES, limit - len(reaped)):
        transition = transitions.pass_deadline(old, None, now)
        transaction.update(transition)
        reaped[old.id] = transition.operation
    return list(reaped.values())


async def delete(
    transaction: Transaction, wishes: Sequence[Deleting]
) -> list[Operation | OutlastError]:
    """Delete terminal operations: NotFound, NotTerminal."""
    answers: list[Operation | OutlastError] = []
    for wish in wishes:
        operation = (await transaction.lock([wish.ref])).get(wish.ref)
        if operation is None or operation.tenant != wish.tenant:
            await transaction.flush()
            rows = await transaction.connection.fetch(
                f"{BY_ALIAS} FOR UPDATE", wish.tenant, wish.ref
            )
            operation = next(iter(transaction.remember(rows)), None)
        if operation is None:
            answers.append(NotFound())
        elif not operation.state.is_terminal:
            answers.append(NotTerminal())
        else:
            await _delete(transaction, operation)
            transaction.audit(wish.tenant, wish.audit, operation.id)
            answers.append(operation)
    return answers


async def _select(transaction: Transaction, sql: str, limit: int) -> Sequence[Operation]:
    if limit < 1:
        return ()
    await transaction.flush()
    return transaction.remember(await transaction.connection.fetch(sql, transaction.now, limit))


async def _delete(transaction: Transaction, operation: Operation) -> None:
    # It may have got events in this very transaction.
    await transaction.flush()
    labels = [(operation.tenant, *label, operation.id) for label in operation.labels.items()]
    await delete_operations(transaction, [operation.id], labels)


async def delete_operations(
    transaction: Transaction, ids: Sequence[str], labels: Sequence[tuple[str, ...]]
) -> None:
    """Delete operations that are locked, with all that is theirs; `labels` are rows of theirs."""
    await tombstones.bury(transaction, ids)
    for sql in _DELETE_PARTS:
        await transaction.connection.execute(sql, ids)
    if labels:
        await transaction.connection.execute(_DELETE_LABELS, *zip(*labels, strict=True))
    await transaction.connection.execute(_DELETE, ids)
    for id_ in ids:
        transaction.forget(id_)
