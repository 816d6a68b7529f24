"""Notices: who is told of a commit, in this process and in its neighbours on the same file.

Each process binds a datagram socket in a folder beside the database and sends a few bytes to the
other sockets found there. Nothing is waited for: what cannot be sent is dropped, since everyone
also looks once a second.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from outlast.store.port import Changed
from outlast.store.sqlite.transaction import Transaction
from outlast.store.sqlite.writer import Call

Notice: TypeAlias = Callable[[Changed], None]

IDS_MAX: Final = 200
"""A notice of more operations than this names none of them."""
_DATAGRAM_BYTES_MAX: Final = 16 * 2**10
_ADDRESS_BYTES_MAX: Final = 100
_SUFFIX: Final = ".sock"
_ANYTHING: Final = Changed(None, claimable=True)
_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Changed).decode


class Notices:
    """The subscribers of this process, and the outlet of its writer."""

    def __init__(self, neighbours: "Neighbours") -> None:
        self._neighbours = neighbours
        self._lock = threading.Lock()
        self._subscribers: Mapping[object, tuple[asyncio.AbstractEventLoop, Notice]] = {}

    def subscribe(self, notice: Notice) -> Callable[[], None]:
        """Call `notice` on the running loop after each commit, until the answer is called."""
        key = object()
        with self._lock:
            self._subscribers = {
                **self._subscribers,
                key: (asyncio.get_running_loop(), notice),
            }

        def unsubscribe() -> None:
            with self._lock:
                self._subscribers = {
                    each: subscriber
                    for each, subscriber in self._subscribers.items()
                    if each is not key
                }

        return unsubscribe

    def committed(self, calls: Sequence[Call], transaction: Transaction) -> None:
        """Answer the calls; tell subscribers and neighbours what changed."""
        ids = frozenset(transaction.changed)
        changed = Changed(ids if len(ids) <= IDS_MAX else None, transaction.claimable)
        if ids or transaction.claimable:
            self._deliver(calls, changed)
            self._neighbours.send(changed)
        else:
            self._deliver(calls, None)

    def refused(self, calls: Sequence[Call]) -> None:
        """Answer the calls."""
        self._deliver(calls, None)

    def overheard(self, changed: Changed = _ANYTHING) -> None:
        """Tell subscribers what another process changed."""
        self._deliver((), changed)

    def _deliver(self, calls: Sequence[Call], changed: Changed | None) -> None:
        # One wake-up for each loop: it costs a system call.
        by_loop: dict[asyncio.AbstractEventLoop, tuple[list[Call], list[Notice]]] = {}
        for call in calls:
            by_loop.setdefault(call.loop, ([], []))[0].append(call)
        if changed is not None:
            for loop, notice in self._subscribers.values():
                by_loop.setdefault(loop, ([], []))[1].append(notice)
        for loop, (answers, notices) in by_loop.items():
            # A loop that has been closed has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_hand_over, answers, notices, changed)


def _hand_over(calls: Iterable[Call], notices: Iterable[Notice], changed: Changed | None) -> None:
    for call in calls:
        call.answer()
    if changed is None:
        return
    for notice in notices:
        try:
            notice(changed)
        except Exception:  # noqa: BLE001  an edge: the other subscribers are still told
            _log.exception("a subscriber failed")


class Neighbours:
    """The other processes on the same database file, as sockets in a folder."""

    def __init__(self, folder: Path, database: str) -> None:
        self._folder = folder
        self._prefix = f"{database}-"
        self._name = f"{self._prefix}{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        self._socket: socket.socket | None = None
        self._folder_fd = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._known: Sequence[str] = ()
        self._known_at = -1

    def open(self, heard: Callable[[Changed], None]) -> None:
        """Bind this process's socket, and call `heard` on the running loop for what comes."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder_fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.settimeout(0)
        try:
            listener.bind(self._address(self._name))
        except OSError:
            # Without a socket the look once a second is all that others are heard by.
            listener.close()
            return
        self._socket = listener
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(listener.fileno(), self._receive, listener, heard)

    def close(self) -> None:
        """Let go of the socket and its name."""
        if self._socket is not None and self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
            self._forget(self._name)
        if self._folder_fd >= 0:
            os.close(self._folder_fd)
            self._folder_fd = -1

    def send(self, changed: Changed) -> None:
        """Tell the neighbours, as far as that goes without waiting."""
        if self._socket is None:
            return
        datagram = None
        # What cannot be sent, or not even looked for, is made up for by the look once a second.
        with contextlib.suppress(OSError):
            for name in self._others():
                datagram = datagram or _encode(changed)
                self._send(datagram, name)

    def _send(self, datagram: bytes, name: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(datagram, self._address(name))
        except (ConnectionRefusedError, FileNotFoundError):
            self._forget(name)
        except OSError:
            return

    def _receive(self, listener: socket.socket, heard: Callable[[Changed], None]) -> None:
        ids: set[str] = set()
        claimable = False
        is_any = False
        for _ in range(100):
            try:
                changed = _decode(listener.recv(_DATAGRAM_BYTES_MAX))
            except msgspec.DecodeError:
                changed = _ANYTHING
            except OSError:
                break
            claimable |= changed.claimable
            if changed.ids is None:
                is_any = True
            else:
                ids |= changed.ids
        if ids or is_any or claimable:
            heard(Changed(None if is_any else frozenset(ids), claimable))

    def _others(self) -> Sequence[str]:
        changed_at = os.fstat(self._folder_fd).st_mtime_ns
        if changed_at != self._known_at:
            self._known_at = changed_at
            self._known = [
                name
                for name in os.listdir(self._folder_fd)  # noqa: PTH208  Path cannot list an open folder
                if name.startswith(self._prefix) and name.endswith(_SUFFIX) and name != self._name
            ]
        return self._known

    def _forget(self, name: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self._folder_fd)

    def _address(self, name: str) -> str:
        path = str(self._folder / name)
        if len(os.fsencode(path)) > _ADDRESS_BYTES_MAX and sys.platform == "linux":
            # The address of a socket has room for about a hundred bytes.
            return f"/proc/self/fd/{self._folder_fd}/{name}"
        return path
