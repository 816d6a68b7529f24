"""One write transaction: what the calls that share it read and write."""
# ruff: noqa: S608  statements are put together from constants; values are always bound

import os
from collections.abc import Collection, Sequence
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
from outlast.store.sqlite.bulk import insert_many, select_many, update_many
from outlast.store.sqlite.connections import fetch_all
from outlast.store.sqlite.recent import Recent

SCHEDULED: Final = 0
CLAIMABLE: Final = 1
PARKED: Final = 2
OVERDUE: Final = 3

INLINE_BYTES_MAX: Final = 512
"""A larger document stands apart, so that a transition does not rewrite it.

Measured: inline is faster as long as the whole row stays under a quarter of a page.
"""

SELECT: Final = f"SELECT {', '.join(COLUMNS)}, apart FROM operations"
_POSITIONS: Final = tuple(enumerate(DOCUMENTS, len(COLUMNS) - len(DOCUMENTS)))
APART_BITS: Final = {name: 1 << position for position, name in enumerate(DOCUMENTS)}
"""The bit of `apart` that says where each of DOCUMENTS stands."""
_ROW_COLUMNS: Final = (*COLUMNS, "apart", "readiness")
_SEEN_COLUMNS: Final = (
    "revision",
    "event_count",
    "updated_at",
    "cancel_requested_at",
    "cancel_seen_at",
)
_MOVED_COLUMNS: Final = (
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
)
_AUDIT_COLUMNS: Final = ("at", "tenant", "actor", "action", "target", "request_id", "data")
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
_RANDOM_BYTES: Final = 1024
_encode = msgspec.json.Encoder().encode


