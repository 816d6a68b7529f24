"""What any process does beside its work: reap expired leases, prune what has been kept enough."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

from outlast.operations.errors import Unavailable
from outlast.operations.model import SECOND
from outlast.settings import Recovery, Retention
from outlast.store.port import OperationStore

_BATCH = 200
_PRUNE_SECONDS = 60.0
_RENEWALS = 1.5
_NOBODY = "-"

logger = logging.getLogger(__name__)


class Chores:
    """Runs the chores of one process until it is cancelled. No leader: each chore is idempotent.

    After an outage of the store no lease is taken away before everybody has had the time to renew.
    """

    def __init__(
        self, store: OperationStore, recovery: Recovery, retention: Retention | None = None
    ) -> None:
        self._store = store
        self._reap_seconds = recovery.reap_seconds
        self._renew_seconds = recovery.renew_seconds
        self._seen_at = time.monotonic()
        self._reaps_from = 0.0
        self._audit_kept = int((retention or Retention()).audit_days * 86_400 * SECOND)

    async def run(self) -> None:
        """Reap about every `reap_seconds`, prune once a minute, for ever."""
        prune_in = 0.0
        while True:
            # Spread out, so that many processes do not all look at the same moment.
            pause = self._reap_seconds * random.uniform(0.5, 1.0)  # noqa: S311  not a secret
            await asyncio.sleep(pause)
            prune_in -= pause
            try:
                if await self._may_reap():
                    await self.reap()
                if prune_in <= 0:
                    prune_in = _PRUNE_SECONDS
                    await self.prune()
                    await self.prune_audit()
                self._seen_at = time.monotonic()
            except Unavailable as error:
                logger.warning("chores wait for the store: %s", error)
            except Exception:
                # An edge: chores that ended would never be missed, until leases expire unreaped.
                logger.exception("a chore failed")

    async def _may_reap(self) -> bool:
        """Look whether the store is there, and whether it has been for long enough."""
        await self._store.get(None, [_NOBODY])
        now = time.monotonic()
        if now - self._seen_at > self._renew_seconds:
            logger.warning("the store was away: leases are left alone for a moment")
            self._reaps_from = now + _RENEWALS * self._renew_seconds
        return now >= self._reaps_from

    async def reap(self) -> int:
        """Reap until nothing is left to reap; returns how many operations were touched."""
        touched = 0
        while True:
            reaped = await self._store.reap(_BATCH)
            for operation in reaped:
                logger.warning(
                    "reaped operation %s: now %s (attempt %d)",
                    operation.id,
                    operation.state,
                    operation.attempt,
                )
            touched += len(reaped)
            if len(reaped) < _BATCH:
                return touched

    async def prune(self) -> int:
        """Prune until nothing is left to prune; returns how many operations went."""
        return await self._in_batches(self._store.prune)

    async def prune_audit(self) -> int:
        """Delete audit records that have been kept enough; returns how many went."""
        before = self._store.now() - self._audit_kept
        return await self._in_batches(lambda limit: self._store.prune_audit(before, limit))

    async def _in_batches(self, prune: Callable[[int], Awaitable[int]]) -> int:
        gone = 0
        while True:
            pruned = await prune(_BATCH)
            gone += pruned
            if pruned < _BATCH:
                return gone
            # Between batches others write.
            await asyncio.sleep(0)
