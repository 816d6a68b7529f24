"""Starting guards with their children."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from outlast.executors import guard, linux
from outlast.executors.frames import Garbage
from outlast.executors.messages import Boot, BootFailed, Ready
from outlast.executors.sandbox import Lock, Locked, Mechanisms
from outlast.executors.users import User, UserRange
from outlast.executors.ward import Ends, Ward
from outlast.executors.workdirs import WorkFolder, remove
from outlast.operations.errors import Unavailable

_SANDBOX_PROCESSES_MAX: Final = 512
_IMPORT_SECONDS_MAX: Final = 120
_OUTPUT_BYTES_SHOWN: Final = 8_000
_PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "HOME", "TMPDIR")
_BOOTSTRAP: Final = """\
import sys
sys.path += [entry for entry in sys.argv[1:] if entry not in sys.path]
from outlast.executors.child import main
main()
"""


class Blueprint(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is made for before it is known which attempt it will run."""

    modules: tuple[str, ...]
    preload: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    sandboxed: bool = False
    memory_bytes: int | None = None


class BrokenModule(Exception):
    """A module that a child must have cannot be imported. `trace` is the end of its traceback."""

    def __init__(self, message: str, trace: str) -> None:
        super().__init__(message)
        self.message = message
        self.trace = trace


class Launcher:
    """Starts children in one work folder, whose parent sandboxed children cannot see into.

    `environment` is the worker's own; a child gets what its blueprint names, and where programs and
    its language are. `path` is where modules are looked for beside the installed ones.
    """

    def __init__(
        self,
        work: Path,
        *,
        environment: Mapping[str, str],
        path: Sequence[str] | None = None,
        users: range | None = None,
        mechanisms: Mechanisms | None = None,
        allow_unsandboxed: bool = False,
    ) -> None:
        self.work = WorkFolder(work)
        self._environment = environment
        entries = sys.path if path is None else path
        self._path = [str(Path(entry).absolute()) for entry in entries]
        self._mechanisms = mechanisms or Mechanisms()
        self._users = UserRange(users)
        self._allow_unsandboxed = allow_unsandboxed

    async def open(self) -> None:
        """Make the work folder, and clear it of what the dead left."""
        await asyncio.to_thread(self.work.open)

    async def close(self) -> None:
        """Give the work folder back. Its children must have ended."""
        self.work.close()

    async def launch(self, blueprint: Blueprint) -> Ward:
        """A child that is ready. Raises BrokenModule; Unavailable, where its lock does not hold."""
        user = self._users.take() if self._separate(blueprint) else None
        workdir = None
        try:
            workdir = self.work.make(None if user is None else user.number)
            ward = await self._start(blueprint, workdir, user)
        except BaseException as error:
            if user is not None:
                user.release()
            if workdir is not None:
                remove(workdir)
            if isinstance(error, OSError):
                raise Unavailable(f"no child can be started: {error}") from error
            raise
        try:
            ward.send(self._boot(blueprint, workdir, user))
            await self._make_sure(ward, blueprint)
        except BaseException:
            await ward.dispose()
            raise
        return ward

    def _separate(self, blueprint: Blueprint) -> bool:
        return blueprint.sandboxed and self._mechanisms.user and linux.may_change_user()

    def _boot(self, blueprint: Blueprint, workdir: Path, user: User | None) -> Boot:
        lock = None
        if blueprint.sandboxed and linux.SUPPORTED:
            lock = Lock(
                workdir=str(workdir),
                hidden=[str(self.work.path.parent.resolve())],
                user=None if user is None else user.number,
                mechanisms=self._mechanisms,
            )
        return Boot(modules=blueprint.modules, preload=blueprint.preload, lock=lock)

    async def _start(self, blueprint: Blueprint, workdir: Path, user: User | None) -> Ward:
        control, guard_control = socket.socketpair()
        data, child_data = socket.socketpair()
        output, child_output = os.pipe()
        ends = Ends(control, data, output)
        held = -1 if user is None else user.descriptor
        passed = [guard_control.fileno(), child_data.fileno(), child_output, held]
        limits = [blueprint.memory_bytes or 0, _SANDBOX_PROCESSES_MAX if user else 0]
        command = [
            *(sys.executable, "-I", "-S", "-E", _guard_file()),
            *map(str, (*passed, *limits)),
            *(sys.executable, "-I", "-c", _BOOTSTRAP, *self._path),
        ]
        try:
            descriptors = [number for number in passed if number >= 0]
            process = await _spawn(command, descriptors, self._child_environment(blueprint))
        except BaseException:
            control.close()
            data.close()
            os.close(output)
            raise
        finally:
            guard_control.close()
            child_data.close()
            os.close(child_output)
        return await Ward.connect(process, ends, workdir, user)

    def _child_environment(self, blueprint: Blueprint) -> dict[str, str]:
        passed_on = {name for name in _PASSED_ON if name in self._environment}
        if blueprint.sandboxed:
            passed_on -= {"HOME", "TMPDIR"}
        declared = {name for name in blueprint.environment if name in self._environment}
        return {name: self._environment[name] for name in sorted(passed_on | declared)}

    async def _make_sure(self, ward: Ward, blueprint: Blueprint) -> None:
        try:
            async with asyncio.timeout(_IMPORT_SECONDS_MAX):
                first = await ward.channel.receive()
        except Garbage as error:
            raise BrokenModule(f"the child is not itself: {error}", "") from error
        except TimeoutError as error:
            text = (
                f"{', '.join(blueprint.modules)} took more than {_IMPORT_SECONDS_MAX} s to import"
            )
            raise BrokenModule(text, "") from error
        match first:
            case Ready(pid=pid, locked=locked):
                ward.child_pid, ward.locked = pid, locked
            case BootFailed(message=message, trace=trace):
                raise BrokenModule(message, trace)
            case _:
                raise await _ended_early(ward, blueprint)
        holds = locked is not None and locked.holds
        if blueprint.sandboxed and not holds and not self._allow_unsandboxed:
            raise Unavailable(f"no sandbox holds on this machine: {explain(locked)}")


def explain(locked: Locked | None) -> str:
    """What is missing from a lock, in words."""
    if locked is None:
        return "it has neither Landlock, users, namespaces nor seccomp to lock a child with"
    missing = []
    if locked.files is None:
        missing.append("files: neither a user of its own (needs root) nor Landlock (Linux 5.13)")
    if locked.network is None:
        missing.append("network: neither a network namespace nor a seccomp filter")
    return "; ".join(missing + locked.refusals)


async def _ended_early(ward: Ward, blueprint: Blueprint) -> BrokenModule:
    ward.kill()
    end = await ward.ended()
    printed = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            printed = await ward.output.read(_OUTPUT_BYTES_SHOWN)
    modules = ", ".join(blueprint.modules)
    status = os.waitstatus_to_exitcode(end.status)
    message = f"the child ended while it was importing {modules} (exit status {status})"
    return BrokenModule(message, printed.decode(errors="replace"))


async def _spawn(
    command: list[str], descriptors: list[int], environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    def spawn() -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  the command is ours
            command, pass_fds=descriptors, env=environment, stdin=subprocess.DEVNULL
        )

    spawning = asyncio.ensure_future(asyncio.to_thread(spawn))
    try:
        return await asyncio.shield(spawning)
    except asyncio.CancelledError:
        # Its descriptors must not be closed, and their numbers given to others, before it is done.
        while not spawning.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(spawning)
        process = spawning.result()
        process.kill()
        process.wait()
        raise


def _guard_file() -> str:
    return str(Path(guard.__file__).absolute())
