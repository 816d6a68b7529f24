"""Renewing leases from a thread of its own: no handler and no busy loop can hold it up."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from outlast.operations.errors import OutlastError
from outlast.settings import Recovery
from outlast.store.port import Held, Renewal, Store

_AGAIN_SECONDS: Final = 0.5
"""Until the next try when a renewal failed: leases wait for nobody."""

logger = logging.getLogger(__name__)


class Holder(Protocol):
    """An attempt that holds a lease. The methods are called from the keeper's thread."""

    def renewed(self, sent_at: float) -> None:
        """The lease was extended by a call sent at this `time.monotonic()`."""

    def lease_answer(self, renewal: Renewal) -> None:
        """The lease is lost, or somebody asked to cancel."""


class LeaseKeeper:
    """Extends all leases of a worker in one call every `renew_seconds`, over its own store."""

    def __init__(self, open_store: Callable[[], Store], worker: str, recovery: Recovery) -> None:
        self._open_store = open_store
        self._worker = worker
        self._recovery = recovery
        self._lock = threading.Lock()
        self._held: dict[str, tuple[Held, Holder]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outlast-leases", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing, and wait for the thread."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def hold(self, held: Held, holder: Holder) -> None:
        """Renew this lease from now on."""
        with self._lock:
            self._held[held.token] = (held, holder)

    def drop(self, token: str) -> None:
        """Do not renew this lease any more."""
        with self._lock:
            self._held.pop(token, None)

    def _run(self) -> None:
        asyncio.run(self._renew_forever())

    async def _renew_forever(self) -> None:
        store: Store | None = None
        pause = self._recovery.renew_seconds
        try:
            while not await asyncio.to_thread(self._stopping.wait, pause):
                pause = min(self._recovery.renew_seconds, _AGAIN_SECONDS)
                try:
                    if store is None:
                        opening = self._open_store()
                        await opening.open()
                        store = opening
                    await self._renew(store)
                    pause = self._recovery.renew_seconds
                except OutlastError as error:
                    # The next round tries again; the guards stop what is not renewed in time.
                    logger.warning("leases could not be renewed: %s", error)
                except Exception:
                    # An edge: without this thread every attempt of the worker would be lost.
                    logger.exception("leases could not be renewed")
        finally:
            if store is not None:
                await store.close()

    async def _renew(self, store: Store) -> None:
        with self._lock:
            holding = dict(self._held)
        if not holding:
            return
        sent_at = time.monotonic()
        renewals = await store.operations.renew(
            self._worker, [held for held, _ in holding.values()], self._recovery.lease_seconds
        )
        for renewal in renewals:
            _, holder = holding[renewal.token]
            if renewal.is_held:
                holder.renewed(sent_at)
            if not renewal.is_held or renewal.cancel_requested:
                holder.lease_answer(renewal)
