"""The port of operations: what the engine and the workers ask, handed to writer and reader."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

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
from outlast.store.postgres import chores, claiming, counting, history, lists, tombstones
from outlast.store.postgres.catalog import write_all
from outlast.store.postgres.creating import BY_ALIAS, BY_IDEMPOTENCY_KEY, create
from outlast.store.postgres.notices import Notices
from outlast.store.postgres.pruning import Pruner
from outlast.store.postgres.reading import Reader
from outlast.store.postgres.transaction import SELECT, Transaction
from outlast.store.postgres.writer import Writer, first
from outlast.store.rows import event_from_row, from_row

_BY_IDS: Final = f"{SELECT} WHERE id = ANY($1::text[])"
_BY_ALIASES: Final = BY_ALIAS.replace("alias = $2", "alias = ANY($2::text[])")
_PAUSE_SECONDS: Final = 0.02


class PostgresOperations:
    """Operations in PostgreSQL."""

    def __init__(
        self, writer: Writer, reader: Reader, pruner: Pruner, notices: Notices, clock: Clock
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._pruner = pruner
        self._notices = notices
        self._clock = clock

    @property
    def capabilities(self) -> Capabilities:
        """See OperationStore."""
        return Capabilities(shared_by_hosts=True)

    def now(self) -> int:
        """See OperationStore."""
        return self._clock()

    async def create(self, creations: Sequence[Creation]) -> list[Created | OutlastError]:
        """See OperationStore."""
        return await self._writer.submit(create, creations) if creations else []

    async def get(self, tenant: str | None, refs: Sequence[str]) -> list[Operation | None]:
        """See OperationStore."""
        if not refs:
            return []
        rows = await self._reader.fetch(_BY_IDS, list(refs))
        by_id = {row[0]: from_row(tuple(row)) for row in rows}
        if tenant is None:
            return [by_id.get(ref) for ref in refs]
        found: dict[str, Operation] = {id_: o for id_, o in by_id.items() if o.tenant == tenant}
        missing = [ref for ref in refs if ref not in found]
        if missing:
            for row in await self._reader.fetch(_BY_ALIASES, tenant, missing):
                operation = from_row(tuple(row))
                if operation.alias is not None:
                    found[operation.alias] = operation
        return [found.get(ref) for ref in refs]

    async def find_by_key(self, tenant: str, idempotency_key: str) -> Operation | None:
        """See OperationStore."""
        rows = await self._reader.fetch(BY_IDEMPOTENCY_KEY, tenant, idempotency_key)
        return from_row(tuple(rows[0])) if rows else None

    async def find(self, query: Query) -> Page:
        """See OperationStore."""
        return await lists.find(self._reader, query)

    async def count(self, wanted: Count) -> int | None:
        """See OperationStore."""
        return await counting.count(self._reader, wanted)

    async def apply(self, changes: Sequence[Change]) -> list[Operation | OutlastError]:
        """See OperationStore."""
        return await self._writer.submit(_apply, changes) if changes else []

    async def claim(self, claim: Claim) -> list[Operation]:
        """See OperationStore."""
        while claim.kinds and claim.limit > 0:
            kinds = list(claim.kinds)
            [[are_due, are_waiting]] = await self._reader.fetch(claiming.LOOK, self._clock(), kinds)
            if not (are_due or are_waiting):
                break
            asked = claiming.Asking(claim, are_due)
            answers = await self._writer.submit(claiming.claim, [asked], self._release)
            claimed: list[Operation]
            claimed, are_more = first(answers)
            if claimed or not are_more:
                return claimed
            # Whoever holds the lock of a limit is about to commit.
            await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311  no secret
        return []

    async def count_pending(self, tenant: str, limit: int) -> int:
        """See OperationStore."""
        return int(await self._reader.value(claiming.PENDING, tenant, limit))

    async def renew(self, worker: str, held: Sequence[Held], lease_seconds: float) -> list[Renewal]:  # noqa: ARG002  the token alone is the right
        """See OperationStore."""
        wishes = [chores.Renewing(each, lease_seconds) for each in held]
        return await self._writer.submit(chores.renew, wishes) if wishes else []

    async def reap(self, limit: int) -> list[Operation]:
        """See OperationStore."""
        # Whoever waited for the database would lose leases that nobody could renew meanwhile.
        if limit < 1 or not await self._reader.value(chores.MAY_REAP, self._clock(), patience=0):
            return []
        reaped: list[Operation] = first(await self._writer.submit(chores.reap, [limit]))
        return reaped

    async def prune(self, limit: int) -> int:
        """See OperationStore."""
        return await self._pruner.prune(limit)

    async def prune_audit(self, before: int, limit: int) -> int:
        """See OperationStore."""
        oldest = await self._reader.value(history.OLDEST_AUDIT)
        if oldest is None or oldest >= before:
            return 0
        wish = history.AuditPruning(before, limit)
        pruned: int = first(await self._writer.submit(history.prune_audit, [wish]))
        return pruned

    async def find_tombstone(self, tenant: str, ref: str) -> Tombstone | None:
        """See OperationStore."""
        return await tombstones.find(self._reader, tenant, ref)

    async def prune_tombstones(self, before: int, limit: int) -> int:
        """See OperationStore."""
        if not await self._reader.value(tombstones.LOOK, before):
            return 0
        wish = tombstones.Pruning(before, limit)
        pruned: int = first(await self._writer.submit(tombstones.prune, [wish]))
        return pruned

    async def delete(self, tenant: str, ref: str, audit: AuditEntry | None = None) -> Operation:
        """See OperationStore."""
        wish = chores.Deleting(tenant, ref, audit)
        deleted: Operation = first(await self._writer.submit(chores.delete, [wish]))
        return deleted

    async def events(
        self, operation_id: str, after: int = 0, limit: int = 500
    ) -> list[HistoryEvent]:
        """See OperationStore."""
        rows = await self._reader.fetch(history.EVENTS, operation_id, after, limit)
        return [event_from_row(tuple(row)) for row in rows]

    async def append_log(
        self, held: Held, lines: Sequence[tuple[int, str]], bytes_max: int
    ) -> bool:
        """See OperationStore."""
        wish = history.Logging(held, lines, bytes_max)
        is_complete: bool = first(await self._writer.submit(history.append_log, [wish]))
        return is_complete

    async def log(self, operation_id: str, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """See OperationStore."""
        rows = await self._reader.fetch(history.LOG, operation_id, after, limit)
        return [history.log_line(row) for row in rows]

    async def audit(
        self, tenant: str | None, before: int | None = None, limit: int = 100
    ) -> list[AuditRecord]:
        """See OperationStore."""
        values: list[Any] = [history.AFTER_ALL_NUMBERS if before is None else before, limit]
        sql = history.AUDIT
        if tenant is not None:
            sql = history.AUDIT_OF_TENANT
            values.append(tenant)
        return [history.audit_record(row) for row in await self._reader.fetch(sql, *values)]

    def subscribe(self, notice: Callable[[Changed], None]) -> Callable[[], None]:
        """See OperationStore."""
        return self._notices.subscribe(notice)

    def _release(self, answers: Sequence[Any]) -> None:
        # Nobody will run what was claimed for a caller that was cancelled meanwhile.
        for answer in answers:
            if not isinstance(answer, OutlastError):
                self._writer.post(claiming.release, answer[0])


async def _apply(
    transaction: Transaction, changes: Sequence[Change]
) -> list[Operation | OutlastError]:
    await transaction.lock(change.id for change in changes)
    answers: list[Operation | OutlastError] = []
    for change in changes:
        try:
            answers.append(await _change(transaction, change))
        except OutlastError as error:
            answers.append(error)
    return answers


async def _change(transaction: Transaction, change: Change) -> Operation:
    old = transaction.current(change.id)
    if old is None or (change.tenant is not None and change.tenant != old.tenant):
        raise NotFound
    transition = change.decide(old, transaction.now)
    new = transition.operation
    if new is old:
        return old
    if change.writes:
        await write_all(transaction, old.tenant, change.writes, old.id)
    transaction.update(transition)
    transaction.audit(old.tenant, change.audit, old.id)
    return new
