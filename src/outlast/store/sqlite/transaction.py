"""One write transaction: what the calls that share it read and write."""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from collections.abc import Collection
from functools import cache
from typing import Any, Final

import apsw
import msgspec

from outlast.operations.model import HistoryEvent, Operation, Transition
from outlast.operations.states import State
from outlast.store.port import AuditEntry
from outlast.store.rows import (
    COLUMNS,
    DOCUMENTS,
    EVENT_COLUMNS,
    Row,
    changed_documents,
    document,
    event_to_row,
    from_row,
    to_row,
)
from outlast.store.sqlite.connections import fetch_one
from outlast.store.sqlite.recent import Recent

SCHEDULED: Final = 0
CLAIMABLE: Final = 1
PARKED: Final = 2
OVERDUE: Final = 3

INLINE_BYTES_MAX: Final = 512
"""A larger document stands apart, so that a transition does not rewrite it."""

SELECT: Final = f"SELECT {', '.join(COLUMNS)}, apart FROM operations"
_READ: Final = f"{SELECT} WHERE id = ?"
_POSITIONS: Final = tuple(enumerate(DOCUMENTS, len(COLUMNS) - len(DOCUMENTS)))
_BITS: Final = {name: 1 << position for position, name in enumerate(DOCUMENTS)}
_INSERT: Final = (
    f"INSERT INTO operations ({', '.join(COLUMNS)}, apart, readiness)"
    f" VALUES ({', '.join('?' * (len(COLUMNS) + 2))}) ON CONFLICT (id) DO NOTHING"
)
_INSERT_EVENT: Final = (
    f"INSERT INTO events ({', '.join(EVENT_COLUMNS)}) VALUES ({', '.join('?' * 8)})"
)
_INSERT_AUDIT: Final = (
    "INSERT INTO audit (at, tenant, actor, action, target, request_id, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_LABEL: Final = "INSERT INTO labels (tenant, key, value, operation_id) VALUES (?, ?, ?, ?)"
_PUT_DOCUMENT: Final = "REPLACE INTO documents (operation_id, name, body) VALUES (?, ?, ?)"
_DROP_DOCUMENT: Final = "DELETE FROM documents WHERE operation_id = ? AND name = ?"
_DOCUMENT: Final = "SELECT body FROM documents WHERE operation_id = ? AND name = ?"
_NEXT_PARKED: Final = (
    "SELECT kind, id FROM operations INDEXED BY operations_parked"
    " WHERE tenant = ? AND concurrency_key = ? AND readiness = 2 AND kind > ?"
    " ORDER BY kind, priority DESC, id LIMIT 1"
)
_SET_READINESS: Final = "UPDATE operations SET readiness = ? WHERE id = ?"
_encode = msgspec.json.Encoder().encode


class Transaction:
    """What has been read and written so far, and what waits to be written at the end."""

    def __init__(self, connection: apsw.Connection, now: int, recent: Recent) -> None:
        self.connection = connection
        self.now = now
        self.changed: set[str] = set()
        self.claimable = False
        self.written: dict[str, Operation | None] = {}
        self._recent = recent
        self._apart: dict[str, int] = {}
        self._events: list[tuple[Any, ...]] = []
        self._audit: list[tuple[Any, ...]] = []

    def read(self, operation_id: str) -> Operation | None:
        """The operation as it stands now."""
        known = self._known(operation_id)
        if known is not None:
            return known
        rows = self.connection.execute(_READ, (operation_id,)).fetchall()
        return self.from_row(rows[0]) if rows else None

    def from_row(self, row: Row) -> Operation:
        """The operation behind a row of SELECT."""
        known = self._known(row[0])
        if known is not None:
            return known
        if row[-1]:
            self._apart[row[0]] = row[-1]
            return from_row(with_documents(self.connection, row))
        return from_row(row)

    def insert(self, transition: Transition) -> bool:
        """Store a new operation; False, and nothing is written, if its id is taken."""
        operation = transition.operation
        row = to_row(operation)
        apart: dict[str, bytes] = {}
        for position, name in _POSITIONS:
            body = row[position]
            if body is not None and len(body) > INLINE_BYTES_MAX:
                apart[name] = body
                row[position] = None
        row += (sum([_BITS[name] for name in apart]), self._readiness(operation))
        self.connection.execute(_INSERT, row)
        if not self.connection.changes():
            return False
        for name, body in apart.items():
            self.connection.execute(_PUT_DOCUMENT, (operation.id, name, body))
        for key, value in operation.labels.items():
            self.connection.execute(_INSERT_LABEL, (operation.tenant, key, value, operation.id))
        self._record(operation, transition.event)
        self.written[operation.id] = None if apart else operation
        return True

    def update(self, old: Operation, transition: Transition) -> None:
        """Store what a decision made of an operation that was read in this transaction."""
        new = transition.operation
        moved = new.state is not old.state or new.lease is not old.lease
        names = changed_documents(old, new)
        values: list[Any] = [
            new.revision,
            new.event_count,
            new.updated_at,
            new.cancel_requested_at,
            new.cancel_seen_at,
        ]
        if moved:
            values += self._moved_values(new)
        if names:
            values += self._document_values(new, names)
        values.append(new.id)
        self.connection.execute(_update_sql(moved, names), values)
        self._record(new, transition.event)
        is_small = new.id not in self._apart and not new.state.is_terminal
        self.written[new.id] = new if is_small else None
        if new.concurrency_key is not None and new.state is not State.RUNNING:
            self.unpark(new.tenant, new.concurrency_key)

    def forget(self, operation_id: str) -> None:
        """Look the operation up again the next time: something else has written it."""
        self.written[operation_id] = None

    def set_readiness(self, operation_id: str, readiness: int) -> None:
        """Say what a claim shall do with a pending operation."""
        self.connection.execute(_SET_READINESS, (readiness, operation_id))

    def unpark(self, tenant: str, concurrency_key: str) -> None:
        """Let claims look at the first parked operation of each kind under the key."""
        kind = ""
        while row := fetch_one(self.connection, _NEXT_PARKED, (tenant, concurrency_key, kind)):
            kind, operation_id = row
            self.set_readiness(operation_id, CLAIMABLE)
            self.claimable = True

    def audit(self, tenant: str, entry: AuditEntry | None, target: str = "") -> None:
        """Record who did what, if there is something to record."""
        if entry is not None:
            data = _encode(entry.data) if entry.data else None
            self._audit.append(
                (
                    self.now,
                    entry.tenant or tenant,
                    entry.actor,
                    entry.action,
                    entry.target or target,
                    entry.request_id,
                    data,
                )
            )

    def flush(self) -> None:
        """Write what waited for the end of the batch."""
        if self._events:
            self.connection.executemany(_INSERT_EVENT, self._events)
            self._events = []
        if self._audit:
            self.connection.executemany(_INSERT_AUDIT, self._audit)
            self._audit = []

    def _known(self, operation_id: str) -> Operation | None:
        if operation_id in self.written:
            return self.written[operation_id]
        return self._recent.get(operation_id)

    def _record(self, operation: Operation, event: HistoryEvent | None) -> None:
        if event is not None:
            self._events.append(event_to_row(operation.id, event))
        self.changed.add(operation.id)

    def _readiness(self, operation: Operation) -> int | None:
        if operation.state is not State.PENDING:
            return None
        if operation.available_at > self.now:
            return SCHEDULED
        self.claimable = True
        return CLAIMABLE

    def _moved_values(self, new: Operation) -> tuple[Any, ...]:
        lease = new.lease
        return (
            new.state.value,
            self._readiness(new),
            new.available_at,
            new.attempt,
            None if lease is None else lease.token,
            None if lease is None else lease.worker,
            None if lease is None else lease.expires_at,
            new.started_at,
            new.finished_at,
            new.expire_at,
        )

    def _document_values(self, new: Operation, names: tuple[str, ...]) -> list[Any]:
        values: list[Any] = []
        apart = self._apart.get(new.id, 0)
        for name in names:
            body = document(new, name)
            if body is not None and len(body) > INLINE_BYTES_MAX:
                self.connection.execute(_PUT_DOCUMENT, (new.id, name, body))
                apart |= _BITS[name]
                body = None
            elif apart & _BITS[name]:
                self.connection.execute(_DROP_DOCUMENT, (new.id, name))
                apart &= ~_BITS[name]
            values.append(body)
        if apart:
            self._apart[new.id] = apart
        else:
            self._apart.pop(new.id, None)
        return [*values, apart]


def with_documents(connection: apsw.Connection, row: Row, left_out: Collection[str] = ()) -> Row:
    """The row with the documents that stand apart put in."""
    values = list(row)
    for position, name in _POSITIONS:
        if row[-1] & _BITS[name] and name not in left_out:
            ((body,),) = connection.execute(_DOCUMENT, (row[0], name)).fetchall()
            values[position] = body
    return values


@cache
def _update_sql(moved: bool, documents: tuple[str, ...]) -> str:  # noqa: FBT001  two forms
    columns = ["revision", "event_count", "updated_at", "cancel_requested_at", "cancel_seen_at"]
    if moved:
        columns += [
            "state",
            "readiness",
            "available_at",
            "attempt",
            "lease_token",
            "lease_worker",
            "lease_expires_at",
            "started_at",
            "finished_at",
            "expire_at",
        ]
    if documents:
        columns += [*documents, "apart"]
    return f"UPDATE operations SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ?"
