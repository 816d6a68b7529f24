"""Claims: which pending operation is next.

A pending operation has a readiness. Scheduled ones are promoted when their time has come. One whose
concurrency key is running is parked, so that it is looked at once and not at every claim; whatever
ends the running one unparks the first of those that wait.
"""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from functools import cache
from typing import Final

import apsw
import msgspec

from outlast.operations import transitions
from outlast.operations.model import SECOND, Lease, Operation
from outlast.store.port import Claim
from outlast.store.sqlite.connections import fetch_one
from outlast.store.sqlite.transaction import CLAIMABLE, OVERDUE, PARKED, Transaction

_PROMOTED_MAX: Final = 500
_LOOKED_AT_MAX: Final = 1_000
DUE: Final = (
    "SELECT id FROM operations INDEXED BY operations_scheduled"
    " WHERE readiness = 0 AND available_at <= ? ORDER BY available_at LIMIT ?"
)
_decode_ranks = msgspec.json.Decoder(list[tuple[int, str]]).decode
KEY_IS_RUNNING: Final = (
    "SELECT 1 FROM operations INDEXED BY operations_running_by_key"
    " WHERE tenant = ? AND concurrency_key = ? AND state = 'running'"
)


def may_claim(connection: apsw.Connection, claim: Claim, now: int) -> bool:
    """Whether a claim may find something: a cheap read, no lock."""
    if not claim.kinds or claim.limit < 1:
        return False
    sql = look_sql(len(claim.kinds))
    return fetch_one(connection, sql, (now, *claim.kinds)) is not None


def claim_operations(transaction: Transaction, claim: Claim) -> tuple[list[Operation], bool]:
    """Start attempts; whether more candidates are left than one transaction may look at."""
    _promote(transaction)
    claimed: list[Operation] = []
    kinds = tuple(claim.kinds)
    sql = candidates_sql(len(kinds))
    looked_at = 0
    while len(claimed) < claim.limit:
        if looked_at >= _LOOKED_AT_MAX:
            return claimed, True
        wanted = claim.limit - len(claimed)
        ((document,),) = transaction.select(sql, (*kinds, wanted))
        ranks = _decode_ranks(document)
        if not ranks:
            break
        looked_at += len(ranks)
        candidates = transaction.read_many([id_ for _, id_ in ranks])
        for _, id_ in sorted(ranks):
            operation = _take(transaction, candidates[id_], claim)
            if operation is not None:
                claimed.append(operation)
    return claimed, False


def _promote(transaction: Transaction) -> None:
    due = transaction.select(DUE, (transaction.now, _PROMOTED_MAX))
    for (operation_id,) in due:
        transaction.set_readiness(operation_id, CLAIMABLE)


def _take(transaction: Transaction, operation: Operation, claim: Claim) -> Operation | None:
    # Every branch takes the operation off the list of candidates.
    now = transaction.now
    key = operation.concurrency_key
    if operation.deadline_at is not None and operation.deadline_at <= now:
        transaction.set_readiness(operation.id, OVERDUE)
        if key is not None:
            transaction.unpark(operation.tenant, key)
        return None
    if key is not None and transaction.select(KEY_IS_RUNNING, (operation.tenant, key)):
        transaction.set_readiness(operation.id, PARKED)
        return None
    lease = Lease(
        token=transaction.random_bytes(8).hex(),
        worker=claim.worker,
        expires_at=now + int(claim.lease_seconds * SECOND),
    )
    transition = transitions.claim(operation, lease, now)
    transaction.update(operation, transition)
    return transition.operation


@cache
def candidates_sql(kinds: int) -> str:
    """The first claimable operations of that many kinds: a merge of one index walk for each.

    One JSON document of [-priority, id], so that it takes one step; in no order.
    """
    one = (
        "SELECT id, priority FROM operations INDEXED BY operations_claimable"
        " WHERE readiness = 1 AND kind = ?"
    )
    merged = f"{' UNION ALL '.join([one] * kinds)} ORDER BY priority DESC, id LIMIT ?"
    return f"SELECT json_group_array(json_array(-priority, id)) FROM ({merged})"


@cache
def look_sql(kinds: int) -> str:
    """Whether anything is due, or claimable among that many kinds."""
    return (
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM operations INDEXED BY operations_scheduled"
        " WHERE readiness = 0 AND available_at <= ?) OR EXISTS (SELECT 1 FROM operations"
        " INDEXED BY operations_claimable"
        f" WHERE readiness = 1 AND kind IN ({', '.join('?' * kinds)}))"
    )


def release(transaction: Transaction, claimed: Operation) -> None:
    """Give back what was claimed for a caller that had gone by then."""
    current = transaction.read(claimed.id)
    if current is not None and claimed.lease is not None:
        released = transitions.release(current, claimed.lease.token, transaction.now)
        transaction.update(current, released)
