"""The host: a process on a node that runs one attempt as a worker does, for a worker elsewhere.

It ends with its pipe, and takes the attempt with it.
"""

import asyncio
import contextlib
import logging
import os
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from outlast.executors.guard import LEASE_SHARE
from outlast.executors.launching import Launcher
from outlast.executors.port import Failed, Finished, Outcome, Running, Stopped
from outlast.executors.ray.asking import Asker
from outlast.executors.ray.messages import (
    VERSION,
    Beat,
    Begin,
    Concluded,
    Go,
    Hello,
    Input,
    Output,
    Part,
    Renewed,
    Reply,
    Started,
    StopAsked,
    ToNode,
    Unframer,
)
from outlast.executors.ray.relay import CHUNK_BYTES
from outlast.executors.ray.transfers import Incoming, parts_of
from outlast.executors.subprocess import SubprocessExecutor
from outlast.executors.workdirs import opened, relative, remove
from outlast.operations import documents
from outlast.operations.errors import Invalid, OutlastError, Unavailable
from outlast.operations.failure import platform_failure

FOLDER_VARIABLE: Final = "OUTLAST_NODE_FOLDER"
"""Names the folder for the files of attempts on a node; else it is one beside other short-lived."""

ASSIGNED: Final = (
    *("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
    *("ASCEND_RT_VISIBLE_DEVICES", "HABANA_VISIBLE_MODULES", "NEURON_RT_VISIBLE_CORES"),
    *("ONEAPI_DEVICE_SELECTOR", "TPU_VISIBLE_CHIPS", "OMP_NUM_THREADS"),
)
"""The variables by which Ray tells which devices, and how many threads, an attempt may use."""

_BEATS_PER_LEASE: Final = 8
_BEAT_SECONDS_FIRST: Final = 1.0

logger = logging.getLogger(__name__)


def main(descriptor: int) -> None:
    """Serve one worker on this socket."""
    asyncio.run(_serve(socket.socket(fileno=descriptor)))


async def _serve(sock: socket.socket) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=sock, limit=CHUNK_BYTES)
    async with AsyncExitStack() as stack:
        stack.callback(writer.close)
        await Host(Asker(writer), stack).listen(reader)


