"""New operations: what stands in their way, then their rows."""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from collections.abc import Sequence
from typing import Final

from outlast.operations import ids, transitions
from outlast.operations.errors import IdempotencyMismatch, OperationIdTaken, OutlastError
from outlast.operations.model import Operation
from outlast.store.port import Created, Creation
from outlast.store.postgres.catalog import write_all
from outlast.store.postgres.transaction import SELECT, Transaction

BY_IDEMPOTENCY_KEY: Final = f"{SELECT} WHERE tenant = $1 AND idempotency_key = $2"
BY_ALIAS: Final = f"{SELECT} WHERE tenant = $1 AND alias = $2"


def _lock_sql(column: str) -> str:
    return (
        f"{SELECT} WHERE id IN (SELECT o.id FROM operations o JOIN unnest($1::text[], $2::text[])"
        f" AS w(tenant, name) ON o.tenant = w.tenant AND o.{column} = w.name)"
        " ORDER BY id FOR UPDATE"
    )


_LOCK_NAMED: Final = {column: _lock_sql(column) for column in ("idempotency_key", "alias")}


async def create(
    transaction: Transaction, creations: Sequence[Creation]
) -> list[Created | OutlastError]:
    """See OperationStore.create."""
    earlier = await _Earlier.find(transaction, creations)
    answers: list[Created | OutlastError] = []
    for creation in creations:
        try:
            answers.append(await _create(transaction, creation, earlier))
        except OutlastError as error:
            answers.append(error)
    return answers


async def _create(transaction: Transaction, creation: Creation, earlier: "_Earlier") -> Created:
    found = earlier.of(creation)
    if found is not None:
        return Created(found, is_new=False)
    submission = creation.submission
    operation_id = creation.operation_id or _new_id(transaction)
    await write_all(transaction, submission.tenant, creation.writes, operation_id)
    transition = transitions.submit(submission, operation_id, transaction.now)
    transaction.insert(transition)
    transaction.audit(submission.tenant, creation.audit, operation_id)
    earlier.add(transition.operation)
    return Created(transition.operation, is_new=True)


def _new_id(transaction: Transaction) -> str:
    bits = int.from_bytes(transaction.random_bytes(7), "big") >> 4
    return ids.make_id(transaction.now, bits)


class _Earlier:
    """What has the names that the creations want, stored before or among themselves."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str], Operation] = {}
        self._by_alias: dict[tuple[str, str], Operation] = {}
        self._by_id: dict[str, Operation] = {}

    @classmethod
    async def find(cls, transaction: Transaction, creations: Sequence[Creation]) -> "_Earlier":
        earlier = cls()
        wishes = [creation.submission for creation in creations]
        for column in _LOCK_NAMED:
            named = [(w.tenant, getattr(w, column)) for w in wishes if getattr(w, column)]
            if named:
                tenants, names = zip(*named, strict=True)
                rows = await transaction.connection.fetch(_LOCK_NAMED[column], tenants, names)
                for operation in transaction.remember(rows):
                    earlier.add(operation)
        chosen = [creation.operation_id for creation in creations if creation.operation_id]
        if chosen:
            for operation in (await transaction.lock(chosen)).values():
                earlier.add(operation)
        return earlier

    def add(self, operation: Operation) -> None:
        self._by_id[operation.id] = operation
        if operation.idempotency_key is not None:
            self._by_key[operation.tenant, operation.idempotency_key] = operation
        if operation.alias is not None:
            self._by_alias[operation.tenant, operation.alias] = operation

    def of(self, creation: Creation) -> Operation | None:
        """The operation that the same call made before. IdempotencyMismatch, OperationIdTaken."""
        wish = creation.submission
        if wish.idempotency_key is not None:
            found = self._by_key.get((wish.tenant, wish.idempotency_key))
            if found is not None:
                if found.fingerprint != wish.fingerprint:
                    raise IdempotencyMismatch
                return found
        taken = None
        if wish.alias is not None:
            taken = self._by_alias.get((wish.tenant, wish.alias))
        if taken is None and creation.operation_id is not None:
            taken = self._by_id.get(creation.operation_id)
        if taken is not None and (
            taken.tenant != wish.tenant or taken.fingerprint != wish.fingerprint
        ):
            raise OperationIdTaken
        return taken
