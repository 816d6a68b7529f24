"""The demonstration's server: the real program, as a child process that never outlives us."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

START_SECONDS: Final = 30.0
_GRACE_SECONDS: Final = 20.0
_TAIL_LINES: Final = 30


class ServerDied(RuntimeError):
    """The server did not start, or did not stay."""


class Address(msgspec.Struct, frozen=True):
    """What a started server says of itself."""

    url: str
    token_file: Path


class DemoServer:
    """`outlast serve` on a free port of this machine, stopped on leaving the `with` block."""

    def __init__(self, data: Path, log: Path, extra: Sequence[str] = ()) -> None:
        self._arguments = ["serve", "--port", "0", "--data", str(data), "--json", *extra]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.address = Address("", data)

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own program
                program(*self._arguments),
                env=quiet_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                # A Ctrl-C is for us to hear; we tell the server.
                start_new_session=True,
            )
        try:
            self.address = msgspec.json.decode(
                self._first_line(), type=Address, dec_hook=lambda _, value: Path(value)
            )
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The server's process id, 0 when there is none."""
        return 0 if self._process is None else self._process.pid

    def stop(self) -> None:
        """End the server: SIGTERM, and SIGKILL if it takes too long."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        self._process = None

    def log_tail(self) -> str:
        """The last lines of what the server logged."""
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-_TAIL_LINES:])

    def _first_line(self) -> bytes:
        process = self._process
        if process is None or process.stdout is None:
            raise ServerDied("the server was not started")
        line = b""
        until = time.monotonic() + START_SECONDS
        while not line.endswith(b"\n"):
            left = until - time.monotonic()
            readable, _, _ = select.select([process.stdout], [], [], max(0.0, left))
            if not readable:
                raise ServerDied(f"the server did not answer within {START_SECONDS:g} s")
            piece = os.read(process.stdout.fileno(), 4096)
            if not piece:
                raise ServerDied(f"the server ended at once, with exit code {process.wait()}")
            line += piece
        return line


def program(*arguments: str) -> list[str]:
    """The command line of this very program."""
    return [sys.executable, "-m", "outlast", *arguments]


def quiet_environment(**more: str) -> Mapping[str, str]:
    """The environment without settings that were meant for another server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OUTLAST_")}
    return {**kept, **more}
