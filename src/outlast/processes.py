"""What a process of ours needs, whatever it is for: its loop, its log, its tasks, its listener."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from typing import Any, Final

import uvicorn

from outlast.engine import Hub
from outlast.http import server_config
from outlast.settings import Settings, SettingsError
from outlast.worker.supervisor import Supervisor

_EXIT_SECONDS: Final = 5.0
_COLLECT_EVERY: Final = 50_000

logger = logging.getLogger(__name__)


def run(main: Callable[[], Any]) -> None:
    """Run a coroutine function on the fastest loop there is."""
    # What is imported by now stays, and an attempt leaves no cycles: to look through hundreds of
    # live attempts every 700 allocations found nothing and took a sixth of the time.
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY, 20, 20)
    try:
        import uvloop  # noqa: PLC0415  not on every platform
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())


def configure_logging(level: int = logging.INFO) -> None:
    """Log lines to standard error."""
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def keep_running(stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    """Run a task until the stack unwinds. That it ended before is an error worth a line."""
    task = asyncio.create_task(work)
    stack.push_async_callback(_cancelled, task)
    task.add_done_callback(_report_end)


def _report_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("a task of the server ended", exc_info=task.exception())


async def _cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def bind(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say. Raises SettingsError."""
    try:
        return socket.create_server((settings.host, settings.port), backlog=1024)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}"
        ) from error


def _url(listener: socket.socket, settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return settings.public_url or f"http://{host}:{listener.getsockname()[1]}"


class Listening:
    """One listener's life: from the first answer until SIGTERM or SIGINT, then the drain."""

    def __init__(
        self,
        http: Any,
        listener: socket.socket,
        hub: Hub,
        supervisor: Supervisor | None,
        settings: Settings,
    ) -> None:
        self._listener = listener
        self._hub = hub
        self._supervisor = supervisor
        self._settings = settings
        self._server = _Server(server_config(http, timeout_graceful_shutdown=5))

    async def run(self, started: Callable[[str], None]) -> None:
        """Serve; `started` is told the address once the server answers."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        tasks = [asyncio.create_task(self._server.serve(sockets=[self._listener]))]
        if self._supervisor is not None:
            tasks.append(asyncio.create_task(self._supervisor.run()))
        try:
            await self._server.is_listening.wait()
            started(_url(self._listener, self._settings))
            told = asyncio.create_task(stopping.wait())
            await asyncio.wait([told, *tasks], return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
        finally:
            await self._stop(tasks)
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        # Waits and streams end first, so that no connection holds up the rest.
        self._hub.close()
        self._server.should_exit = True
        if self._supervisor is not None:
            recovery = self._settings.recovery
            await self._supervisor.stop(
                recovery.drain_seconds + recovery.cancel_grace_seconds + _EXIT_SECONDS
            )
        await asyncio.gather(*tasks)


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever started it, and tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_listening.set()
