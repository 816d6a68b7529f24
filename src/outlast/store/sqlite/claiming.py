"""Claims: which pending operations are next.

A pending operation has a readiness. Scheduled ones are promoted when their time has come. One whose
concurrency key is running is parked, so that it is looked at once and not at every claim; whatever
ends the running one unparks the first of those that wait. What a limit holds back stays claimable:
tenants and kinds without room are left out before anything of theirs is looked at.
"""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

import apsw
import msgspec

from outlast.operations import transitions
from outlast.operations.model import SECOND, Lease, Operation
from outlast.store.port import Claim
from outlast.store.sqlite.connections import fetch_one
from outlast.store.sqlite.transaction import CLAIMABLE, OVERDUE, PARKED, Transaction
from outlast.store.turns import RUNNING_COUNTED, Limited, Line, Turns, next_start_at

_PROMOTED_MAX: Final = 500
_LOOKED_AT_MAX: Final = 1_000
_WAITING_MAX: Final = 2_000
DUE: Final = (
    "SELECT id FROM operations INDEXED BY operations_scheduled"
    " WHERE readiness = 0 AND available_at <= ? ORDER BY available_at LIMIT ?"
)
_HEAD: Final = (
    "(SELECT tenant FROM operations INDEXED BY operations_claimable"
    " WHERE readiness = 1 AND kind = {kind} AND tenant > {tenant} ORDER BY tenant LIMIT 1)"
)
WAITING: Final = (
    "WITH RECURSIVE waiting (kind, tenant) AS (SELECT value, "
    f"{_HEAD.format(kind='value', tenant='?1')} FROM json_each(?2)"
    f" UNION ALL SELECT kind, {_HEAD.format(kind='waiting.kind', tenant='waiting.tenant')}"
    " FROM waiting WHERE tenant IS NOT NULL LIMIT ?3)"
    " SELECT json_group_array(json_array(kind, tenant)) FROM waiting WHERE tenant IS NOT NULL"
)
"""The pairs of kind and tenant that have claimable work: an index is skipped through."""
TENANT_RUNNING: Final = (
    "SELECT json_group_array((SELECT count(*) FROM (SELECT 1 FROM operations"
    " INDEXED BY operations_by_state WHERE tenant = value AND state = 'running' LIMIT ?2)))"
    " FROM json_each(?1)"
)
KIND_RUNNING: Final = (
    "SELECT count(*) FROM operations INDEXED BY operations_by_lease_expiry"
    " WHERE lease_expires_at > 0 AND kind = ?"
)
PENDING: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM operations INDEXED BY operations_by_state"
    " WHERE tenant = ? AND state = 'pending' LIMIT ?)"
)
_NEXT_AT: Final = "SELECT next_at FROM rates WHERE scope = ? AND name = ?"
_SET_NEXT_AT: Final = "REPLACE INTO rates (scope, name, next_at) VALUES (?, ?, ?)"
KEY_IS_RUNNING: Final = (
    "SELECT 1 FROM operations INDEXED BY operations_running_by_key"
    " WHERE tenant = ? AND concurrency_key = ? AND state = 'running'"
)
_decode_pairs = msgspec.json.Decoder(list[tuple[str, str]]).decode
_decode_counts = msgspec.json.Decoder(list[int]).decode
_decode_ranks = msgspec.json.Decoder(list[tuple[int, str]]).decode
_encode = msgspec.json.Encoder().encode


def may_claim(connection: apsw.Connection, claim: Claim, now: int) -> bool:
    """Whether a claim may find something: a cheap read, no lock."""
    if not claim.kinds or claim.limit < 1:
        return False
    sql = look_sql(len(claim.kinds))
    return fetch_one(connection, sql, (now, *claim.kinds)) is not None


def claim_operations(transaction: Transaction, claim: Claim) -> tuple[list[Operation], bool]:
    """Start attempts; whether more candidates are left than one transaction may look at."""
    _promote(transaction)
    turns = Turns(claim, _waiting(transaction, claim))
    limited = turns.limited()
    _measure(transaction, turns, limited)
    claimed: list[Operation] = []
    looked_at = 0
    while order := turns.allot(claim.limit - len(claimed)):
        if looked_at >= _LOOKED_AT_MAX:
            break
        lines = {
            tenant: _line(transaction, turns.kinds(tenant), tenant, count)
            for tenant, count in Counter(order).items()
        }
        looked_at += len(order)
        claimed += _serve(transaction, claim, turns, order, lines)
    _count_starts(transaction, turns, limited)
    return claimed, bool(order)


