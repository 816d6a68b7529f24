"""What the server and its worker process have in common, built once from the settings."""

import asyncio
import logging
import os
from contextlib import AsyncExitStack
from typing import Final

import msgspec

from outlast.app.infrastructure import find_program
from outlast.app.kinds import Installed, Preparers, install_kinds
from outlast.app.objects import check_folders, open_objects
from outlast.clock import system_clock
from outlast.datafolder import DataFolder
from outlast.engine import Engine
from outlast.engine.chores import Chores
from outlast.engine.sharing import Shares
from outlast.executors import ray
from outlast.executors.calls import Sandbox
from outlast.executors.launching import Launcher
from outlast.operations.errors import OutlastError
from outlast.outbound import gate_of
from outlast.processes import keep_running
from outlast.resources.chat_log import Keeper
from outlast.resources.configured import ConfiguredStore
from outlast.resources.databases import DatabaseCollector, DatabasePublisher
from outlast.resources.databases.clearing import DatabaseClearer
from outlast.resources.databases.library import Databases
from outlast.resources.datasets import Datasets, Publisher, Uploads
from outlast.resources.datasets.collecting import Collector
from outlast.resources.datasets.parser import Parser
from outlast.resources.dismissals import DISMISSAL
from outlast.resources.evidence import EvidenceCollector, Evidences
from outlast.resources.evidence.keys import check_keys
from outlast.resources.files import FileCollector, FilePublisher, Files
from outlast.resources.keyring import KEY_VARIABLE, Keyring, make_key, read_keys
from outlast.resources.models import ModelCollector, Models
from outlast.resources.objects import ObjectStore
from outlast.resources.orphans import collect_orphans
from outlast.resources.pipe_tables.publishing import PipeTablePublisher, PipeTablesOfDatabases
from outlast.resources.policies.collecting import ReportCollector
from outlast.resources.resealing import reseal
from outlast.resources.secrets import Secrets
from outlast.resources.services import Services
from outlast.resources.stacks import ModuleCollector, StackPublisher, StateCollector
from outlast.resources.stacks.model import DEPLOYMENT
from outlast.resources.stacks.packing import pack_modules
from outlast.resources.staging import OperationFiles
from outlast.resources.vector_databases import VectorDatabaseCollector, VectorDatabasePublisher
from outlast.settings import Settings, SettingsError
from outlast.store.port import Store
from outlast.store.postgres import PostgresStore
from outlast.store.sqlite import SqliteStore

_FIRST_COLLECT_SECONDS: Final = 60.0
_COLLECT_SECONDS: Final = 3600.0
_BODY_READERS: Final = ("outlast.dialects.nebius.datasets",)
"""What knows the bodies that bring rows: a locked child has it before it is locked."""

logger = logging.getLogger(__name__)


