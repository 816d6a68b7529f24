"""An engine and a worker on a real store, for tests."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from outlast.engine import Engine, Hub, Principal, Role, Wish
from outlast.engine.preparing import OwnPreparer
from outlast.executors.inline import InlineExecutor
from outlast.operations.errors import OutlastError
from outlast.operations.kind import Kind
from outlast.operations.model import Operation
from outlast.settings import Limits, Recovery, Retention
from outlast.store.sqlite import SqliteStore
from outlast.worker import Equipment, OwnPartials, Worker

MEMBER = Principal(tenant="default", member="ada", role=Role.ADMIN)
QUICK = Recovery(
    lease_seconds=2, renew_seconds=0.2, reap_seconds=0.1, cancel_grace_seconds=0.3, drain_seconds=2
)


class Installation:
    """An engine and a worker on one store, with inline kinds."""

    def __init__(self, store: SqliteStore, folder: Any, recovery: Recovery) -> None:
        self.store = store
        self.folder = folder
        self.recovery = recovery
        self.kinds: dict[str, Kind] = {}
        self.hub = Hub(store.operations, 1000)
        self.engine = Engine(
            store, self.kinds, hub=self.hub, limits=Limits(), retention=Retention()
        )

    def worker(
        self,
        *,
        slots: int = 8,
        name: str = "worker-1",
        claims: frozenset[str] | None = None,
        publishers: Mapping[str, Any] | None = None,
        **equipment: Any,
    ) -> Worker:
        parts = {
            "store": self.store,
            "kinds": self.kinds,
            "modules": dict.fromkeys(self.kinds, "tests"),
            "executors": {"inline": InlineExecutor(list(self.kinds.values()), self.folder)},
            "preparer": OwnPreparer(),
            "partials": OwnPartials(),
            "publishers": publishers or {},
            "stager": None,
            "files": None,
            "limits": Limits(),
            "recovery": self.recovery,
        }
        path = self.folder / "outlast.db"
        return Worker(
            Equipment(**(parts | equipment)),
            lambda: SqliteStore(path),
            name=name,
            slots=slots,
            kinds=claims,
        )

    def add(self, kind: Kind) -> None:
        self.kinds[kind.name] = kind

    async def submit(self, kind: str, spec: object = None, **wish: Any) -> Operation:
        body = msgspec.json.encode({} if spec is None else spec)
        created = await self.engine.submit(MEMBER, Wish(kind=kind, spec=body, **wish))
        return created.operation

    async def end_of(self, operation: Operation, seconds: float = 10) -> Operation:
        return await self.engine.wait(MEMBER, operation.id, seconds)

    async def get(self, operation: Operation) -> Operation:
        return await self.engine.get(MEMBER, operation.id)

    async def history(self, operation: Operation) -> Sequence[str]:
        return [event.type for event in await self.store.operations.events(operation.id)]


async def until(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """Wait until a condition, plain or async, is true."""
    async with asyncio.timeout(seconds):
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value and not isinstance(value, OutlastError):
                return value
            await asyncio.sleep(0.01)
