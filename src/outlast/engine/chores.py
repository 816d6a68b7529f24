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
_PRUNED_AT_ONCE = 100
_RESTS = 2.0
"""How long pruning rests after each batch, as a multiple of the time that the batch took."""
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
        self._away_since: float | None = None
        self._reaps_from = 0.0
        kept = retention or Retention()
        self._audit_kept = int(kept.audit_days * 86_400 * SECOND)
        self._tombstones_kept = int(kept.tombstones_days * 86_400 * SECOND)

    async def run(self) -> None:
        """Reap about every `reap_seconds`, prune once a minute, for ever.

        Neither waits for the other: to prune millions takes minutes, and leases run out meanwhile.
        """
        async with asyncio.TaskGroup() as chores:
            chores.create_task(self._repeat(self._reap_once, self._reap_seconds))
            chores.create_task(self._repeat(self._prune_once, _PRUNE_SECONDS, at_once=True))

    async def _repeat(
        self, chore: Callable[[], Awaitable[None]], seconds: float, *, at_once: bool = False
    ) -> None:
        # Spread out, so that many processes do not all look at the same moment.
        pause = self._reap_seconds if at_once else seconds
        while True:
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  not a secret
            pause = seconds
            try:
                await chore()
            except Unavailable as error:
                logger.warning("chores wait for the store: %s", error)
            except Exception:
                # An edge: chores that ended would never be missed, until leases expire unreaped.
                logger.exception("a chore failed")

    async def _reap_once(self) -> None:
        if await self._may_reap():
            await self.reap()

    async def _prune_once(self) -> None:
        await self.prune()
        await self.prune_audit()
        await self.prune_tombstones()

    async def _may_reap(self) -> bool:
        """Look whether the store is there, and whether it has been for long enough."""
        if self._away_since is None:
            self._away_since = time.monotonic()
        await self._store.get(None, [_NOBODY])
        now = time.monotonic()
        away_seconds, self._away_since = now - self._away_since, None
        if away_seconds > self._renew_seconds:
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

    async def prune_tombstones(self) -> int:
        """Delete tombstones that have stood long enough; returns how many went."""
        before = self._store.now() - self._tombstones_kept
        return await self._in_batches(lambda limit: self._store.prune_tombstones(before, limit))

    async def _in_batches(self, prune: Callable[[int], Awaitable[int]]) -> int:
        gone = 0
        while True:
            began = time.monotonic()
            pruned = await prune(_PRUNED_AT_ONCE)
            gone += pruned
            if pruned < _PRUNED_AT_ONCE:
                return gone
            # There is no hurry, and others write: most of the time is theirs.
            await asyncio.sleep(_RESTS * (time.monotonic() - began))
