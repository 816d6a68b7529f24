"""What a process of ours needs, whatever it is for: its loop, its log, its tasks, its listeners."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import Any, Final, NamedTuple

import uvicorn

from outlast.engine import Hub
from outlast.http import Address, server_config
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
    for name in ("httpx", "httpx2", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Of every malformed form, which its sender is told of.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)


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


class Listener(NamedTuple):
    """A socket that listens, and where that is."""

    address: Address
    socket: socket.socket

    @property
    def url(self) -> str:
        """The address with the port that it got."""
        return self.address.url(self.socket.getsockname()[1])


def bind(stack: ExitStack | AsyncExitStack, addresses: Sequence[Address]) -> list[Listener]:
    """A listener for each address, closed when the stack unwinds. Raises SettingsError."""
    listeners: list[Listener] = []
    for address in addresses:
        try:
            bound = socket.create_server(
                (address.host, address.port),
                family=socket.AF_INET6 if ":" in address.host else socket.AF_INET,
                backlog=1024,
            )
        except OSError as error:
            whose = "" if address.profile is None else f"profile {address.profile}: "
            raise SettingsError(
                f"{whose}cannot listen on {address.host}:{address.port}: {error.strerror or error}"
            ) from error
        listeners.append(Listener(address, stack.enter_context(bound)))
    return listeners


class Listening:
    """The life of all listeners: from the first answer until SIGTERM or SIGINT, then the drain."""

    def __init__(
        self,
        applications: Sequence[tuple[Any, socket.socket]],
        hub: Hub,
        supervisor: Supervisor | None,
        settings: Settings,
    ) -> None:
        self._hub = hub
        self._supervisor = supervisor
        self._settings = settings
        self._servers = [
            (_Server(server_config(application, timeout_graceful_shutdown=5)), listener)
            for application, listener in applications
        ]

    async def run(self, started: Callable[[], None]) -> None:
        """Serve; `started` is told once every server answers."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        tasks = [
            asyncio.create_task(server.serve(sockets=[listener]))
            for server, listener in self._servers
        ]
        if self._supervisor is not None:
            tasks.append(asyncio.create_task(self._supervisor.run()))
        try:
            for server, _ in self._servers:
                await server.is_listening.wait()
            started()
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
        for server, _ in self._servers:
            server.should_exit = True
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
