"""What is only ever added: events, logs, audit records."""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from collections.abc import Sequence
from typing import Any, Final

import apsw
import msgspec

from outlast.operations.errors import LeaseLost
from outlast.operations.model import HistoryEvent
from outlast.store.port import AuditEntry, AuditRecord, Held, LogLine
from outlast.store.rows import EVENT_COLUMNS, event_from_row
from outlast.store.sqlite.bulk import insert_many
from outlast.store.sqlite.connections import fetch_all, fetch_one
from outlast.store.sqlite.transaction import Transaction

EVENTS: Final = (
    f"SELECT {', '.join(EVENT_COLUMNS)} FROM events"
    " WHERE operation_id = ? AND number > ? ORDER BY number LIMIT ?"
)
LOG: Final = (
    "SELECT number, at, attempt, text FROM logs"
    " WHERE operation_id = ? AND number > ? ORDER BY number LIMIT ?"
)
AUDIT: Final = (
    "SELECT number, at, tenant, actor, action, target, request_id, data FROM audit"
    " WHERE number < ? ORDER BY number DESC LIMIT ?"
)
AUDIT_OF_TENANT: Final = AUDIT.replace("WHERE", "WHERE tenant = ? AND")
_LOG_END: Final = (
    "SELECT number, bytes_end FROM logs WHERE operation_id = ? ORDER BY number DESC LIMIT 1"
)
_LINE_COLUMNS: Final = ("operation_id", "number", "at", "attempt", "text", "bytes_end")
_AFTER_ALL_NUMBERS: Final = 2**63 - 1
_decode = msgspec.json.Decoder().decode

_OLDEST_AUDIT: Final = "SELECT at FROM audit ORDER BY number LIMIT 1"
_PRUNE_AUDIT: Final = (
    "DELETE FROM audit WHERE number IN (SELECT number FROM audit ORDER BY number LIMIT ?)"
    " AND at < ?"
)


def events(
    connection: apsw.Connection, operation_id: str, after: int, limit: int
) -> list[HistoryEvent]:
    """See OperationStore.events."""
    rows = connection.execute(EVENTS, (operation_id, after, limit)).fetchall()
    return [event_from_row(row) for row in rows]


def log(connection: apsw.Connection, operation_id: str, after: int, limit: int) -> list[LogLine]:
    """See OperationStore.log."""
    rows = fetch_all(connection, LOG, (operation_id, after, limit))
    return [
        LogLine(number=number, at=at, attempt=attempt, text=text)
        for number, at, attempt, text in rows
    ]


def append_log(
    transaction: Transaction, held: Held, lines: Sequence[tuple[int, str]], bytes_max: int
) -> bool:
    """See OperationStore.append_log. The first line that is too long drops those after it."""
    connection = transaction.connection
    operation = transaction.read(held.id)
    if operation is None or operation.lease is None or operation.lease.token != held.token:
        raise LeaseLost
    number, bytes_end = fetch_one(connection, _LOG_END, (held.id,)) or (0, 0)
    rows = []
    for at, text in lines:
        number += 1
        bytes_end += len(text.encode())
        if bytes_end > bytes_max:
            break
        rows.append((held.id, number, at, operation.attempt, text, bytes_end))
    insert_many(connection, "logs", _LINE_COLUMNS, rows)
    if rows:
        transaction.changed.add(held.id)
    return len(rows) == len(lines)


def audit(
    connection: apsw.Connection, tenant: str | None, before: int | None, limit: int
) -> list[AuditRecord]:
    """See OperationStore.audit."""
    values: tuple[Any, ...] = (_AFTER_ALL_NUMBERS if before is None else before, limit)
    if tenant is None:
        rows = connection.execute(AUDIT, values).fetchall()
    else:
        rows = connection.execute(AUDIT_OF_TENANT, (tenant, *values)).fetchall()
    return [_record(row) for row in rows]


def _record(row: Sequence[Any]) -> AuditRecord:
    number, at, tenant, actor, action, target, request_id, data = row
    entry = AuditEntry(
        actor=actor,
        action=action,
        target=target,
        request_id=request_id,
        data={} if data is None else _decode(data),
    )
    return AuditRecord(number=number, at=at, tenant=tenant, entry=entry)


def may_prune_audit(connection: apsw.Connection, before: int) -> bool:
    """Whether the oldest audit record is older than an instant: a cheap read, no lock."""
    oldest = fetch_one(connection, _OLDEST_AUDIT, ())
    return oldest is not None and oldest[0] < before


def prune_audit(transaction: Transaction, limit: int, *, before: int) -> int:
    """See OperationStore. Records are numbered as they come, so the oldest stand first."""
    transaction.connection.execute(_PRUNE_AUDIT, (limit, before))
    return transaction.connection.changes()
