"""How tenants share the server: the rules by the ids of tenants, and how much may wait."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from outlast.engine.access import SYSTEM_TENANT
from outlast.operations.errors import TooManyPending, Unavailable
from outlast.operations.model import SECOND
from outlast.settings import Sharing
from outlast.store.port import CatalogStore, OperationStore

PENDING_MAX: Final = 1_000_000
"""How many operations of a tenant may be pending where no setting says otherwise."""
_LEARN_SECONDS: Final = 30.0
_COUNT_SECONDS: Final = 10
_COUNT_AGAIN_SECONDS: Final = 1
_TENANTS_KEPT: Final = 10_000
_log = logging.getLogger(__name__)


class Shares:
    """The rules of the settings, with the ids of tenants in place of their names."""

    def __init__(self, catalog: CatalogStore, sharing: Sharing) -> None:
        self._catalog = catalog
        self._unknown = set(sharing.tenants)
        self._sharing = sharing

    def current(self) -> Sharing:
        """The rules that hold at present."""
        return self._sharing

    async def learn(self) -> None:
        """Look up the tenants that are not known yet."""
        tenants = dict(self._sharing.tenants)
        for name in sorted(self._unknown):
            tenant = await self._catalog.read(SYSTEM_TENANT, "tenant", name)
            if tenant is not None:
                self._unknown.discard(name)
                tenants[tenant.id] = tenants.pop(name)
        self._sharing = msgspec.structs.replace(self._sharing, tenants=tenants)

    async def keep_learning(self) -> None:
        """Go on until every tenant is known: one may be made later than the settings."""
        if self._unknown:
            _log.warning("[sharing.tenants]: no such tenant so far: %s", sorted(self._unknown))
        while self._unknown:
            await asyncio.sleep(_LEARN_SECONDS)
            try:
                await self.learn()
            except Unavailable as error:
                _log.warning("cannot look for tenants of the settings: %s", error)


@dataclass
class _Room:
    left: int
    half: int
    counted_at: int

    def is_stale(self, now: int) -> bool:
        """Whether it is time to count again."""
        is_used = self.left <= self.half
        seconds = _COUNT_AGAIN_SECONDS if is_used else _COUNT_SECONDS
        return now - self.counted_at >= seconds * SECOND


class Admission:
    """Keeps a tenant from having more pending than it may.

    What is pending is counted at most once a second, and more seldom while there is much room:
    where several processes create at once, somewhat more may come in.
    """

    def __init__(self, operations: OperationStore, sharing: Callable[[], Sharing]) -> None:
        self._operations = operations
        self._sharing = sharing
        self._rooms: dict[str, _Room] = {}

    async def admit(self, tenant: str) -> None:
        """Take the room of one operation. Raises TooManyPending."""
        now = self._operations.now()
        most = self._sharing().of_tenant(tenant).pending_max or PENDING_MAX
        room = self._rooms.get(tenant)
        if room is None or room.is_stale(now):
            left = most - await self._operations.count_pending(tenant, most)
            room = self._rooms[tenant] = _Room(left, left // 2, now)
            while len(self._rooms) > _TENANTS_KEPT:
                del self._rooms[next(iter(self._rooms))]
        if room.left < 1:
            raise TooManyPending(f"{most} operations of this tenant are pending already")
        room.left -= 1
