"""What is left of operations that are gone."""

from collections.abc import Sequence
from typing import Final

import msgspec

from outlast.store.port import Tombstone
from outlast.store.postgres.reading import Reader
from outlast.store.postgres.transaction import Transaction

_COLUMNS: Final = "id, tenant, alias, kind, gone_at"
FIND: Final = (
    f"SELECT {_COLUMNS} FROM tombstones WHERE id = $2 AND tenant = $1"  # noqa: S608  constants
    f" UNION ALL (SELECT {_COLUMNS} FROM tombstones WHERE tenant = $1 AND alias = $2"
    " ORDER BY gone_at DESC LIMIT 1) LIMIT 1"
)
BURY: Final = (
    "INSERT INTO tombstones (id, tenant, alias, kind, gone_at)"
    " SELECT id, tenant, alias, kind, $2 FROM operations WHERE id = ANY($1::text[])"
    " ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant, alias = excluded.alias,"
    " kind = excluded.kind, gone_at = excluded.gone_at"
)
LOOK: Final = "SELECT EXISTS (SELECT 1 FROM tombstones WHERE gone_at < $1)"
PRUNE: Final = (
    "DELETE FROM tombstones WHERE id = ANY(ARRAY("
    "SELECT id FROM tombstones WHERE gone_at < $1 ORDER BY gone_at LIMIT $2))"
)


class Pruning(msgspec.Struct, frozen=True):
    """How many tombstones older than an instant to delete."""

    before: int
    limit: int


async def bury(transaction: Transaction, ids: Sequence[str]) -> None:
    """Put down tombstones for operations that are about to be deleted."""
    await transaction.connection.execute(BURY, ids, transaction.now)


async def find(reader: Reader, tenant: str, ref: str) -> Tombstone | None:
    """See OperationStore.find_tombstone."""
    rows = await reader.fetch(FIND, tenant, ref)
    return Tombstone(*rows[0]) if rows else None


async def prune(transaction: Transaction, wishes: Sequence[Pruning]) -> list[int]:
    """See OperationStore.prune_tombstones."""
    counts = []
    for wish in wishes:
        tag = await transaction.connection.execute(PRUNE, wish.before, wish.limit)
        counts.append(int(tag.rpartition(" ")[2]))
    return counts
