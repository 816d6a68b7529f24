"""Waiting for changes: one subscription to the store, shared by everybody who waits."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from outlast.operations.errors import Unavailable
from outlast.store.port import Changed, OperationStore

LOOK_SECONDS = 5.0
"""How often a watcher looks without having been told: notices may be lost between hosts."""


class Hub:
    """Tells watchers of an operation that it may have changed."""

    def __init__(self, store: OperationStore, watchers_max: int) -> None:
        self._store = store
        self._watchers_max = watchers_max
        self._count = 0
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self._end: Callable[[], None] | None = None
        self._closing = False

    def open(self) -> None:
        """Begin to listen to the store."""
        self._end = self._store.subscribe(self._notice)

    def close(self) -> None:
        """Stop listening, and wake everybody who waits."""
        self._closing = True
        if self._end is not None:
            self._end()
            self._end = None
        self._notice(Changed(None, claimable=False))

    @property
    def is_closing(self) -> bool:
        """Whether watchers should give up: the server is shutting down."""
        return self._closing

    @property
    def count(self) -> int:
        """How many watch at present."""
        return self._count

    @contextmanager
    def watching(self, operation_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the operation may have changed. Raises Unavailable."""
        if self._count >= self._watchers_max:
            raise Unavailable(f"{self._watchers_max} watchers wait already; poll instead")
        event = asyncio.Event()
        self._watchers.setdefault(operation_id, set()).add(event)
        self._count += 1
        try:
            yield event
        finally:
            self._count -= 1
            waiting = self._watchers[operation_id]
            waiting.discard(event)
            if not waiting:
                del self._watchers[operation_id]

    def _notice(self, changed: Changed) -> None:
        if not self._watchers:
            return
        ids = self._watchers.keys() if changed.ids is None else changed.ids
        for operation_id in ids:
            for event in self._watchers.get(operation_id, ()):
                event.set()


async def wait_for_change(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, or after so many seconds, whichever is sooner."""
    try:
        async with asyncio.timeout(min(seconds, LOOK_SECONDS)):
            await event.wait()
    except TimeoutError:
        pass
    event.clear()