class Foundation(msgspec.Struct, frozen=True, kw_only=True):
    """The open parts that everything else is made of."""

    settings: Settings
    installed: Installed
    folder: DataFolder
    store: Store
    objects: ObjectStore
    launcher: Launcher
    preparers: Preparers
    keyring: Keyring
    secrets: Secrets
    shares: Shares

    def publisher(self) -> Publisher:
        """What publishes dataset versions."""
        return Publisher(
            self.store.catalog,
            self.objects,
            now=self.store.operations.now,
            spool=self.folder.spool,
            temporary_days=self.settings.retention.temporary_datasets_days,
        )

    def parser(self, sandbox: Sandbox | None = None) -> Parser:
        """What reads untrusted tables, in locked children."""
        return Parser(
            sandbox or Sandbox(self.launcher),
            self.objects,
            readers=_BODY_READERS,
            spool=self.folder.spool,
            upload_bytes_max=self.settings.limits.upload_bytes,
        )

    def warm_sandbox(self, stack: AsyncExitStack) -> Sandbox:
        """Where locked children wait for calls; `stack` ends them."""
        sandbox = Sandbox(self.launcher, warm=self.settings.warm_children)
        stack.push_async_callback(sandbox.close)
        return sandbox

    def datasets(self, sandbox: Sandbox) -> Datasets:
        """The datasets of all tenants."""
        return Datasets(self.store, self.publisher(), self.parser(sandbox))

    def uploads(self, datasets: Datasets) -> Uploads:
        """The uploads of datasets in parts."""
        return Uploads(
            self.store,
            self.objects,
            datasets,
            spool=self.folder.spool,
            upload_bytes_max=self.settings.limits.upload_bytes,
        )

    def files(self) -> Files:
        """The files of all tenants."""
        return Files(
            self.store,
            self.objects,
            spool=self.folder.spool,
            upload_bytes_max=self.settings.limits.upload_bytes,
        )

    def evidences(self, sandbox: Sandbox) -> Evidences:
        """The evidence of all tenants."""
        return Evidences(
            self.store,
            self.objects,
            sandbox,
            spool=self.folder.spool,
            bytes_max=self.settings.limits.evidence_bytes,
        )

    def file_publisher(self) -> FilePublisher:
        """What publishes files."""
        return FilePublisher(self.store.catalog, self.objects, spool=self.folder.spool)

    def databases(self) -> Databases:
        """What callers do with databases."""
        return Databases(self.store, self.objects, self.keyring)

    def database_publisher(self) -> DatabasePublisher:
        """What publishes changes of databases."""
        return DatabasePublisher(
            self.store.catalog,
            self.objects,
            self.keyring,
            spool=self.folder.spool,
            bytes_max=self.settings.limits.database_bytes,
            dependents=(PipeTablesOfDatabases(self.store.catalog),),
        )

    def vector_database_publisher(self) -> VectorDatabasePublisher:
        """What publishes vector databases."""
        return VectorDatabasePublisher(self.store.catalog, self.objects, spool=self.folder.spool)

    def pipe_table_publisher(self) -> PipeTablePublisher:
        """What publishes changes of pipe tables."""
        return PipeTablePublisher(self.store.catalog, now=self.store.operations.now)

    def stack_publisher(self) -> StackPublisher:
        """What publishes changes of stacks."""
        return StackPublisher(self.store.catalog)

    def services(self) -> Services:
        """The services of this installation."""
        return Services(self.store.catalog, self.installed.kinds, self.preparers)

    async def collect_datasets(self, tenant: str) -> tuple[int, int]:
        """Collect what a tenant's datasets do not need: how many datasets and objects went."""
        now = self.store.operations.now
        collector = Collector(self.store.catalog, self.objects, now=now, spool=self.folder.spool)
        return await collector.expire(tenant), await collector.sweep(tenant)

    def models(self) -> Models:
        """The tuned models of all tenants."""
        return Models(self.store.catalog, self.objects)

    def chat_keeper(self) -> Keeper:
        """What keeps the chat log small, and no longer than allowed."""
        return Keeper(
            self.store.catalog,
            self.objects,
            now=self.store.operations.now,
            spool=self.folder.spool,
            kept_days=self.settings.retention.chat_log_days,
        )

    def chores(self) -> Chores:
        """What any process does beside its work."""
        return Chores(self.store.operations, self.settings.recovery, self.settings.retention)

    async def collect(self, engine: Engine) -> None:
        """Collect garbage soon after the start, then once an hour, for ever."""
        now = self.store.operations.now
        collector = Collector(self.store.catalog, self.objects, now=now, spool=self.folder.spool)
        files = FileCollector(self.store.catalog, self.objects, now=now)
        models = ModelCollector(self.store.catalog, self.objects, now=now)
        databases = DatabaseCollector(self.store.catalog, self.objects, now=now)
        vectors = VectorDatabaseCollector(self.store.catalog, self.objects, now=now)
        states = StateCollector(self.store.catalog, self.objects, now=now)
        modules = ModuleCollector(self.store.catalog, self.objects, now=now)
        evidence = EvidenceCollector(self.store.catalog, self.objects, now=now)
        kept_days = self.settings.retention.operations_days
        reports = ReportCollector(self.store.catalog, self.objects, now=now, kept_days=kept_days)
        pause = _FIRST_COLLECT_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = _COLLECT_SECONDS
            try:
                collected = await collector.collect()
                of_files = await files.collect()
                of_models = await models.collect()
                of_databases = await databases.collect() + await vectors.collect()
                await DatabaseClearer(engine).clear()
                swept = await OperationFiles(self.objects).sweep(self.store.operations, now)
                secrets = await self.secrets.collect(self.store.operations)
                operations = self.store.operations
                for owned in (DEPLOYMENT, DISMISSAL):
                    await collect_orphans(self.store.catalog, operations, owned)
                await reseal(self.store.catalog, self.keyring)
                of_stacks = await states.collect() + await modules.collect()
                of_evidence = await evidence.collect() + await reports.collect()
                of_chats = await self.chat_keeper().keep()
            except (OutlastError, OSError):
                logger.exception("garbage was not collected; the next round tries again")
            else:
                logger.info(
                    "collected %s, %d files, %d of models, %d of databases, %d of stacks,"
                    " %d of operations, %d secrets, %d of evidence, %d segments of the chat log",
                    *(collected, of_files, of_models, of_databases, of_stacks),
                    *(swept, secrets, of_evidence, of_chats),
                )


