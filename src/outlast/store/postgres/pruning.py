"""Pruning: operations that have been kept enough go in small transactions, in nobody's way.

They are not the writer's: no call waits for them. Nor do they wait until they are on disk: what a
crash brings back is pruned again. What was deleted stays in the index until it is vacuumed, so that
each look begins where the last one ended.
"""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from outlast.clock import Clock
from outlast.operations.errors import Unavailable
from outlast.store.postgres.chores import delete_operations
from outlast.store.postgres.connecting import Connections, InDoubt
from outlast.store.postgres.refusals import refusal_for
from outlast.store.postgres.transaction import Connection, Transaction
from outlast.store.postgres.writer import Outlet
from outlast.store.rows import labels_from_row

_AT_ONCE: Final = 100
_LAZILY: Final = "SET LOCAL synchronous_commit = off"
EXPIRED: Final = (
    "SELECT id, tenant, labels, expire_at FROM operations"
    " WHERE expire_at <= $1 AND expire_at >= $2 ORDER BY expire_at LIMIT $3 FOR UPDATE SKIP LOCKED"
)


class Pruner:
    """Deletes expired operations with all that is theirs."""

    def __init__(self, connections: Connections, clock: Clock, outlet: Outlet) -> None:
        self._connections = connections
        self._clock = clock
        self._outlet = outlet
        self._from = 0

    async def prune(self, limit: int) -> int:
        """See OperationStore.prune."""
        pruned = 0
        while pruned < limit:
            size = min(limit - pruned, _AT_ONCE)
            gone = await self._prune_some(size)
            pruned += gone
            if gone < size:
                if self._from == 0:
                    break
                # What has expired behind us meanwhile, or was locked when we came by.
                self._from = 0
        return pruned

    async def _prune_some(self, limit: int) -> int:
        now = self._clock()
        try:
            async with self._connections.transaction() as opened:
                transaction = Transaction(opened.connection, now)
                rows = await self._delete(transaction, opened.connection, limit)
        except InDoubt as doubt:
            raise Unavailable("the connection was lost; what was not pruned is later") from doubt
        except Exception as error:
            refusal = refusal_for(error)
            if refusal is None:
                raise
            raise refusal from error
        if rows:
            self._from = rows[-1]["expire_at"]
            self._outlet.committed(transaction)
        return len(rows)

    async def _delete(
        self, transaction: Transaction, connection: Connection, limit: int
    ) -> Sequence[asyncpg.Record]:
        rows: list[asyncpg.Record] = await connection.fetch(
            EXPIRED, transaction.now, self._from, limit
        )
        if rows:
            await connection.execute(_LAZILY)
            labels: list[tuple[Any, ...]] = [
                (tenant, key, value, id_)
                for id_, tenant, document, _ in rows
                for key, value in labels_from_row(document).items()
            ]
            await delete_operations(transaction, [row["id"] for row in rows], labels)
        return rows