class Transaction:
    """What has been read and written so far.

    Rows wait, so that many can be written with one statement; `select` writes them out first.
    """

    def __init__(self, connection: apsw.Connection, now: int, recent: Recent) -> None:
        self.connection = connection
        self.now = now
        self.changed: set[str] = set()
        self.claimable = False
        self.written: dict[str, Operation | None] = {}
        self._recent = recent
        self._apart: dict[str, int] = {}
        self._waiting: set[str] = set()
        self._names: set[tuple[str, str | None]] = set()
        self._inserts: list[Sequence[Any]] = []
        self._updates: dict[tuple[str, ...], list[Sequence[Any]]] = {}
        self._events: list[Sequence[Any]] = []
        self._audit: list[Sequence[Any]] = []
        self._random = b""

    def select(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """Rows of the database, with everything that was written so far."""
        self._write_operations()
        return fetch_all(self.connection, sql, values)

    def select_named(self, sql: str, tenant: str, name: str) -> Operation | None:
        """The operation that a statement finds by its alias or idempotency key."""
        if (tenant, name) in self._names:
            self._write_operations()
        rows = fetch_all(self.connection, sql, (tenant, name))
        return self.from_row(rows[0]) if rows else None

    def read(self, operation_id: str) -> Operation | None:
        """The operation as it stands now."""
        known = self._known(operation_id)
        return known or self.read_many([operation_id]).get(operation_id)

    def read_many(self, ids: Sequence[str]) -> dict[str, Operation]:
        """The operations with these ids as they stand now."""
        found: dict[str, Operation] = {}
        unknown: list[str] = []
        for id_ in ids:
            known = self._known(id_)
            if known is None:
                unknown.append(id_)
            else:
                found[id_] = known
        if not self._waiting.isdisjoint(unknown):
            self._write_operations()
        for row in select_many(self.connection, SELECT, unknown):
            found[row[0]] = self.from_row(row)
        return found

    def from_row(self, row: Row) -> Operation:
        """The operation behind a row of SELECT."""
        known = self._known(row[0])
        if known is not None:
            return known
        if row[-1]:
            self._apart[row[0]] = row[-1]
            return from_row(with_documents(self.connection, row))
        return from_row(row)

    def random_bytes(self, count: int) -> bytes:
        """Random bytes, fetched by the block: each call to the system lets other threads run."""
        if len(self._random) < count:
            self._random = os.urandom(_RANDOM_BYTES)
        taken, self._random = self._random[:count], self._random[count:]
        return taken

    def insert(self, transition: Transition) -> None:
        """Store a new operation. The batch dies, and is run again, if its id is taken."""
        operation = transition.operation
        row = to_row(operation)
        apart = 0
        for position, name in _POSITIONS:
            body = row[position]
            if body is not None and len(body) > INLINE_BYTES_MAX:
                self.connection.execute(_PUT_DOCUMENT, (operation.id, name, body))
                apart |= APART_BITS[name]
                row[position] = None
        row += (apart, self._readiness(operation))
        self._inserts.append(row)
        self._waiting.add(operation.id)
        for wanted in (operation.alias, operation.idempotency_key):
            if wanted is not None:
                self._names.add((operation.tenant, wanted))
        for key, value in operation.labels.items():
            self.connection.execute(_INSERT_LABEL, (operation.tenant, key, value, operation.id))
        self._record(operation, transition.event)
        self.written[operation.id] = None if apart else operation

    def update(self, old: Operation, transition: Transition) -> None:
        """Store what a decision made of an operation that was read in this transaction."""
        new = transition.operation
        if new.id in self._waiting:
            self._write_operations()
        moved = new.state is not old.state or new.lease is not old.lease
        names = changed_documents(old, new)
        values: list[Any] = [
            new.id,
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
        self._updates.setdefault(_columns(moved, names), []).append(values)
        self._waiting.add(new.id)
        self._record(new, transition.event)
        is_small = new.id not in self._apart and not new.state.is_terminal
        self.written[new.id] = new if is_small else None
        if new.state is State.RUNNING:
            return
        if old.state is State.RUNNING:
            # There is room again for what a limit held back.
            self.claimable = True
        if new.concurrency_key is not None:
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
        while rows := self.select(_NEXT_PARKED, (tenant, concurrency_key, kind)):
            kind, operation_id = rows[0]
            self.set_readiness(operation_id, CLAIMABLE)
            self.claimable = True

    def audit(self, tenant: str, entry: AuditEntry | None, target: str = "") -> None:
        """Record who did what, if there is something to record."""
        if entry is not None:
            owner = entry.tenant or tenant
            data = _encode(entry.data) if entry.data else None
            deed = (entry.actor, entry.action, entry.target or target, entry.request_id)
            self._audit.append((self.now, owner, *deed, data))

    def flush(self) -> None:
        """Write everything that waits."""
        self._write_operations()
        insert_many(self.connection, "events", EVENT_COLUMNS, self._events)
        insert_many(self.connection, "audit", _AUDIT_COLUMNS, self._audit)
        self._events = []
        self._audit = []

    def _write_operations(self) -> None:
        if not self._waiting:
            return
        insert_many(self.connection, "operations", _ROW_COLUMNS, self._inserts)
        for columns, rows in self._updates.items():
            update_many(self.connection, columns, rows)
        self._inserts = []
        self._updates = {}
        self._waiting.clear()
        self._names.clear()

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
        apart = self._apart.pop(new.id, 0)
        for name in names:
            body = document(new, name)
            if body is not None and len(body) > INLINE_BYTES_MAX:
                self.connection.execute(_PUT_DOCUMENT, (new.id, name, body))
                apart |= APART_BITS[name]
                body = None
            elif apart & APART_BITS[name]:
                self.connection.execute(_DROP_DOCUMENT, (new.id, name))
                apart &= ~APART_BITS[name]
            values.append(body)
        if apart:
            self._apart[new.id] = apart
        return [*values, apart]


def with_documents(connection: apsw.Connection, row: Row, left_out: Collection[str] = ()) -> Row:
    """The row with the documents that stand apart put in."""
    values = list(row)
    for position, name in _POSITIONS:
        if row[-1] & APART_BITS[name] and name not in left_out:
            ((body,),) = connection.execute(_DOCUMENT, (row[0], name)).fetchall()
            values[position] = body
    return values


@cache
def _columns(moved: bool, documents: tuple[str, ...]) -> tuple[str, ...]:  # noqa: FBT001  two forms
    return (
        *_SEEN_COLUMNS,
        *(_MOVED_COLUMNS if moved else ()),
        *((*documents, "apart") if documents else ()),
    )
