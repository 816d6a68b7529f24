"""One write transaction: what the calls that share it read and write."""
# ruff: noqa: S608  statements are put together from constants; values are always bound

import hashlib
import os
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final, TypeAlias

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from outlast.operations.model import HistoryEvent, Operation, Transition
from outlast.operations.states import State
from outlast.store.port import AuditEntry
from outlast.store.rows import (
    COLUMNS,
    DOCUMENTS,
    EVENT_COLUMNS,
    changed_documents,
    document,
    event_to_row,
    from_row,
    to_row,
)

Connection: TypeAlias = "asyncpg.Connection | PoolConnectionProxy"
_Form: TypeAlias = tuple[bool, bool, tuple[str, ...]]
"""Which columns an update writes: whether it moves, whether a cancel shows, and documents."""

SCHEDULED: Final = 0
CLAIMABLE: Final = 1
PARKED: Final = 2
OVERDUE: Final = 3

SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM operations"
_BIG: Final = frozenset(
    {
        "revision",
        "event_count",
        "created_at",
        "updated_at",
        "available_at",
        "attempt",
        "attempts_max",
        "priority",
        "retention_seconds",
        "deadline_at",
        "cancel_requested_at",
        "cancel_seen_at",
        "started_at",
        "finished_at",
        "expire_at",
        "lease_expires_at",
        "number",
        "at",
        "bytes_end",
    }
)
_BYTES: Final = frozenset({*DOCUMENTS, "labels", "fingerprint", "data"})
_ROW_COLUMNS: Final = (*COLUMNS, "readiness")
_SEEN_COLUMNS: Final = ("revision", "event_count")
_CANCEL_COLUMNS: Final = ("cancel_requested_at", "cancel_seen_at")
_MOVED_COLUMNS: Final = ("available_at", "attempt", "lease_token", "started_at", "expire_at")
_SHARED_COLUMNS: Final = ("updated_at",)
_SHARED_MOVED_COLUMNS: Final = (
    "state",
    "readiness",
    "lease_worker",
    "lease_expires_at",
    "finished_at",
)
"""What many rows of a transaction have in common: those with the same values are one statement."""
_AUDIT_COLUMNS: Final = ("at", "tenant", "actor", "action", "target", "request_id", "data")
_LABEL_COLUMNS: Final = ("tenant", "key", "value", "operation_id")
_LOCK_MANY: Final = f"{SELECT} WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE"
_SET_READINESS: Final = "UPDATE operations SET readiness = $1 WHERE id = ANY($2::text[])"
_LOCK_KEY: Final = "SELECT pg_advisory_xact_lock($1)"
_UNPARK: Final = (
    "UPDATE operations SET readiness = 1 WHERE id IN (SELECT DISTINCT ON (kind) id FROM operations"
    " WHERE tenant = $1 AND concurrency_key = $2 AND readiness = 2"
    " ORDER BY kind, priority DESC, id) RETURNING id"
)
_RANDOM_BYTES: Final = 1024
_encode = msgspec.json.Encoder().encode