class Host:
    """One attempt on this node. `stack` closes what it opens."""

    def __init__(self, asker: Asker, stack: AsyncExitStack) -> None:
        self._asker = asker
        self._stack = stack
        self._beat_seconds = _BEAT_SECONDS_FIRST
        self._inputs: dict[str, Path] = {}
        self._renewed_at = 0.0
        self._running: Running | None = None
        self._stop: StopAsked | None = None
        self._has_refused = False

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Do what the worker says, until it says no more."""
        self._asker.say(Hello(version=VERSION, node=socket.gethostname(), now=time.monotonic()))
        self._keep(self._beat())
        unframer = Unframer[ToNode](ToNode)
        try:
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(CHUNK_BYTES):
                    for message in unframer.feed(data):
                        if not self._has_refused:
                            await self._obey_if_possible(message)
        finally:
            self._asker.hang_up()

    async def _obey_if_possible(self, message: ToNode) -> None:
        try:
            await self._obey(message)
        except (OutlastError, OSError) as error:
            self._has_refused = True
            text = f"the Ray node {socket.gethostname()} cannot run it: {error}"
            failure = platform_failure(Unavailable.code, text)
            self._asker.say(Concluded(outcome=Failed(failure=failure)))

    async def _obey(self, message: ToNode) -> None:
        match message:
            case Begin():
                await self._begin(message)
            case Part():
                await self._asker.incoming.add(message)
            case Input(name=name):
                target = self._spool / f"input-{len(self._inputs)}"
                self._inputs[name] = await self._asker.incoming.take(target)
            case Go(renewed_at=renewed_at):
                self._renew(renewed_at)
                self._keep(self._attempt())
            case Renewed(renewed_at=renewed_at):
                self._renew(renewed_at)
            case StopAsked():
                self._stop = message
                if self._running is not None:
                    _stop(self._running, message)
            case Reply():
                self._asker.answer(message)

    async def _begin(self, begin: Begin) -> None:
        self._begun = begin
        self._beat_seconds = begin.assignment.lease_seconds / _BEATS_PER_LEASE
        assigned = {name: os.environ[name] for name in ASSIGNED if name in os.environ}
        blueprint = msgspec.structs.replace(
            begin.blueprint, environment=(*begin.blueprint.environment, *assigned)
        )
        launcher = Launcher(
            node_folder(os.environ) / "work",
            environment={**os.environ, **begin.environment, **assigned},
            path=begin.path,
            allow_unsandboxed=begin.allow_unsandboxed,
        )
        await launcher.open()
        self._stack.push_async_callback(launcher.close)
        self._spool = launcher.work.make(None)
        self._stack.callback(remove, self._spool)
        self._asker.incoming = Incoming(self._spool / "incoming")
        self._executor = SubprocessExecutor(
            launcher, {begin.assignment.kind: blueprint}, warm=0, limits=begin.limits
        )
        await self._executor.open()
        self._stack.push_async_callback(self._discard)
        self._stack.push_async_callback(self._executor.close)

    async def _attempt(self) -> None:
        try:
            outcome = await self._run()
        except OutlastError as error:
            outcome = Failed(failure=platform_failure(error.code, error.message))
        except Exception as error:
            logger.exception("attempt of %s", self._begun.assignment.operation_id)
            text = f"{type(error).__name__}: {error}"
            outcome = Failed(failure=platform_failure("worker_error", text))
        self._asker.say(Concluded(outcome=outcome))

    async def _run(self) -> Outcome:
        assignment = msgspec.structs.replace(self._begun.assignment, inputs=self._inputs)
        if time.monotonic() >= self._renewed_at + assignment.lease_seconds * LEASE_SHARE:
            # It was long on its way; another attempt may run already.
            return Stopped(reason="lease")
        running = await self._executor.start(assignment, self._asker)
        for staged in self._inputs.values():
            staged.unlink()
        self._running = running
        running.renewed(self._renewed_at)
        if self._stop is not None:
            _stop(running, self._stop)
        self._asker.say(Started())
        outcome = await running.wait()
        if isinstance(outcome, Finished):
            await self._send_outputs(outcome, running.workdir)
        return outcome

    async def _send_outputs(self, finished: Finished, workdir: Path) -> None:
        """Send the files that its writes name: whatever they mean, they name files of the workdir.

        Any text in them that is the name of a file there counts as one.
        """
        texts = dict.fromkeys(text for write in finished.writes for text in _texts(write))
        for text in texts:
            with contextlib.ExitStack() as stack:
                try:
                    descriptor = stack.enter_context(opened(workdir, str(relative(text))))
                except (Invalid, OSError):
                    continue
                await self._asker.send(parts_of(descriptor), Output(name=text))

    async def _discard(self) -> None:
        if self._running is not None:
            await self._running.discard()

    def _renew(self, renewed_at: float) -> None:
        # Never to come, whatever this machine's clock did meanwhile.
        self._renewed_at = min(renewed_at, time.monotonic())
        if self._running is not None:
            self._running.renewed(self._renewed_at)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._beat_seconds)
            self._asker.say(Beat(now=time.monotonic()))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._stack.push_async_callback(_end, task)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _stop(running: Running, asked: StopAsked) -> None:
    stop: Callable[..., None] = running.kill if asked.is_kill else running.cancel
    stop(asked.reason)


def _texts(write: bytes) -> list[str]:
    texts: list[str] = []
    waiting = [documents.decode(write)]
    while waiting:
        match waiting.pop():
            case str() as text:
                texts.append(text)
            case list() as items:
                waiting += items
            case dict() as fields:
                waiting += fields.values()
    return texts


def node_folder(environment: Mapping[str, str]) -> Path:
    """The folder for the files of attempts, made if it is missing. Raises Unavailable."""
    named = environment.get(FOLDER_VARIABLE)
    folder = Path(named or f"{tempfile.gettempdir()}/outlast-node-{os.getuid()}")
    folder.mkdir(mode=0o711, parents=named is not None, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise Unavailable(
            f"{folder} is not a folder of this user's alone; {FOLDER_VARIABLE} names another"
        )
    return folder
