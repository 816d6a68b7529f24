"""Claims: which pending operation is next.

A pending operation has a readiness. Scheduled ones are promoted when their time has come. One whose
concurrency key is running is parked, so that it is looked at once and not at every claim; whatever
ends the running one unparks the first of those that wait. Both hold the key's advisory lock.
"""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from collections.abc import Sequence
from typing import Final

from outlast.operations import transitions
from outlast.operations.model import SECOND, Lease, Operation
from outlast.store.port import Claim
from outlast.store.postgres.transaction import (
    OVERDUE,
    PARKED,
    SELECT,
    Transaction,
    key_number,
)

_PROMOTED_MAX: Final = 500
_LOOKED_AT_MAX: Final = 1_000
MAY_CLAIM: Final = (
    "SELECT EXISTS (SELECT 1 FROM operations WHERE readiness = 0 AND available_at <= $1)"
    " OR EXISTS (SELECT 1 FROM operations WHERE readiness = 1 AND kind = ANY($2::text[]))"
)
_PROMOTE: Final = (
    "UPDATE operations SET readiness = 1 WHERE id IN (SELECT id FROM operations"
    " WHERE readiness = 0 AND available_at <= $1 ORDER BY available_at LIMIT $2"
    " FOR UPDATE SKIP LOCKED)"
)
CANDIDATES: Final = (
    f"{SELECT} WHERE id IN (SELECT c.id FROM unnest($1::text[]) AS k(kind) CROSS JOIN LATERAL"
    " (SELECT id, priority FROM operations WHERE readiness = 1 AND kind = k.kind"
    " AND NOT id = ANY($3::text[]) ORDER BY priority DESC, id LIMIT $2 FOR UPDATE SKIP LOCKED) c"
    " ORDER BY c.priority DESC, c.id LIMIT $2) ORDER BY priority DESC, id"
)
"""An index walk for each kind. Ordered by priority first, which the primary key cannot give."""
_TRY_KEY: Final = "SELECT pg_try_advisory_xact_lock($1)"
_KEY_IS_RUNNING: Final = (
    "SELECT EXISTS (SELECT 1 FROM operations"
    " WHERE tenant = $1 AND concurrency_key = $2 AND state = 'running')"
)


async def claim(
    transaction: Transaction, claims: Sequence[Claim]
) -> list[tuple[list[Operation], bool]]:
    """For each: what was claimed, and whether there is more than one transaction may look at."""
    await transaction.connection.execute(_PROMOTE, transaction.now, _PROMOTED_MAX)
    return [await _claim(transaction, each) for each in claims]


async def _claim(transaction: Transaction, claim: Claim) -> tuple[list[Operation], bool]:
    claimed: list[Operation] = []
    passed_over: list[str] = []
    kinds = list(claim.kinds)
    looked_at = 0
    while len(claimed) < claim.limit:
        if looked_at >= _LOOKED_AT_MAX:
            return claimed, True
        wanted = claim.limit - len(claimed)
        # What was claimed in this transaction so far must not be a candidate any more.
        await transaction.flush()
        rows = await transaction.connection.fetch(CANDIDATES, kinds, wanted, passed_over)
        if not rows:
            break
        looked_at += len(rows)
        claimed += [
            _start(transaction, operation, claim)
            for operation in transaction.remember(rows)
            if await _is_free(transaction, operation, passed_over)
        ]
    return claimed, False


async def _is_free(transaction: Transaction, operation: Operation, passed_over: list[str]) -> bool:
    """Whether it can be claimed; if not, it is no candidate from here on."""
    key = operation.concurrency_key
    if operation.deadline_at is not None and operation.deadline_at <= transaction.now:
        await transaction.set_readiness([operation.id], OVERDUE)
        if key is not None:
            transaction.free(operation.tenant, key)
        return False
    if key is None:
        return True
    if not await transaction.connection.fetchval(_TRY_KEY, key_number(operation.tenant, key)):
        passed_over.append(operation.id)
        return False
    await transaction.flush()
    if await transaction.connection.fetchval(_KEY_IS_RUNNING, operation.tenant, key):
        await transaction.set_readiness([operation.id], PARKED)
        return False
    return True


def _start(transaction: Transaction, operation: Operation, claim: Claim) -> Operation:
    lease = Lease(
        token=transaction.random_bytes(8).hex(),
        worker=claim.worker,
        expires_at=transaction.now + int(claim.lease_seconds * SECOND),
    )
    transition = transitions.claim(operation, lease, transaction.now)
    transaction.update(transition)
    return transition.operation


async def release(transaction: Transaction, claimed: Sequence[Operation]) -> list[None]:
    """Give back what was claimed for callers that had gone by then."""
    found = await transaction.lock(operation.id for operation in claimed)
    for operation in claimed:
        current = found.get(operation.id)
        if current is not None and operation.lease is not None:
            transaction.update(transitions.release(current, operation.lease.token, transaction.now))
    return [None for _ in claimed]
