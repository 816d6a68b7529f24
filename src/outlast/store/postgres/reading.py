"""Reads: on connections of the pool, never in a writer's transaction."""

from typing import Any

import asyncpg

from outlast.store.postgres.refusals import refusal_for


class Reader:
    """Runs queries, and says in our words why one could not be run."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def fetch(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        """The rows. Raises Unavailable."""
        try:
            rows: list[asyncpg.Record] = await self._pool.fetch(sql, *values)
        except Exception as error:
            refusal = refusal_for(error)
            if refusal is None:
                raise
            raise refusal from error
        return rows

    async def value(self, sql: str, *values: Any) -> Any:
        """The first value of the first row, or None. Raises Unavailable."""
        rows = await self.fetch(sql, *values)
        return rows[0][0] if rows else None
