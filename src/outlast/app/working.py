"""The worker process: claims operations and runs their attempts."""

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

from outlast.app.foundation import Foundation, lay_foundation, open_store
from outlast.app.kinds import kinds_to_claim
from outlast.datafolder import DataFolder
from outlast.executors.inline import InlineExecutor
from outlast.executors.port import Executor
from outlast.executors.ray import Place, RayCluster, RayExecutor
from outlast.executors.subprocess import SubprocessExecutor, blueprints_of
from outlast.kinds.collect_datasets import collecting
from outlast.kinds.infrastructure.remains import remove_old
from outlast.processes import keep_running
from outlast.resources.databases.publishing import TAGS as DATABASE_TAGS
from outlast.resources.evaluations.publishing import TAG as MEASURES_TAG
from outlast.resources.evaluations.publishing import EvaluationPublisher
from outlast.resources.models import ModelPublisher
from outlast.resources.pipe_tables.publishing import TAGS as PIPE_TABLE_TAGS
from outlast.resources.playgrounds.publishing import TAG as ANSWER_TAG
from outlast.resources.playgrounds.publishing import AnswerPublisher
from outlast.resources.stacks.publishing import TAGS as STACK_TAGS
from outlast.resources.staging import OperationFiles, Stager
from outlast.resources.vector_databases.publishing import TAG as VECTOR_DATABASE_TAG
from outlast.settings import Settings, SettingsError
from outlast.worker import Equipment, Worker

_REMAINS_SECONDS: Final = 3600.0

logger = logging.getLogger(__name__)


async def run_worker(
    settings: Settings,
    gone: Callable[[], Awaitable[object]],
    started: Callable[[str], None] = lambda _: None,
) -> None:
    """Work until SIGTERM, or until `gone` returns (the server is no more).

    `started` is told the worker's name once it is about to claim.
    """
    async with AsyncExitStack() as stack:
        foundation = await lay_foundation(stack, settings)
        executors = _executors(foundation)
        for executor in executors.values():
            await executor.open()
            stack.push_async_callback(executor.close)
        name = name_worker()
        worker = Worker(
            _equipment(foundation, executors),
            lambda: open_store(settings),
            name=name,
            slots=settings.workers,
            kinds=kinds_to_claim(settings, foundation.installed),
        )
        keep_running(stack, foundation.chores().run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.drain)
        keep_running(stack, _drain_at_once(gone, worker))
        keep_running(stack, _remove_remains(foundation))
        started(name)
        await worker.run()


def name_worker() -> str:
    """A name that no other worker ever has: names of hosts and processes are used again."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


async def work(settings: Settings, started: Callable[[str], None]) -> None:
    """A worker without a server of its own, on a database that is shared. Raises SettingsError."""
    if settings.database is None:
        raise SettingsError(
            "a worker of its own needs a database that is shared; a server on SQLite has its own"
        )
    if not settings.workers:
        raise SettingsError("a worker needs at least one slot: workers must not be 0")
    DataFolder(settings.data).make()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, signal.raise_signal, signal.SIGTERM)
    await run_worker(settings, asyncio.Event().wait, started)


def _executors(foundation: Foundation) -> dict[str, Executor]:
    # This one runs in the worker itself, with what the worker alone has.
    own = {"collect_datasets": collecting(foundation.collect_datasets)}
    kinds = {**foundation.installed.kinds, **own}
    return {
        "inline": InlineExecutor(
            list(kinds.values()), foundation.folder.work, limits=foundation.settings.limits
        ),
        "subprocess": _in_children(foundation),
    }


def _in_children(foundation: Foundation) -> Executor:
    """Where attempts have a process of their own: beside this worker, or on nodes of a cluster."""
    installed, settings = foundation.installed, foundation.settings
    blueprints = blueprints_of(installed.kinds, installed.modules)
    if settings.executor == "ray":
        return RayExecutor(
            RayCluster(settings.ray_address, lambda: signal.raise_signal(signal.SIGTERM)),
            foundation.launcher.work,
            {
                name: Place(blueprint=blueprint, resources=installed.kinds[name].resources)
                for name, blueprint in blueprints.items()
            },
            environment=os.environ,
            path=sys.path,
            allow_unsandboxed=settings.allow_unsandboxed,
            limits=settings.limits,
        )
    return SubprocessExecutor(
        foundation.launcher, blueprints, warm=settings.warm_children, limits=settings.limits
    )


def _equipment(foundation: Foundation, executors: dict[str, Executor]) -> Equipment:
    return Equipment(
        store=foundation.store,
        kinds=foundation.installed.kinds,
        modules=foundation.installed.modules,
        executors=executors,
        preparer=foundation.preparers,
        partials=foundation.preparers,
        publishers={
            "dataset_version": foundation.publisher(),
            "file": foundation.file_publisher(),
            "model": ModelPublisher(foundation.objects),
            MEASURES_TAG: EvaluationPublisher(foundation.store.catalog),
            ANSWER_TAG: AnswerPublisher(foundation.store.catalog),
            VECTOR_DATABASE_TAG: foundation.vector_database_publisher(),
            **dict.fromkeys(DATABASE_TAGS, foundation.database_publisher()),
            **dict.fromkeys(PIPE_TABLE_TAGS, foundation.pipe_table_publisher()),
            **dict.fromkeys(STACK_TAGS, foundation.stack_publisher()),
        },
        stager=Stager(
            foundation.objects,
            foundation.folder.spool,
            foundation.parser(),
            export_bytes_max=foundation.settings.limits.upload_bytes,
        ),
        files=OperationFiles(foundation.objects),
        secrets=foundation.secrets,
        limits=foundation.settings.limits,
        recovery=foundation.settings.recovery,
        sharing=foundation.shares.current,
    )


async def _remove_remains(foundation: Foundation) -> None:
    """What killed deployments left on this machine goes after a day."""
    while True:
        try:
            await asyncio.to_thread(remove_old, foundation.folder.work)
        except OSError:
            logger.exception("what deployments left was not removed; the next round tries again")
        await asyncio.sleep(_REMAINS_SECONDS)


async def _drain_at_once(gone: Callable[[], Awaitable[object]], worker: Worker) -> None:
    await gone()
    logger.error("the server is gone; giving every attempt back")
    worker.drain(wait_seconds=0)
