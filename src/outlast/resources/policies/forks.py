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
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal, NoReturn, TypeAlias

import msgspec

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
_CHUNK_BYTES: Final = 256 * 1024
_HEADER: Final = struct.Struct(">I")

Say: TypeAlias = Callable[[bytes], None]
Fate = Literal["ended", "timed_out", "out_of_memory", "died", "said_too_much"]


class Forked(msgspec.Struct, frozen=True, kw_only=True):
    """What a fork said, message by message, and what became of it."""

    said: list[bytes]
    fate: Fate


def fork(act: Callable[[Say], object], *, seconds: float, memory_bytes: int) -> Forked:
    """Have `act` done in a fork, which sees no environment; it may say things, in order.

    It ends after so many seconds at the latest, and has no more than so much memory of its own.
    """
    read, write = os.pipe()
    with warnings.catch_warnings():
        # The fork runs one thread, which takes no lock that another had: none but ours is in it.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        _become_fork(act, write, seconds, memory_bytes)
    os.close(write)
    try:
        received, fate = _receive(read, time.monotonic() + seconds)
    finally:
        os.close(read)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    said = _messages(received)
    if fate == "ended" and (not said or said.pop() != b""):
        fate = _fate(status)
    return Forked(said=said, fate=fate)


def _become_fork(
    act: Callable[[Say], object], write: int, seconds: float, memory_bytes: int
) -> NoReturn:
    try:
        # Nothing but its output and its pipe: the channel of this process is not its business.
        os.dup2(write, 3)
        os.closerange(4, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        os.environ.clear()
        _limit(resource.RLIMIT_CPU, int(seconds) + 1)
        _limit(resource.RLIMIT_AS, _address_space() + memory_bytes)

        def say(message: bytes) -> None:
            _write(_HEADER.pack(len(message)) + message)

        act(say)
        # An empty message says that nothing is missing.
        say(b"")
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    finally:
        os._exit(1)


_OUT_OF_MEMORY: Final = 12


def _limit(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (soft, soft))


def _address_space() -> int:
    with suppress(OSError), open("/proc/self/statm", "rb") as pages:  # noqa: PTH123  as the guard does
        return int(pages.read().split()[0]) * resource.getpagesize()
    return 0


def _write(content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(3, view) :]


def _receive(read: int, until: float) -> tuple[bytes, Fate]:
    received = bytearray()
    poller = select.poll()
    poller.register(read, select.POLLIN)
    while True:
        remaining = until - time.monotonic()
        if remaining <= 0:
            return bytes(received), "timed_out"
        if not poller.poll(remaining * 1000):
            continue
        chunk = os.read(read, _CHUNK_BYTES)
        if not chunk:
            return bytes(received), "ended"
        received += chunk
        if len(received) > ANSWER_BYTES_MAX:
            return bytes(received), "said_too_much"


def _messages(received: bytes) -> list[bytes]:
    """The whole messages of it."""
    messages, at = [], 0
    while at + _HEADER.size <= len(received):
        (size,) = _HEADER.unpack_from(received, at)
        if at + _HEADER.size + size > len(received):
            break
        messages.append(received[at + _HEADER.size : at + _HEADER.size + size])
        at += _HEADER.size + size
    return messages


def _fate(status: int) -> Fate:
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return "timed_out"
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _OUT_OF_MEMORY:
        return "out_of_memory"
    return "died"