class Transaction:
    """What has been read and written so far. Rows wait until `flush`, to be written together."""

    def __init__(self, connection: Connection, now: int) -> None:
        self.connection = connection
        self.now = now
        self.changed: set[str] = set()
        self.claimable = False
        self._stored: dict[str, Operation] = {}
        self._current: dict[str, Operation] = {}
        self._inserted: dict[str, Operation] = {}
        self._touched: dict[str, None] = {}
        self._events: list[Sequence[Any]] = []
        self._audit: list[Sequence[Any]] = []
        self._freed: set[tuple[str, str]] = set()
        self._random = b""

    async def lock(self, ids: Iterable[str]) -> dict[str, Operation]:
        """The operations with these ids as they stand now, locked in the order of their ids."""
        wanted = set(ids)
        unknown = [id_ for id_ in wanted if id_ not in self._current]
        if unknown:
            self.remember(await self.connection.fetch(_LOCK_MANY, unknown))
        return {id_: self._current[id_] for id_ in wanted if id_ in self._current}

    def remember(self, rows: Sequence[asyncpg.Record]) -> list[Operation]:
        """The operations behind rows of SELECT that this transaction has locked."""
        found = []
        for row in rows:
            operation = self._current.get(row[0])
            if operation is None:
                operation = from_row(tuple(row))
                self._stored[operation.id] = self._current[operation.id] = operation
            found.append(operation)
        return found

    def current(self, operation_id: str) -> Operation | None:
        """The operation as it stands now, if this transaction knows it."""
        return self._current.get(operation_id)

    def random_bytes(self, count: int) -> bytes:
        """Random bytes, fetched by the block."""
        if len(self._random) < count:
            self._random = os.urandom(_RANDOM_BYTES)
        taken, self._random = self._random[:count], self._random[count:]
        return taken

    def insert(self, transition: Transition) -> None:
        """Store a new operation."""
        operation = transition.operation
        self._inserted[operation.id] = self._current[operation.id] = operation
        self._record(operation, transition.event)

    def update(self, transition: Transition) -> None:
        """Store what a decision made of an operation that this transaction has locked."""
        new = transition.operation
        old = self._current[new.id]
        self._current[new.id] = new
        if new.id in self._inserted:
            self._inserted[new.id] = new
        else:
            self._touched[new.id] = None
        self._record(new, transition.event)
        if new.state is State.RUNNING:
            return
        if old.state is State.RUNNING:
            # There is room again for what a limit held back.
            self.claimable = True
        if new.concurrency_key is not None:
            self.free(new.tenant, new.concurrency_key)

    def free(self, tenant: str, concurrency_key: str) -> None:
        """Have claims look at the first parked operation of each kind under the key."""
        self._freed.add((tenant, concurrency_key))

    def forget(self, operation_id: str) -> None:
        """The operation is no more."""
        for known in (self._current, self._stored, self._inserted, self._touched):
            known.pop(operation_id, None)
        self._events = [row for row in self._events if row[0] != operation_id]
        self.changed.add(operation_id)

    async def set_readiness(self, ids: Sequence[str], readiness: int) -> None:
        """Say what a claim shall do with pending operations."""
        if ids:
            await self.connection.execute(_SET_READINESS, readiness, list(ids))

    def audit(self, tenant: str, entry: AuditEntry | None, target: str = "") -> None:
        """Record who did what, if there is something to record."""
        if entry is not None:
            owner = entry.tenant or tenant
            data = _encode(entry.data) if entry.data else None
            deed = (entry.actor, entry.action, entry.target or target, entry.request_id)
            self._audit.append((self.now, owner, *deed, data))

    async def flush(self) -> None:
        """Write everything that waits."""
        await self._insert_operations()
        await self._update_operations()
        await insert_many(self.connection, "events", EVENT_COLUMNS, self._events)
        await insert_many(self.connection, "audit", _AUDIT_COLUMNS, self._audit)
        self._events, self._audit = [], []
        await self._unpark()

    async def _insert_operations(self) -> None:
        if not self._inserted:
            return
        new = list(self._inserted.values())
        rows = [(*to_row(operation), self._readiness(operation)) for operation in new]
        await insert_many(self.connection, "operations", _ROW_COLUMNS, rows)
        labels = [(o.tenant, key, value, o.id) for o in new for key, value in o.labels.items()]
        await insert_many(self.connection, "labels", _LABEL_COLUMNS, labels)
        self._stored.update(self._inserted)
        self._inserted = {}

    async def _update_operations(self) -> None:
        groups: dict[tuple[_Form, tuple[Any, ...]], list[tuple[Any, ...]]] = {}
        for id_ in sorted(self._touched):
            new = self._current[id_]
            form, shared, own = self._changed_values(self._stored[id_], new)
            groups.setdefault((form, shared), []).append(own)
            self._stored[id_] = new
        self._touched = {}
        for (form, shared), rows in groups.items():
            columns = zip(*rows, strict=True)
            await self.connection.execute(_update_sql(form), *shared, *columns)

    async def _unpark(self) -> None:
        # Whoever parks holds the same lock: what was parked before this is seen here.
        freed = sorted((key_number(*key), *key) for key in self._freed)
        self._freed = set()
        for number, tenant, concurrency_key in freed:
            await self.connection.execute(_LOCK_KEY, number)
            if await self.connection.fetch(_UNPARK, tenant, concurrency_key):
                self.claimable = True

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

    def _changed_values(
        self, old: Operation, new: Operation
    ) -> tuple["_Form", tuple[Any, ...], tuple[Any, ...]]:
        """What to write: which columns, and the values of those that are shared and of the rest."""
        lease = new.lease
        is_moved = new.state is not old.state or lease != old.lease
        cancel = (new.cancel_requested_at, new.cancel_seen_at)
        is_asked = cancel != (old.cancel_requested_at, old.cancel_seen_at)
        names = changed_documents(old, new)
        shared: tuple[Any, ...] = (new.updated_at,)
        own: tuple[Any, ...] = (new.id, new.revision, new.event_count)
        if is_asked:
            own += cancel
        if is_moved:
            worker, until = (None, None) if lease is None else (lease.worker, lease.expires_at)
            shared += (new.state.value, self._readiness(new), worker, until, new.finished_at)
            token = None if lease is None else lease.token
            own += (new.available_at, new.attempt, token, new.started_at, new.expire_at)
        own += tuple(document(new, name) for name in names)
        return (is_moved, is_asked, names), shared, own


def key_number(tenant: str, concurrency_key: str) -> int:
    """The number of a concurrency key's advisory lock."""
    digest = hashlib.blake2b(f"{tenant}\0{concurrency_key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


async def insert_many(
    connection: Connection,
    table: str,
    columns: tuple[str, ...],
    rows: Sequence[Sequence[Any]],
) -> None:
    """Insert rows, all with one COPY: several times cheaper on both sides than arrays to unnest."""
    if rows:
        await connection.copy_records_to_table(table, records=rows, columns=columns)


@cache
def _update_sql(form: "_Form") -> str:
    is_moved, is_asked, documents = form
    shared = (*_SHARED_COLUMNS, *(_SHARED_MOVED_COLUMNS if is_moved else ()))
    own = (
        *_SEEN_COLUMNS,
        *(_CANCEL_COLUMNS if is_asked else ()),
        *(_MOVED_COLUMNS if is_moved else ()),
        *documents,
    )
    changes = [f"{name} = ${place}::{_type(name)}" for place, name in enumerate(shared, 1)]
    changes += [f"{name} = n.{name}" for name in own]
    arrays = ", ".join(
        f"${place}::{_type(name)}[]" for place, name in enumerate(("id", *own), len(shared) + 1)
    )
    return (
        f"UPDATE operations o SET {', '.join(changes)}"
        f" FROM unnest({arrays}) AS n(id, {', '.join(own)}) WHERE o.id = n.id"
    )


def _type(column: str) -> str:
    if column in _BIG:
        return "bigint"
    if column in _BYTES:
        return "bytea"
    return "smallint" if column == "readiness" else "text"
