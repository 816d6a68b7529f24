"""Whether the sandbox holds on this machine. It is tried, not guessed."""

import asyncio
import contextlib
import json
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from outlast.executors.calls import Sandbox
from outlast.executors.launching import Launcher
from outlast.executors.sandbox import Locked, Mechanisms
from outlast.operations.errors import OutlastError

_TIMEOUT_SECONDS: Final = 30.0


class SandboxReport(msgspec.Struct, frozen=True, kw_only=True):
    """What keeps sandboxed children from the files of others and off the network, if anything."""

    files: Literal["uid+landlock", "uid", "landlock"] | None
    network: Literal["namespace", "user namespace", "seccomp"] | None
    details: str = ""

    @property
    def holds(self) -> bool:
        """Whether both are kept, so that sandboxed kinds may run."""
        return self.files is not None and self.network is not None


def probe(
    environment: Mapping[str, str],
    *,
    users: range | None = None,
    mechanisms: Mechanisms | None = None,
) -> SandboxReport:
    """Start a sandboxed child that tries to get out. Not for a thread that has a running loop."""
    return asyncio.run(_probe(environment, users, mechanisms))


async def _probe(
    environment: Mapping[str, str], users: range | None, mechanisms: Mechanisms | None
) -> SandboxReport:
    with contextlib.ExitStack() as stack:
        secret = stack.enter_context(_secret())
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        local = stack.enter_context(socket.socket(socket.AF_UNIX))
        local.bind(str(secret.with_name("socket")))
        local.listen()
        secret.with_name("socket").chmod(0o777)
        plan = {
            "secret": str(secret),
            "port": listener.getsockname()[1],
            "socket": local.getsockname(),
            "pid": os.getpid(),
        }
        launcher = Launcher(
            secret.parent / "work",
            environment=environment,
            users=users,
            mechanisms=mechanisms,
            allow_unsandboxed=True,
        )
        await launcher.open()
        try:
            return await _try(launcher, plan)
        finally:
            await launcher.close()


@contextlib.contextmanager
def _secret() -> Iterator[Path]:
    """A file as the server's are, in a folder as its data folder is."""
    with tempfile.TemporaryDirectory(prefix="outlast-probe-") as folder:
        data = Path(folder)
        data.chmod(0o711)
        secret = data / "secret"
        secret.touch(mode=0o600)
        secret.write_bytes(b"not for children")
        yield secret


async def _try(launcher: Launcher, plan: Mapping[str, Any]) -> SandboxReport:
    arguments = json.dumps(plan).encode()
    sandbox = Sandbox(launcher)
    try:
        async with sandbox(
            f"{__name__}:escape", arguments, inputs={}, timeout_seconds=_TIMEOUT_SECONDS
        ) as result:
            answer, locked = result.answer, result.locked or Locked()
    except OutlastError as error:
        return SandboxReport(files=None, network=None, details=error.message)
    escapes = answer["escapes"]
    notes = [f"a child could {escape}" for escape in escapes.values()]
    if locked.landlock:
        notes.append(f"Landlock version {locked.landlock}")
    return SandboxReport(
        files=None if {"read", "write"} & escapes.keys() else locked.files,
        network=None if "connect" in escapes else locked.network,
        details="; ".join([*notes, *locked.refusals]),
    )


def escape(arguments: bytes, workdir: Path) -> dict[str, Any]:
    """What a child could do that it should not. Runs in the child."""
    plan = json.loads(arguments)
    escapes = {}
    with contextlib.suppress(OSError):
        Path(plan["secret"]).read_bytes()
        escapes["read"] = "read a file of the server's"
    with contextlib.suppress(OSError):
        (Path(plan["secret"]).parent / "made").touch()
        escapes["write"] = "write among the files of the server"
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", plan["port"]), timeout=2).close()
        escapes["connect"] = "connect to a port of this machine"
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as unix:
        unix.connect(plan["socket"])
        escapes["unix"] = "connect to the sockets of other programs (needs seccomp)"
    with contextlib.suppress(OSError):
        os.kill(plan["pid"], 0)
        escapes["signal"] = "send signals to the server (needs Linux 6.12, or root)"
    (workdir / "own").touch()
    return {"escapes": escapes}
