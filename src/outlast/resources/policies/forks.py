"""Runs a function in a fork of this process: what it takes, and what it breaks, is its own.

An engine cannot be stopped from within. So each policy is evaluated in a fork, which has the
document already, costs milliseconds, and can be killed.
"""

import os
import resource
import select
import signal
import struct
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, NoReturn, TypeAlias

import msgspec

from outlast.executors import linux

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
_CHUNK_BYTES: Final = 256 * 1024
_LOOK_MILLISECONDS: Final = 100
_HEADER: Final = struct.Struct(">I")

Say: TypeAlias = Callable[[bytes], None]
Fate = Literal["ended", "timed_out", "stopped", "out_of_memory", "died", "said_too_much"]


class Forked(msgspec.Struct, frozen=True, kw_only=True):
    """What a fork said, message by message, and what became of it."""

    said: list[bytes]
    fate: Fate


def fork(
    act: Callable[[Say], object],
    *,
    memory_bytes: int | None = None,
    seconds: float | None = None,
    heard: Callable[[bytes], object] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Forked:
    """Have `act` done in a fork, which sees no environment; it may say things, in order.

    It ends after so many seconds at the latest, and soon after it is `stopped`. It has no more than
    so much memory beside what this process has, else no more than this process may have. `heard`
    is told each thing as it is said.
    """
    address_bytes = None
    if memory_bytes is not None and linux.SUPPORTED:
        # A fork has the addresses of this process already, and may not ask how many they are.
        address_bytes = _address_space() + memory_bytes
    read, write = os.pipe()
    with warnings.catch_warnings():
        # The fork runs one thread, which takes no lock that another had: none but ours is in it.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        _become_fork(act, write, seconds, address_bytes)
    os.close(write)
    listener = _Listener(heard)
    try:
        fate = _listen(read, listener, seconds, stopped)
    finally:
        os.close(read)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    if fate == "ended" and not listener.is_complete:
        fate = _fate(status)
    return Forked(said=listener.said, fate=fate)


def _become_fork(
    act: Callable[[Say], object], write: int, seconds: float | None, address_bytes: int | None
) -> NoReturn:
    try:
        # Nothing but its output and its pipe: the channel of this process is not its business.
        os.dup2(write, 3)
        os.closerange(4, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        os.environ.clear()
        if linux.SUPPORTED:
            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        if seconds is not None:
            _limit(resource.RLIMIT_CPU, int(seconds) + 1)
        if address_bytes is not None:
            _limit(resource.RLIMIT_AS, address_bytes)

        def say(message: bytes) -> None:
            _write(_HEADER.pack(len(message)) + message)

        act(say)
        # An empty message says that nothing is missing.
        say(b"")
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    except BaseException:  # noqa: BLE001  the edge of a fork
        traceback.print_exc()
    finally:
        os._exit(1)


_OUT_OF_MEMORY: Final = 12


def _limit(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (soft, soft))


def _address_space() -> int:
    pages = Path("/proc/self/statm").read_bytes().split()
    return int(pages[0]) * resource.getpagesize()


def _write(content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(3, view) :]


class _Listener:
    """Makes messages of what is received."""

    def __init__(self, heard: Callable[[bytes], object]) -> None:
        self.said: list[bytes] = []
        self.is_complete = False
        self._heard = heard
        self._waiting = bytearray()

    def take(self, chunk: bytes) -> None:
        """Take up what was received."""
        self._waiting += chunk
        while len(self._waiting) >= _HEADER.size:
            (size,) = _HEADER.unpack_from(self._waiting)
            if len(self._waiting) < _HEADER.size + size:
                return
            message = bytes(self._waiting[_HEADER.size : _HEADER.size + size])
            del self._waiting[: _HEADER.size + size]
            self.is_complete = not message
            if message:
                self.said.append(message)
                self._heard(message)


def _listen(
    read: int, listener: _Listener, seconds: float | None, stopped: Callable[[], bool]
) -> Fate:
    until = None if seconds is None else time.monotonic() + seconds
    received = 0
    poller = select.poll()
    poller.register(read, select.POLLIN)
    while until is None or time.monotonic() < until:
        if stopped():
            return "stopped"
        if not poller.poll(_LOOK_MILLISECONDS):
            continue
        chunk = os.read(read, _CHUNK_BYTES)
        if not chunk:
            return "ended"
        received += len(chunk)
        if received > ANSWER_BYTES_MAX:
            return "said_too_much"
        listener.take(chunk)
    return "timed_out"


def _fate(status: int) -> Fate:
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return "timed_out"
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _OUT_OF_MEMORY:
        return "out_of_memory"
    return "died"
