"""New operations: what stands in their way, then their rows."""

from typing import Final

from outlast.operations import ids, transitions
from outlast.operations.errors import IdempotencyMismatch, OperationIdTaken
from outlast.operations.model import Operation
from outlast.store.port import Created, Creation
from outlast.store.sqlite.catalog import write_all
from outlast.store.sqlite.transaction import SELECT, Transaction

BY_IDEMPOTENCY_KEY: Final = f"{SELECT} WHERE tenant = ? AND idempotency_key = ?"
BY_ALIAS: Final = f"{SELECT} WHERE tenant = ? AND alias = ?"


def create(transaction: Transaction, creation: Creation) -> Created:
    """One member of `OperationStore.create`."""
    earlier = _earlier(transaction, creation)
    if earlier is not None:
        return Created(earlier, is_new=False)
    submission = creation.submission
    operation_id = creation.operation_id or _new_id(transaction)
    write_all(transaction, submission.tenant, creation.writes, operation_id)
    transition = transitions.submit(submission, operation_id, transaction.now)
    transaction.insert(transition)
    transaction.audit(submission.tenant, creation.audit, operation_id)
    return Created(transition.operation, is_new=True)


def _new_id(transaction: Transaction) -> str:
    bits = int.from_bytes(transaction.random_bytes(7), "big") >> 4
    return ids.make_id(transaction.now, bits)


def _earlier(transaction: Transaction, creation: Creation) -> Operation | None:
    wish = creation.submission
    if wish.idempotency_key is not None:
        found = transaction.select_named(BY_IDEMPOTENCY_KEY, wish.tenant, wish.idempotency_key)
        if found is not None:
            if found.fingerprint != wish.fingerprint:
                raise IdempotencyMismatch
            return found
    taken = None
    if wish.alias is not None:
        taken = transaction.select_named(BY_ALIAS, wish.tenant, wish.alias)
    if taken is None and creation.operation_id is not None:
        taken = transaction.read(creation.operation_id)
    if taken is not None and (taken.tenant != wish.tenant or taken.fingerprint != wish.fingerprint):
        raise OperationIdTaken
    return taken
