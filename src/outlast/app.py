"""The composition root: the only file that names an adapter or lists the kinds.

Run as a module it is the server's worker process: its settings come as one line of JSON on standard
input, and the end of standard input means that the server is gone.
"""

import asyncio
import contextlib
import gc
import importlib
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec
import uvicorn

from outlast.clock import system_clock
from outlast.datafolder import DataFolder
from outlast.engine import Engine, Hub, Principal, Role
from outlast.engine.access import DEFAULT_TENANT
from outlast.engine.chores import Chores
from outlast.engine.preparing import OwnPreparer
from outlast.engine.tokens import Tokens
from outlast.executors.calls import Sandbox
from outlast.executors.inline import InlineExecutor
from outlast.executors.launching import Launcher
from outlast.executors.port import Executor
from outlast.executors.preparing import PrepareChild
from outlast.executors.probing import SandboxReport, probe
from outlast.executors.subprocess import SubprocessExecutor
from outlast.http import build_http, server_config
from outlast.operations.errors import OutlastError, ResourceExists
from outlast.operations.kind import Catalog, Kind, Prepared
from outlast.resources.datasets import Datasets, Publisher
from outlast.resources.datasets.collecting import Collector
from outlast.resources.datasets.parser import Parser
from outlast.resources.objects import LocalObjects, ObjectStore
from outlast.resources.staging import OperationFiles, Stager
from outlast.settings import Settings, SettingsError, decode_settings, encode_settings
from outlast.store.port import Store
from outlast.store.sqlite import SqliteStore
from outlast.worker import Worker
from outlast.worker.attempt import Equipment
from outlast.worker.supervisor import Supervisor

BUILTIN_MODULES: Final = ("outlast.kinds.sql_query",)
_LOCK_WAIT_SECONDS: Final = 10.0
_COLLECT_EVERY: Final = 50_000
_EXIT_SECONDS: Final = 5.0
_COLLECT_SECONDS: Final = 3600.0
_ROOT: Final = Principal(tenant=DEFAULT_TENANT, member="root", role=Role.ROOT)

logger = logging.getLogger(__name__)


class Installed(msgspec.Struct, frozen=True):
    """The kinds of this installation by name, and the module that each comes from."""

    kinds: Mapping[str, Kind]
    modules: Mapping[str, str]


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What a server tells once it answers. `token_file` holds the admin token."""

    url: str
    data: Path
    token_file: Path
    token_is_new: bool


def install_kinds(settings: Settings) -> Installed:
    """The built-in kinds and those of `--kinds`. Raises SettingsError."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    kinds: dict[str, Kind] = {}
    modules: dict[str, str] = {}
    for name in (*BUILTIN_MODULES, *settings.kinds):
        try:
            found = importlib.import_module(name).kinds
        except (ImportError, AttributeError) as error:
            raise SettingsError(
                f"--kinds {name}: {error}; it must be a module with a list named `kinds`"
            ) from error
        for kind in found:
            if kind.name in kinds:
                raise SettingsError(f"--kinds {name}: there is a kind {kind.name!r} already")
            kinds[kind.name], modules[kind.name] = kind, name
    return Installed(kinds, modules)


def open_store(settings: Settings) -> Store:
    """The store of these settings, not yet opened. Makes the data folder."""
    folder = DataFolder(settings.data)
    folder.make()
    return SqliteStore(folder.database, clock=system_clock)


def sandbox_report() -> SandboxReport:
    """Which sandbox holds on this machine. It is tried, not guessed."""
    return probe(os.environ)


def root_principal() -> Principal:
    """Whoever has access to the data folder: allowed everything."""
    return _ROOT


class _Preparers:
    """Our own kinds prepare in this process, those of `--kinds` in a child that can be killed."""

    def __init__(self, installed: Installed, launcher: Launcher) -> None:
        self._installed = installed
        self._own = OwnPreparer()
        others = {
            name: installed.modules[name]
            for name, kind in installed.kinds.items()
            if kind.prepare is not None and installed.modules[name] not in BUILTIN_MODULES
        }
        variables = {one for name in others for one in installed.kinds[name].environment}
        self._children = (
            PrepareChild(launcher, sorted(set(others.values())), environment=sorted(variables))
            if others
            else None
        )

    async def prepare(self, kind: Kind, spec: bytes, catalog: Catalog) -> Prepared:
        if (
            self._children is None
            or kind.prepare is None
            or self._installed.modules[kind.name] in BUILTIN_MODULES
        ):
            return await self._own.prepare(kind, spec, catalog)
        return await self._children.prepare(kind.name, spec, catalog)

    async def open(self) -> None:
        if self._children is not None:
            await self._children.open()

    async def close(self) -> None:
        if self._children is not None:
            await self._children.close()


