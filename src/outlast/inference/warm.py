"""Keeps endpoints open between requests: to load a model for each would take seconds."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from outlast.inference.endpoints import Endpoint, open_endpoint
from outlast.inference.models import ServedModel
from outlast.operations.errors import RateLimited, SecretMissing

ENDPOINTS_MAX: Final = 256
LOCAL_MAX: Final = 2
"""How many models of local folders are in memory at once."""

IDLE_SECONDS: Final = 600.0
_LOOK_SECONDS: Final = 15.0

logger = logging.getLogger(__name__)


class Fetch(Protocol):
    """Writes an object's bytes to a new file."""

    async def __call__(self, key: str, path: Path) -> None:
        """Raises NotFound."""


async def _no_key(tenant: str, reference: str) -> str:
    raise SecretMissing(f"{reference} of {tenant} cannot be opened here")


@dataclass(eq=False)
class _Kept:
    """An endpoint that is open, or being opened, and how many use it."""

    model: ServedModel
    opening: asyncio.Task[Endpoint]
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    users: int = 0
    used_at: float = 0.0

    @property
    def is_local(self) -> bool:
        return self.model.url is None


class WarmEndpoints:
    """Endpoints by model: opened when first asked for, closed when idle or in the way.

    `backend_key` tells a backend's key, `connection_key` what a reference of a tenant stands for.
    `fetch` brings the files of tuned models to `spool`.
    """

    def __init__(
        self,
        backend_key: Callable[[str], str],
        fetch: Fetch,
        spool: Path,
        *,
        idle_seconds: float = IDLE_SECONDS,
        local_max: int = LOCAL_MAX,
        connection_key: Callable[[str, str], Awaitable[str]] = _no_key,
    ) -> None:
        self._backend_key = backend_key
        self._connection_key = connection_key
        self._fetch = fetch
        self._spool = spool
        self._idle_seconds = idle_seconds
        self._local_max = local_max
        self._kept: dict[str, _Kept] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def endpoint(self, model: ServedModel) -> AsyncIterator[Endpoint]:
        """The model's endpoint; it stays open at least until the context ends.

        Raises RateLimited while every local model in memory is in use, and what opening raises.
        """
        kept = self._kept.get(model.name)
        if kept is not None and kept.model != model:
            # The settings, or the model's files, are others now.
            self._retire(kept)
            kept = None
        if kept is None:
            kept = self._begin(model)
        kept.users += 1
        try:
            # One who leaves while it opens must not stop it for the others.
            yield await asyncio.shield(kept.opening)
        finally:
            kept.users -= 1
            kept.used_at = _now()
            if self._kept.get(model.name) is not kept:
                self._close_unused(kept)

    async def run(self) -> None:
        """Close what has been idle, for ever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.close_idle()

    def close_idle(self) -> None:
        """Close what nobody has used for a while."""
        before = _now() - self._idle_seconds
        for kept in list(self._kept.values()):
            if kept.users == 0 and kept.used_at <= before:
                self._retire(kept)

    async def close(self) -> None:
        """Close everything, whoever uses it."""
        for kept in list(self._kept.values()):
            del self._kept[kept.model.name]
            self._close(kept)
        await asyncio.gather(*self._closing)

    def _begin(self, model: ServedModel) -> _Kept:
        self._make_room(is_local=model.url is None)
        stack = AsyncExitStack()
        opening = asyncio.create_task(self._open(model, stack))
        kept = _Kept(model=model, opening=opening, stack=stack, used_at=_now())
        self._kept[model.name] = kept
        opening.add_done_callback(lambda _: self._opened(kept))
        return kept

    async def _open(self, model: ServedModel, stack: AsyncExitStack) -> Endpoint:
        folder: Path | None = None
        if model.files:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self._spool)))
            for name, object_key in model.files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                await self._fetch(object_key, path)
        key = None
        if model.backend is not None and model.secret_ref is not None:
            key = self._backend_key(model.backend)
        elif model.tenant is not None and model.secret_ref is not None:
            key = await self._connection_key(model.tenant, model.secret_ref)
        return await stack.enter_async_context(open_endpoint(model, key, folder=folder))

    def _opened(self, kept: _Kept) -> None:
        """What could not be opened is not kept: the next request tries again."""
        if kept.opening.cancelled() or kept.opening.exception() is not None:
            self._retire(kept)

    def _make_room(self, *, is_local: bool) -> None:
        alike = [kept for kept in self._kept.values() if kept.is_local == is_local]
        if len(alike) < (self._local_max if is_local else ENDPOINTS_MAX):
            return
        idle = [kept for kept in alike if kept.users == 0]
        if not idle:
            raise RateLimited("every model that fits into memory is in use; try again later")
        self._retire(min(idle, key=lambda kept: kept.used_at))

    def _retire(self, kept: _Kept) -> None:
        """Give it to nobody any more, and close it when the last user is gone."""
        if self._kept.get(kept.model.name) is kept:
            del self._kept[kept.model.name]
        self._close_unused(kept)

    def _close_unused(self, kept: _Kept) -> None:
        if kept.users == 0:
            self._close(kept)

    def _close(self, kept: _Kept) -> None:
        task = asyncio.create_task(_close(kept))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _close(kept: _Kept) -> None:
    kept.opening.cancel()
    await asyncio.wait({kept.opening})
    try:
        await kept.stack.aclose()
    except Exception:
        logger.exception("the endpoint of model %s did not close", kept.model.name)


def _now() -> float:
    return asyncio.get_running_loop().time()
