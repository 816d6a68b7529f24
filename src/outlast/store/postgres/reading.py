"""Reads: on connections of the pool, never in a writer's transaction."""

from typing import Any

import asyncpg

from outlast.store.postgres.connecting import Connections
from outlast.store.postgres.refusals import refusal_for


class Reader:
    """Runs queries, and says in our words why one could not be run."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def fetch(
        self, sql: str, *values: Any, patience: float | None = None
    ) -> list[asyncpg.Record]:
        """The rows. Raises Unavailable, once a database that is away has used up the patience."""
        try:
            return await self._connections.fetch(sql, *values, patience=patience)
        except Exception as error:
            refusal = refusal_for(error)
            if refusal is None:
                raise
            raise refusal from error

    async def value(self, sql: str, *values: Any, patience: float | None = None) -> Any:
        """The first value of the first row, or None. Raises Unavailable."""
        rows = await self.fetch(sql, *values, patience=patience)
        return rows[0][0] if rows else None