def check_sharing(settings: Settings) -> None:
    """Refuse what would split one database over several data folders. Raises SettingsError."""
    if settings.database is None or settings.data_is_shared:
        return
    where = "say data_is_shared, if every process on this database sees this data folder"
    if settings.objects is None:
        raise SettingsError(
            f"a shared database needs a shared object store: set `objects`, or {where}"
        )
    if KEY_VARIABLE not in os.environ:
        raise SettingsError(f"a shared database needs a shared {KEY_VARIABLE}, or {where}")


def open_store(settings: Settings) -> Store:
    """The store of these settings, not yet opened. Makes the data folder."""
    folder = DataFolder(settings.data)
    folder.make()
    if settings.database is not None:
        return PostgresStore(settings.database, is_pooled=settings.database_is_pooled)
    return SqliteStore(folder.database, clock=system_clock)


async def lay_foundation(
    stack: AsyncExitStack, settings: Settings, *, has_modules: bool = False
) -> Foundation:
    """Open the parts; `stack` closes them. Raises SettingsError, Unavailable.

    `has_modules`: modules of the settings are packed and shown, as who creates operations wants it.
    """
    settings = find_program(settings, os.environ)
    check_sharing(settings)
    if settings.executor == "ray" and settings.workers:
        ray.check_installed()
    installed = install_kinds(settings)
    folder = DataFolder(settings.data)
    objects = open_objects(settings, folder, os.environ)
    check_folders(settings)
    gate_of(settings)  # what is wrong with its rules is told now
    check_keys(settings.evidence.keys)
    store = open_store(settings)
    keyring = open_keyring(folder)
    await store.open()
    stack.push_async_callback(store.close)
    launcher = Launcher(
        folder.work, environment=os.environ, allow_unsandboxed=settings.allow_unsandboxed
    )
    await launcher.open()
    stack.push_async_callback(launcher.close)
    preparers = Preparers(installed, launcher)
    await preparers.open()
    stack.push_async_callback(preparers.close)
    shares = Shares(store.catalog, settings.sharing)
    await shares.learn()
    keep_running(stack, shares.keep_learning())
    modules = settings.modules if has_modules else {}
    packed = await pack_modules(modules, objects, Sandbox(launcher), folder.spool)
    return Foundation(
        settings=settings,
        installed=installed,
        folder=folder,
        store=ConfiguredStore(store, settings, installed.services, packed),
        objects=objects,
        launcher=launcher,
        preparers=preparers,
        keyring=keyring,
        secrets=Secrets(
            store.catalog,
            keyring,
            backends=settings.backends,
            databases=settings.databases,
            modules=settings.modules,
            object_stores=settings.object_stores,
            environment=os.environ,
            now=store.operations.now,
        ),
        shares=shares,
    )


def open_keyring(folder: DataFolder) -> Keyring:
    """The keys that seal secrets; one is made if there is none. Raises SettingsError."""
    text = os.environ.get(KEY_VARIABLE)
    if text is not None:
        return read_keys(text, KEY_VARIABLE)
    file = folder.secret_key
    return read_keys(folder.keep_secret(file, make_key), str(file))