async def serve(
    settings: Settings,
    *,
    admin_token: str | None = None,
    started: Callable[[Started], None] = lambda _: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises SettingsError and DataFolderInUse."""
    installed = install_kinds(settings)
    folder = DataFolder(settings.data)
    folder.make()
    async with AsyncExitStack() as stack:
        lock = await asyncio.to_thread(folder.lock, _LOCK_WAIT_SECONDS)
        stack.callback(os.close, lock)
        listener = stack.enter_context(_bind(settings))
        store = open_store(settings)
        await store.open()
        stack.push_async_callback(store.close)
        token_is_new = await _first_admin(store, folder, admin_token)
        hub = Hub(store.operations, settings.limits.watchers)
        hub.open()
        stack.callback(hub.close)
        launcher = await _launcher(stack, folder, settings)
        preparers = _Preparers(installed, launcher)
        await preparers.open()
        stack.push_async_callback(preparers.close)
        objects = LocalObjects(folder.objects)
        http = build_http(
            Engine(
                store,
                installed.kinds,
                hub=hub,
                limits=settings.limits,
                retention=settings.retention,
                preparer=preparers,
            ),
            Tokens(store),
            _datasets(store, objects, folder, settings, Sandbox(launcher)),
            settings,
            ready=_readiness(store),
            version=version("outlast"),
        )
        _keep_running(stack, _chores(store, settings).run())
        _keep_running(stack, _collect(store, objects, folder))
        supervisor = None
        if settings.workers:
            message = encode_settings(_for_worker(settings))
            supervisor = Supervisor("outlast.app", message, [lock])

        def tell(url: str) -> None:
            started(
                Started(
                    url=url,
                    data=folder.root,
                    token_file=folder.admin_token,
                    token_is_new=token_is_new,
                )
            )

        await _Listening(http, listener, hub, supervisor, settings).run(tell)


class _Listening:
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


async def run_worker(settings: Settings, gone: Callable[[], Awaitable[object]]) -> None:
    """The worker process: work until SIGTERM, or until `gone` returns (the server is no more)."""
    installed = install_kinds(settings)
    folder = DataFolder(settings.data)
    async with AsyncExitStack() as stack:
        store = open_store(settings)
        await store.open()
        stack.push_async_callback(store.close)
        launcher = await _launcher(stack, folder, settings)
        preparers = _Preparers(installed, launcher)
        await preparers.open()
        stack.push_async_callback(preparers.close)
        executors: dict[str, Executor] = {
            "inline": InlineExecutor(
                list(installed.kinds.values()), folder.work, limits=settings.limits
            ),
            "subprocess": SubprocessExecutor(
                launcher,
                installed.kinds,
                installed.modules,
                warm=settings.warm_children,
                limits=settings.limits,
            ),
        }
        for executor in executors.values():
            await executor.open()
            stack.push_async_callback(executor.close)
        objects = LocalObjects(folder.objects)
        equipment = Equipment(
            store=store,
            kinds=installed.kinds,
            modules=installed.modules,
            executors=executors,
            preparer=preparers,
            publishers={"dataset_version": _publisher(store, objects, folder, settings)},
            stager=Stager(objects, folder.spool),
            files=OperationFiles(objects),
            limits=settings.limits,
            recovery=settings.recovery,
        )
        worker = Worker(
            equipment,
            lambda: open_store(settings),
            name=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
            slots=settings.workers,
        )
        _keep_running(stack, _chores(store, settings).run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.drain)
        _keep_running(stack, _drain_at_once(gone, worker))
        await worker.run()


async def _launcher(stack: AsyncExitStack, folder: DataFolder, settings: Settings) -> Launcher:
    launcher = Launcher(
        folder.work, environment=os.environ, allow_unsandboxed=settings.allow_unsandboxed
    )
    await launcher.open()
    stack.push_async_callback(launcher.close)
    return launcher


def _publisher(
    store: Store, objects: ObjectStore, folder: DataFolder, settings: Settings
) -> Publisher:
    return Publisher(
        store.catalog,
        objects,
        now=store.operations.now,
        spool=folder.spool,
        temporary_days=settings.retention.temporary_datasets_days,
    )


def _datasets(
    store: Store, objects: ObjectStore, folder: DataFolder, settings: Settings, sandbox: Sandbox
) -> Datasets:
    parser = Parser(
        sandbox,
        objects,
        spool=folder.spool,
        upload_bytes_max=settings.limits.upload_bytes,
    )
    return Datasets(store, _publisher(store, objects, folder, settings), parser)


def _chores(store: Store, settings: Settings) -> Chores:
    return Chores(store.operations, settings.recovery.reap_seconds, settings.retention)


async def _collect(store: Store, objects: ObjectStore, folder: DataFolder) -> None:
    """Collect garbage once an hour, for ever."""
    now = store.operations.now
    collector = Collector(store.catalog, objects, now=now, spool=folder.spool)
    while True:
        await asyncio.sleep(_COLLECT_SECONDS)
        try:
            collected = await collector.collect()
            swept = await OperationFiles(objects).sweep(store.operations, now)
        except (OutlastError, OSError):
            logger.exception("garbage was not collected; the next round tries again")
        else:
            logger.info("collected %s, and %d files of operations", collected, swept)


def _bind(settings: Settings) -> socket.socket:
    try:
        return socket.create_server((settings.host, settings.port), backlog=1024)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}"
        ) from error


def _url(listener: socket.socket, settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return settings.public_url or f"http://{host}:{listener.getsockname()[1]}"


def _for_worker(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, data=settings.data.absolute())


async def _first_admin(store: Store, folder: DataFolder, text: str | None) -> bool:
    """See that there is a default tenant and a first admin token; whether one was made."""
    tokens = Tokens(store)
    with contextlib.suppress(ResourceExists):
        await tokens.create_tenant(_ROOT, DEFAULT_TENANT)
    if text is not None:
        await tokens.adopt(text, DEFAULT_TENANT, "admin", Role.ADMIN)
        folder.write_secret(folder.admin_token, text)
        return False
    if folder.admin_token.exists():
        return False
    _, made = await tokens.create(_ROOT, Role.ADMIN, member="admin")
    folder.write_secret(folder.admin_token, made)
    return True


def _readiness(store: Store) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        await store.catalog.read(DEFAULT_TENANT, "readiness", "none")

    return check


def _keep_running(stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
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


async def _drain_at_once(gone: Callable[[], Awaitable[object]], worker: Worker) -> None:
    await gone()
    logger.error("the server is gone; giving every attempt back")
    worker.drain(wait_seconds=0)


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


async def _worker_main() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    line = await reader.readline()
    if line:
        await run_worker(decode_settings(line), reader.read)


if __name__ == "__main__":
    configure_logging()
    run(_worker_main)