def _promote(transaction: Transaction) -> None:
    due = transaction.select(DUE, (transaction.now, _PROMOTED_MAX))
    for (operation_id,) in due:
        transaction.set_readiness(operation_id, CLAIMABLE)


def _waiting(transaction: Transaction, claim: Claim) -> list[tuple[str, str]]:
    found = _waiting_after(transaction, claim, "")
    if len(found) < _WAITING_MAX:
        return found
    # There are more than are looked at, so that those come first whose turn it is.
    return list(dict.fromkeys(_waiting_after(transaction, claim, claim.after_tenant) + found))


def _waiting_after(transaction: Transaction, claim: Claim, tenant: str) -> list[tuple[str, str]]:
    kinds = _encode(sorted(claim.kinds)).decode()
    most = _WAITING_MAX + len(claim.kinds)
    ((pairs,),) = transaction.select(WAITING, (tenant, kinds, most))
    return _decode_pairs(pairs)


def _measure(transaction: Transaction, turns: Turns, limited: Sequence[Limited]) -> None:
    tenants = turns.tenants
    running: dict[str, int] = {}
    if limited or len(tenants) > 1:
        most = max([RUNNING_COUNTED, *(one.running_max or 0 for one in limited)])
        ((counts,),) = transaction.select(TENANT_RUNNING, (_encode(tenants).decode(), most))
        running = dict(zip(tenants, _decode_counts(counts), strict=True))
        turns.count_running(running)
    for one in limited:
        scope, name = one.scope
        if scope == "kind" and one.running_max is not None:
            ((count,),) = transaction.select(KIND_RUNNING, (name,))
        else:
            count = running.get(name, 0)
        next_at = _next_at(transaction, one)
        turns.leave(one.scope, one.room(count, next_at, transaction.now))


def _next_at(transaction: Transaction, one: Limited) -> int:
    rows = transaction.select(_NEXT_AT, one.scope) if one.starts_per_minute else []
    return rows[0][0] if rows else 0


def _count_starts(transaction: Transaction, turns: Turns, limited: Sequence[Limited]) -> None:
    for one in limited:
        starts = turns.started[one.scope]
        if one.starts_per_minute is not None and starts:
            now, old = transaction.now, _next_at(transaction, one)
            next_at = next_start_at(one.starts_per_minute, old, now, starts)
            transaction.connection.execute(_SET_NEXT_AT, (*one.scope, next_at))


def _line(transaction: Transaction, kinds: Sequence[str], tenant: str, count: int) -> Line:
    ((document,),) = transaction.select(candidates_sql(len(kinds)), (tenant, *kinds, count))
    ranks = _decode_ranks(document)
    found = transaction.read_many([id_ for _, id_ in ranks])
    return Line(count, [found[id_] for _, id_ in sorted(ranks)])


def _serve(
    transaction: Transaction,
    claim: Claim,
    turns: Turns,
    order: Sequence[str],
    lines: Mapping[str, Line],
) -> list[Operation]:
    """Start the first of each turn's tenant, until somebody's next ones must be fetched."""
    started: list[Operation] = []
    for tenant in order:
        line = lines[tenant]
        while (operation := line.next()) is not None:
            if _is_free(transaction, operation) and turns.take(tenant, operation.kind):
                started.append(_start(transaction, operation, claim))
                break
            line.put_off()
        else:
            if not line.is_all:
                break
            turns.exhaust(tenant)
    return started


def _is_free(transaction: Transaction, operation: Operation) -> bool:
    """Whether nothing but a limit keeps it from starting; if not, it is no candidate any more."""
    key = operation.concurrency_key
    if operation.deadline_at is not None and operation.deadline_at <= transaction.now:
        transaction.set_readiness(operation.id, OVERDUE)
        if key is not None:
            transaction.unpark(operation.tenant, key)
        return False
    if key is not None and transaction.select(KEY_IS_RUNNING, (operation.tenant, key)):
        transaction.set_readiness(operation.id, PARKED)
        return False
    return True


def _start(transaction: Transaction, operation: Operation, claim: Claim) -> Operation:
    lease = Lease(
        token=transaction.random_bytes(8).hex(),
        worker=claim.worker,
        expires_at=transaction.now + int(claim.lease_seconds * SECOND),
    )
    transition = transitions.claim(operation, lease, transaction.now)
    transaction.update(operation, transition)
    return transition.operation


@cache
def candidates_sql(kinds: int) -> str:
    """A tenant's first claimable operations of that many kinds: a merge of an index walk for each.

    One JSON document of [-priority, id], so that it takes one step; in no order.
    """
    one = (
        "SELECT id, priority FROM operations INDEXED BY operations_claimable"
        " WHERE readiness = 1 AND tenant = ?1 AND kind = ?"
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
