"""The composition root: the only file that names an adapter or lists the kinds.

Run as a module it is the server's worker process: its settings come as one line of JSON on standard
input, and the end of standard input means that the server is gone.
"""

import asyncio
import contextlib
import importlib
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

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
from outlast.http import build_http
from outlast.operations.errors import OutlastError, ResourceExists
from outlast.operations.kind import Catalog, Kind, Prepared
from outlast.processes import Listening, bind, configure_logging, keep_running, run
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
from outlast.worker.supervisor import Supervisor, show_life

BUILTIN_MODULES: Final = ("outlast.kinds.sql_query",)
_LOCK_WAIT_SECONDS: Final = 10.0
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
        listener = stack.enter_context(bind(settings))
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
        keep_running(stack, _chores(store, settings).run())
        keep_running(stack, _collect(store, objects, folder))
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

        await Listening(http, listener, hub, supervisor, settings).run(tell)


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
        keep_running(stack, _chores(store, settings).run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.drain)
        keep_running(stack, _drain_at_once(gone, worker))
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


async def _drain_at_once(gone: Callable[[], Awaitable[object]], worker: Worker) -> None:
    await gone()
    logger.error("the server is gone; giving every attempt back")
    worker.drain(wait_seconds=0)


async def _worker_main() -> None:
    show_life(int(sys.argv[1]))
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
