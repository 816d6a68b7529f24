"""The worker: claims what it has free slots for, and sees every attempt to its end."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

import msgspec

from outlast.operations.errors import OutlastError
from outlast.operations.model import Operation
from outlast.store.port import Changed, Claim, Held, Store
from outlast.worker.attempt import Attempt
from outlast.worker.equipment import Equipment, Publisher, SecretSource, Stager
from outlast.worker.leases import LeaseKeeper
from outlast.worker.partial import OwnPartials
from outlast.worker.served import Served

__all__ = ["Equipment", "OwnPartials", "Publisher", "SecretSource", "Stager", "Worker"]

LOOK_SECONDS: Final = 1.0
"""How often an idle worker looks without having been told: for what was scheduled until now."""

_CANCEL_LOOK_SECONDS: Final = 0.02

logger = logging.getLogger(__name__)


class Worker:
    """Runs operations in at most `slots` attempts at once.

    `name` must be unique among all processes that ever share the store. `open_store` gives a
    second, unopened store for the thread that renews leases. `kinds` are those of the equipment
    that it claims; None: all.
    """

    def __init__(
        self,
        equipment: Equipment,
        open_store: Callable[[], Store],
        *,
        name: str,
        slots: int,
        kinds: frozenset[str] | None = None,
    ) -> None:
        self._equipment = equipment
        self._store = equipment.store.operations
        self._keeper = LeaseKeeper(open_store, name, equipment.recovery)
        self._claim = Claim(
            kinds=frozenset(equipment.kinds) if kinds is None else kinds,
            worker=name,
            limit=slots,
            lease_seconds=equipment.recovery.lease_seconds,
        )
        self._slots = slots
        self._served = Served()
        self._attempts: dict[str, Attempt] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._look = asyncio.Event()
        self._maybe_cancelled: set[str] = set()
        self._cancel_look: asyncio.Task[None] | None = None
        self._draining = False
        self._drain_ends_at = 0.0

    async def run(self) -> None:
        """Claim and run until `drain` is called, then return when every attempt has ended."""
        end = self._store.subscribe(self._notice)
        self._keeper.start()
        try:
            while not self._draining:
                await self._claim_once()
            await self._finish_up()
        finally:
            end()
            ending = [*self._tasks]
            if self._cancel_look is not None:
                ending.append(self._cancel_look)
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
            await asyncio.to_thread(self._keeper.stop)

    def drain(self, wait_seconds: float | None = None) -> None:
        """Claim no more; what does not end in `drain_seconds`, or in so many, is released."""
        self._drain_ends_at = time.monotonic() + (
            self._equipment.recovery.drain_seconds if wait_seconds is None else wait_seconds
        )
        self._draining = True
        self._look.set()

    async def _claim_once(self) -> None:
        free = self._slots - len(self._tasks)
        self._look.clear()
        if free > 0:
            claimed_at = time.monotonic()
            claim = msgspec.structs.replace(
                self._claim,
                limit=free,
                served=self._served.until(claimed_at),
                sharing=self._equipment.sharing(),
            )
            try:
                claimed = await self._store.claim(claim)
            except OutlastError as error:
                logger.warning("nothing can be claimed: %s", error)
                claimed = []
            for operation in claimed:
                self._begin(operation, claimed_at)
                self._served.add(operation.tenant, claimed_at)
            if claimed:
                last = claimed[-1].tenant
                self._claim = msgspec.structs.replace(self._claim, after_tenant=last)
            if len(claimed) == free:
                return
        await self._wait(LOOK_SECONDS)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._look.wait()
        except TimeoutError:
            pass

    def _begin(self, operation: Operation, claimed_at: float) -> None:
        attempt = Attempt(self._equipment, operation, claimed_at)
        self._attempts[operation.id] = attempt
        self._keeper.hold(Held(id=operation.id, token=attempt.token), attempt)
        task = asyncio.create_task(attempt.run())
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, attempt))

    def _ended(self, task: asyncio.Task[None], attempt: Attempt) -> None:
        self._tasks.discard(task)
        self._keeper.drop(attempt.token)
        if self._attempts.get(attempt.operation.id) is attempt:
            del self._attempts[attempt.operation.id]
        self._look.set()
        if attempt.retry_in_seconds is not None and attempt.retry_in_seconds < LOOK_SECONDS:
            asyncio.get_running_loop().call_later(attempt.retry_in_seconds, self._look.set)
        if not task.cancelled() and task.exception() is not None:
            logger.error("an attempt was not settled", exc_info=task.exception())

    def _notice(self, changed: Changed) -> None:
        if changed.claimable:
            self._look.set()
        if not self._attempts:
            return
        if changed.ids is None:
            self._maybe_cancelled.update(self._attempts)
        else:
            self._maybe_cancelled.update(changed.ids & self._attempts.keys())
        if self._maybe_cancelled and self._cancel_look is None:
            self._cancel_look = asyncio.create_task(self._look_for_cancels())
            self._cancel_look.add_done_callback(self._cancel_looked)

    async def _look_for_cancels(self) -> None:
        # A moment's pause: most notices are of our own writes, and short attempts end anyway.
        await asyncio.sleep(_CANCEL_LOOK_SECONDS)
        ids, self._maybe_cancelled = self._maybe_cancelled & self._attempts.keys(), set()
        for operation in await self._store.get(None, sorted(ids)):
            attempt = None if operation is None else self._attempts.get(operation.id)
            if operation is None or attempt is None:
                continue
            if operation.lease is None or operation.lease.token != attempt.token:
                attempt.stop("lease")
            elif operation.cancel_requested_at is not None:
                attempt.stop("cancelled")

    def _cancel_looked(self, task: asyncio.Task[None]) -> None:
        self._cancel_look = None
        if not task.cancelled() and task.exception() is not None:
            logger.error("could not look for cancelled operations", exc_info=task.exception())
        if self._maybe_cancelled and not self._draining:
            self._notice(Changed(frozenset(self._maybe_cancelled), claimable=False))

    async def _finish_up(self) -> None:
        while self._tasks and (left := self._drain_ends_at - time.monotonic()) > 0:
            await asyncio.wait(self._tasks, timeout=left)
        for attempt in list(self._attempts.values()):
            attempt.stop("released")
        if self._tasks:
            # A killed child is gone within moments; an inline handler may take its time.
            await asyncio.wait(self._tasks, timeout=self._equipment.recovery.cancel_grace_seconds)
