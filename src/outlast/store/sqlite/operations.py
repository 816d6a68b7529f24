"""The port of operations: what the engine and the workers ask, handed to writer and readers."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import apsw

from outlast.clock import Clock
from outlast.operations.errors import NotFound, OutlastError
from outlast.operations.model import HistoryEvent, Operation
from outlast.store.port import (
    AuditEntry,
    AuditRecord,
    Capabilities,
    Change,
    Changed,
    Claim,
    Count,
    Created,
    Creation,
    Held,
    LogLine,
    Page,
    Query,
    Renewal,
    Tombstone,
)
from outlast.store.rows import from_row
from outlast.store.sqlite import chores, claiming, counting, history, lists, tombstones
from outlast.store.sqlite.catalog import write_all
from outlast.store.sqlite.connections import Readers, fetch_all
from outlast.store.sqlite.creating import BY_ALIAS, BY_IDEMPOTENCY_KEY, create
from outlast.store.sqlite.transaction import SELECT, Transaction, with_documents
from outlast.store.sqlite.wakeup import Notices
from outlast.store.sqlite.writer import Writer

_BY_ID: Final = f"{SELECT} WHERE id = ?"
_PRUNED_AT_ONCE: Final = 50


class SqliteOperations:
    """Operations in SQLite."""

    def __init__(self, writer: Writer, readers: Readers, notices: Notices, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._notices = notices
        self._clock = clock

    @property
    def capabilities(self) -> Capabilities:
        """See OperationStore."""
        return Capabilities(shared_by_hosts=False)

    def now(self) -> int:
        """See OperationStore."""
        return self._clock()

    async def create(self, creations: Sequence[Creation]) -> list[Created | OutlastError]:
        """See OperationStore."""
        return await self._writer.submit(create, creations) if creations else []

    async def get(self, tenant: str | None, refs: Sequence[str]) -> list[Operation | None]:
        """See OperationStore. Read on the calling thread: it takes about ten microseconds."""
        return self._readers.read_here(_get, tenant, refs)

    async def find_by_key(self, tenant: str, idempotency_key: str) -> Operation | None:
        """See OperationStore. Read on the calling thread, as `get` is."""
        return self._readers.read_here(_select, BY_IDEMPOTENCY_KEY, (tenant, idempotency_key))

    async def find(self, query: Query) -> Page:
        """See OperationStore."""
        return await self._readers.read(lists.find, query)

    async def count(self, wanted: Count) -> int | None:
        """See OperationStore."""
        return await self._readers.read(counting.count, wanted)

    async def apply(self, changes: Sequence[Change]) -> list[Operation | OutlastError]:
        """See OperationStore."""
        return await self._writer.submit(_apply, changes) if changes else []

    async def claim(self, claim: Claim) -> list[Operation]:
        """See OperationStore."""
        while self._readers.read_here(claiming.may_claim, claim, self._clock()):
            answers = await self._writer.submit(claiming.claim_operations, [claim], self._release)
            claimed: list[Operation]
            claimed, are_more = _or_raise(answers)
            if claimed or not are_more:
                return claimed
        return []

    async def count_pending(self, tenant: str, limit: int) -> int:
        """See OperationStore."""
        sql = claiming.PENDING
        ((count,),) = await self._readers.read(fetch_all, sql, (tenant, limit))
        return int(count)

    async def renew(self, worker: str, held: Sequence[Held], lease_seconds: float) -> list[Renewal]:  # noqa: ARG002  the token alone is the right
        """See OperationStore."""
        if not held:
            return []
        renew = partial(chores.renew, lease_seconds=lease_seconds)
        answers = await self._writer.submit(renew, held)
        for answer in answers:
            if isinstance(answer, OutlastError):
                raise answer
        return answers

    async def reap(self, limit: int) -> list[Operation]:
        """See OperationStore."""
        if limit < 1 or not self._readers.read_here(chores.may_reap, self._clock()):
            return []
        reaped: list[Operation] = _or_raise(await self._writer.submit(chores.reap, [limit]))
        return reaped

    async def prune(self, limit: int) -> int:
        """See OperationStore. In small transactions, so that others get their turn between."""
        pruned = 0
        while pruned < limit and self._readers.read_here(chores.may_prune, self._clock()):
            size = min(limit - pruned, _PRUNED_AT_ONCE)
            pruned += _or_raise(await self._writer.submit(chores.prune, [size]))
        return pruned

    async def prune_audit(self, before: int, limit: int) -> int:
        """See OperationStore."""
        if not self._readers.read_here(history.may_prune_audit, before):
            return 0
        prune = partial(history.prune_audit, before=before)
        pruned: int = _or_raise(await self._writer.submit(prune, [limit]))
        return pruned

    async def find_tombstone(self, tenant: str, ref: str) -> Tombstone | None:
        """See OperationStore."""
        return await self._readers.read(tombstones.find, tenant, ref)

    async def prune_tombstones(self, before: int, limit: int) -> int:
        """See OperationStore."""
        if not self._readers.read_here(tombstones.may_prune, before):
            return 0
        prune = partial(tombstones.prune, before=before)
        pruned: int = _or_raise(await self._writer.submit(prune, [limit]))
        return pruned

    async def delete(self, tenant: str, ref: str, audit: AuditEntry | None = None) -> Operation:
        """See OperationStore."""
        delete = partial(chores.delete, tenant=tenant, audit=audit)
        deleted: Operation = _or_raise(await self._writer.submit(delete, [ref]))
        return deleted

    async def events(
        self, operation_id: str, after: int = 0, limit: int = 500
    ) -> list[HistoryEvent]:
        """See OperationStore."""
        return await self._readers.read(history.events, operation_id, after, limit)

    async def append_log(
        self, held: Held, lines: Sequence[tuple[int, str]], bytes_max: int
    ) -> bool:
        """See OperationStore."""
        append = partial(history.append_log, lines=lines, bytes_max=bytes_max)
        is_complete: bool = _or_raise(await self._writer.submit(append, [held]))
        return is_complete

    async def log(self, operation_id: str, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """See OperationStore."""
        return await self._readers.read(history.log, operation_id, after, limit)

    async def audit(
        self, tenant: str | None, before: int | None = None, limit: int = 100
    ) -> list[AuditRecord]:
        """See OperationStore."""
        return await self._readers.read(history.audit, tenant, before, limit)

    def subscribe(self, notice: Callable[[Changed], None]) -> Callable[[], None]:
        """See OperationStore."""
        return self._notices.subscribe(notice)

    def _release(self, answers: Sequence[Any]) -> None:
        # Nobody will run what was claimed for a caller that was cancelled meanwhile.
        for answer in answers:
            if not isinstance(answer, OutlastError):
                self._writer.post(claiming.release, answer[0])


def _apply(transaction: Transaction, change: Change) -> Operation:
    old = transaction.read(change.id)
    if old is None or (change.tenant is not None and change.tenant != old.tenant):
        raise NotFound
    transition = change.decide(old, transaction.now)
    new = transition.operation
    if new is old:
        return old
    if change.writes:
        write_all(transaction, old.tenant, change.writes, old.id)
    transaction.update(old, transition)
    transaction.audit(old.tenant, change.audit, old.id)
    return new


def _get(
    connection: apsw.Connection, tenant: str | None, refs: Sequence[str]
) -> list[Operation | None]:
    found = []
    for ref in refs:
        operation = _select(connection, _BY_ID, (ref,))
        if tenant is not None and (operation is None or operation.tenant != tenant):
            operation = _select(connection, BY_ALIAS, (tenant, ref))
        found.append(operation)
    return found


def _select(connection: apsw.Connection, sql: str, values: Sequence[str]) -> Operation | None:
    rows = connection.execute(sql, values).fetchall()
    if not rows:
        return None
    row = rows[0]
    return from_row(with_documents(connection, row) if row[-1] else row)


def _or_raise(answers: Sequence[Any]) -> Any:
    (answer,) = answers
    if isinstance(answer, OutlastError):
        raise answer
    return answer
