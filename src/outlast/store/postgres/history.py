"""What is only ever added: events, logs, audit records."""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import msgspec

from outlast.operations.errors import LeaseLost, OutlastError
from outlast.store.port import AuditEntry, AuditRecord, Held, LogLine
from outlast.store.postgres.transaction import Transaction, insert_many
from outlast.store.rows import EVENT_COLUMNS

EVENTS: Final = (
    f"SELECT {', '.join(EVENT_COLUMNS)} FROM events"
    " WHERE operation_id = $1 AND number > $2 ORDER BY number LIMIT $3"
)
LOG: Final = (
    "SELECT number, at, attempt, text FROM logs"
    " WHERE operation_id = $1 AND number > $2 ORDER BY number LIMIT $3"
)
AUDIT: Final = (
    "SELECT number, at, tenant, actor, action, target, request_id, data FROM audit"
    " WHERE number < $1 ORDER BY number DESC LIMIT $2"
)
AUDIT_OF_TENANT: Final = AUDIT.replace("WHERE", "WHERE tenant = $3 AND")
AFTER_ALL_NUMBERS: Final = 2**63 - 1
_LOG_END: Final = (
    "SELECT number, bytes_end FROM logs WHERE operation_id = $1 ORDER BY number DESC LIMIT 1"
)
_LINE_COLUMNS: Final = ("operation_id", "number", "at", "attempt", "text", "bytes_end")
OLDEST_AUDIT: Final = "SELECT at FROM audit ORDER BY number LIMIT 1"
_PRUNE_AUDIT: Final = (
    "DELETE FROM audit WHERE number IN (SELECT number FROM audit ORDER BY number LIMIT $1)"
    " AND at < $2"
)
_decode = msgspec.json.Decoder().decode


class Logging(msgspec.Struct, frozen=True):
    """Lines to add under a lease."""

    held: Held
    lines: Sequence[tuple[int, str]]
    bytes_max: int


def log_line(row: asyncpg.Record) -> LogLine:
    """The line behind a row of LOG."""
    number, at, attempt, text = row
    return LogLine(number=number, at=at, attempt=attempt, text=text)


async def append_log(
    transaction: Transaction, wishes: Sequence[Logging]
) -> list[bool | OutlastError]:
    """See OperationStore.append_log. The first line that is too long drops those after it."""
    found = await transaction.lock(wish.held.id for wish in wishes)
    answers: list[bool | OutlastError] = []
    for wish in wishes:
        operation = found.get(wish.held.id)
        if operation is None or operation.lease is None or operation.lease.token != wish.held.token:
            answers.append(LeaseLost())
            continue
        answers.append(await _append(transaction, wish, operation.attempt))
    return answers


async def _append(transaction: Transaction, wish: Logging, attempt: int) -> bool:
    end = await transaction.connection.fetchrow(_LOG_END, wish.held.id)
    number, bytes_end = (0, 0) if end is None else end
    rows: list[Sequence[Any]] = []
    for at, text in wish.lines:
        number += 1
        bytes_end += len(text.encode())
        if bytes_end > wish.bytes_max:
            break
        rows.append((wish.held.id, number, at, attempt, text, bytes_end))
    await insert_many(transaction.connection, "logs", _LINE_COLUMNS, rows)
    if rows:
        transaction.changed.add(wish.held.id)
    return len(rows) == len(wish.lines)


def audit_record(row: asyncpg.Record) -> AuditRecord:
    """The record behind a row of AUDIT."""
    number, at, tenant, actor, action, target, request_id, data = row
    entry = AuditEntry(
        actor=actor,
        action=action,
        target=target,
        request_id=request_id,
        data={} if data is None else _decode(data),
    )
    return AuditRecord(number=number, at=at, tenant=tenant, entry=entry)


class AuditPruning(msgspec.Struct, frozen=True):
    """How many audit records older than an instant to delete."""

    before: int
    limit: int


async def prune_audit(transaction: Transaction, wishes: Sequence[AuditPruning]) -> list[int]:
    """See OperationStore. Records are numbered as they come, so the oldest stand first."""
    counts = []
    for wish in wishes:
        tag = await transaction.connection.execute(_PRUNE_AUDIT, wish.limit, wish.before)
        counts.append(int(tag.rpartition(" ")[2]))
    return counts
