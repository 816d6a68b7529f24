"""The Context of a handler in a child: everything goes over the channel to the worker."""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from pathlib import Path
from typing import Final

from outlast.executors.context import HandlerContext
from outlast.executors.frames import ChildEnd
from outlast.executors.messages import (
    Assigned,
    CancelSeen,
    GetFile,
    Happened,
    ListFiles,
    Logged,
    PutFile,
    Reported,
    SaveCheckpoint,
)
from outlast.operations.progress import Report

REPORT_SECONDS: Final = 0.05


class ChildContext(HandlerContext):
    """The Context that a handler is given."""

    def __init__(self, channel: ChildEnd, assigned: Assigned, workdir: Path) -> None:
        super().__init__(assigned.assignment, assigned.limits)
        self._channel = channel
        self._cancel_asked = False
        self._acknowledging = threading.Lock()
        self._acknowledged = False
        self._workdir = workdir
        self._reports = ReportMerger(lambda report: channel.send(Reported(report=report)))

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to cancel. To look is to acknowledge."""
        if self._cancel_asked:
            self.acknowledge()
        return self._cancel_asked

    @property
    def workdir(self) -> Path:
        """An empty folder of this attempt's own. It is gone afterwards."""
        return self._workdir

    @property
    def files(self) -> "ChildFiles":
        """The operation's own files."""
        return ChildFiles(self._channel, self._workdir)

    def serve(self, on_cancel: Callable[[], object]) -> None:
        """Begin to listen to the worker, in a thread that `on_cancel` is called from."""

        def note() -> None:
            self._cancel_asked = True
            on_cancel()

        self._channel.serve(note)

    def acknowledge(self) -> None:
        """Tell the worker, once, that the handler has noticed the cancel."""
        with self._acknowledging:
            if self._acknowledged:
                return
            self._acknowledged = True
        self._channel.send(CancelSeen())

    def flush(self) -> None:
        """Send what was merged of reports, before something that comes after them."""
        self._reports.flush()

    def _send_report(self, report: Report) -> None:
        self._reports.add(report)

    def _send_checkpoint(self, document: bytes) -> Awaitable[None]:
        self.flush()
        future = self._channel.request(lambda n: SaveCheckpoint(number=n, document=document))
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            future.result()
            return _Durable()
        return asyncio.wrap_future(future)

    def _send_log(self, line: str) -> None:
        self._channel.send(Logged(text=line))

    def _send_event(self, type: str, data: bytes) -> None:
        self.flush()
        self._channel.send(Happened(type=type, data=data))


class ReportMerger:
    """Reports on their way: merged for a moment, so that one for every row costs little."""

    def __init__(self, send: Callable[[Report], None]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._merged: Report | None = None
        self._arrived = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, report: Report) -> None:
        """Send the report within `REPORT_SECONDS`, together with those that come until then."""
        with self._lock:
            self._merged = report if self._merged is None else report.over(self._merged)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
        self._arrived.set()

    def flush(self) -> None:
        """Send what there is."""
        with self._lock:
            merged, self._merged = self._merged, None
            # Sent under the lock: a later report must not overtake it.
            if merged is not None:
                self._send(merged)

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            self._arrived.clear()
            self.flush()
            time.sleep(REPORT_SECONDS)


class _Durable:
    """What a checkpoint that is durable already gives to who awaits it all the same."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


class ChildFiles:
    """The operation's own files. A call returns when the worker has done it."""

    def __init__(self, channel: ChildEnd, workdir: Path) -> None:
        self._channel = channel
        self._workdir = workdir

    def put(self, name: str, path: Path) -> None:
        """Store a file's bytes under a name, replacing what was there."""
        spelled = self._spell(path)
        self._channel.request(lambda n: PutFile(number=n, name=name, path=spelled)).result()

    def get(self, name: str, path: Path) -> bool:
        """Write the named file's bytes to a path; False if there is no such file."""
        spelled = self._spell(path)
        request = self._channel.request(lambda n: GetFile(number=n, name=name, path=spelled))
        return bool(request.result())

    def list(self) -> Sequence[str]:
        """The names stored so far, sorted."""
        return tuple(self._channel.request(lambda n: ListFiles(number=n)).result())

    def _spell(self, path: Path) -> str:
        """A path in the workdir is said as seen from there, any other in full."""
        full = Path(os.path.abspath(path))  # noqa: PTH100  a link that it ends in is the worker's to judge
        for base in (Path(os.path.abspath(self._workdir)), Path.cwd()):  # noqa: PTH100
            if full.is_relative_to(base):
                return str(full.relative_to(base))
        return str(full)
