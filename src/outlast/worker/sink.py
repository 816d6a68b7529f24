"""What an attempt writes while it runs: reports merged, events in order, all under its lease.

What the store cannot take now is kept, and written when it can.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from outlast.operations import documents, transitions
from outlast.operations.concealing import Concealer
from outlast.operations.errors import LeaseLost, NotFound, OutlastError, Unavailable
from outlast.operations.model import Operation, Transition
from outlast.operations.progress import Report
from outlast.settings import Limits
from outlast.store.port import Change, Held, OperationStore

FLUSH_SECONDS: Final = 0.5
"""Reports and log lines wait this long for company: at most two writes a second."""

_LOG_LINES_MAX: Final = 2000

logger = logging.getLogger(__name__)


class AttemptFiles(Protocol):
    """The operation's own files in the object store, or those below a `prefix`."""

    async def put(
        self, operation: Operation, name: str, source: Path, *, prefix: str | None = None
    ) -> None:
        """Store a file's bytes under a name."""

    async def get(
        self, operation: Operation, name: str, target: Path, *, prefix: str | None = None
    ) -> bool:
        """Write the named file's bytes to a path; False if there is none."""

    async def list(self, operation: Operation, *, prefix: str | None = None) -> Sequence[str]:
        """The names stored so far, sorted."""

    async def bring(self, key: str, target: Path) -> None:
        """Write the bytes of an object that is not the operation's own. Raises NotFound."""

    async def inherit(self, operation: Operation) -> None:
        """Give a retry the files of its parent that it does not have yet."""


class AttemptSink:
    """The worker's end of a Context. `lost` is called when the lease turns out to be lost.

    `concealer` keeps the attempt's secrets out of its log. A checkpoint waits for the store for as
    long as a lease: past that the attempt is not ours any more.
    """

    def __init__(
        self,
        store: OperationStore,
        operation: Operation,
        limits: Limits,
        files: AttemptFiles | None,
        lost: Callable[[], None],
        *,
        lease_seconds: float,
    ) -> None:
        if operation.lease is None:
            raise ValueError("an attempt needs a lease")
        self.operation = operation
        self.concealer = Concealer()
        self.late_inputs: Mapping[str, str] = {}
        self.files_prefix: str | None = None
        self._token = operation.lease.token
        self._store = store
        self._limits = limits
        self._files = files
        self._lost = lost
        self._lease_seconds = lease_seconds
        self._report: Report | None = None
        self._urgent: list[Change] = []
        self._lines: list[tuple[int, str]] = []
        self._lines_dropped = 0
        self._events = 0
        self._flusher: asyncio.Task[None] | None = None
        self._hurry: asyncio.Event | None = None
        self._writing = asyncio.Lock()
        self._is_closing = False

    def report(self, report: Report) -> None:
        """Merge a report with those that wait."""
        if self._is_oversized("progress report", report, self._limits.progress_bytes):
            return
        self._report = report if self._report is None else report.over(self._report)
        self._flush_soon()

    def event(self, type: str, data: Mapping[str, Any]) -> None:
        """Add an event to the history, after those before it."""
        self._events += 1
        if self._events > self._limits.events_per_attempt:
            if self._events == self._limits.events_per_attempt + 1:
                self._note_drop(f"events past {self._limits.events_per_attempt} are dropped")
            return
        if self._is_oversized(f"event {type!r}", data, self._limits.event_bytes):
            return
        token = self._token
        self._add(lambda stored, now: transitions.note(stored, token, type, data, now))
        self._flush_soon(hurry=True)

    def cancel_seen(self) -> None:
        """The handler has acknowledged the request to cancel."""
        token = self._token
        self._add(lambda stored, now: transitions.see_cancel(stored, token, now))
        self._flush_soon(hurry=True)

    def log(self, at: int, text: str) -> None:
        """Keep a line for the operation's log."""
        if len(self._lines) >= _LOG_LINES_MAX:
            self._lines_dropped += 1
            return
        self._lines.append((at, self.concealer.text(text)))
        self._flush_soon()

    async def checkpoint(self, document: bytes) -> None:
        """Save a checkpoint, durable on return. Raises Invalid, TooLarge and LeaseLost."""
        documents.check(document, self._limits.checkpoint_bytes, "checkpoint")
        change = self._change(_checkpointing(self._token, document))
        ends_at = time.monotonic() + self._lease_seconds
        while True:
            try:
                answers = await self._write(change)
            except Unavailable:
                if time.monotonic() > ends_at:
                    raise
                await asyncio.sleep(FLUSH_SECONDS)
            else:
                break
        for answer in answers:
            if isinstance(answer, OutlastError):
                if isinstance(answer, LeaseLost | NotFound):
                    self._lost()
                raise answer

    async def put_file(self, name: str, source: Path) -> None:
        """See operations.kind.Files."""
        await self._own_files().put(self.operation, name, source, prefix=self.files_prefix)

    async def get_file(self, name: str, target: Path) -> bool:
        """See operations.kind.Files, and `late_inputs` of Prepared."""
        if name in self.late_inputs:
            await self._own_files().bring(self.late_inputs[name], target)
            return True
        files = self._own_files()
        return await files.get(self.operation, name, target, prefix=self.files_prefix)

    async def list_files(self) -> Sequence[str]:
        """See operations.kind.Files."""
        return await self._own_files().list(self.operation, prefix=self.files_prefix)

    async def close(self) -> list[Change]:
        """Stop flushing, write what waits of the log, and return the changes that wait.

        Raises Unavailable, and may then be called again.
        """
        self._is_closing = True
        if self._flusher is not None:
            if self._hurry is not None:
                self._hurry.set()
            await self._flusher
        await self._write_lines()
        # Attempt and sink know each other; without this they would wait for the garbage collector.
        self._lost = _nobody
        return self._take()

    def _add(self, decide: Callable[[Operation, int], Transition]) -> None:
        # What was reported before an event stands before it in the history of revisions.
        self._urgent.extend(self._take_report())
        self._urgent.append(self._change(decide))

    def _change(self, decide: Callable[[Operation, int], Transition]) -> Change:
        return Change(id=self.operation.id, tenant=None, decide=decide)

    def _take_report(self) -> list[Change]:
        report, self._report = self._report, None
        if report is None:
            return []
        token = self._token
        return [self._change(lambda stored, now: transitions.report(stored, token, report, now))]

    def _take(self) -> list[Change]:
        changes = [*self._urgent, *self._take_report()]
        self._urgent = []
        return changes

    async def _write(self, *more: Change) -> list[Operation | OutlastError]:
        """Write what waits, then these changes. One at a time, which keeps the order."""
        async with self._writing:
            waiting = self._take()
            try:
                return await self._store.apply([*waiting, *more])
            except Unavailable:
                self._urgent[:0] = waiting
                raise

    def _flush_soon(self, *, hurry: bool = False) -> None:
        if self._flusher is None or self._flusher.done():
            self._hurry = asyncio.Event()
            self._flusher = asyncio.create_task(self._flush(self._hurry))
        if hurry and self._hurry is not None:
            self._hurry.set()

    async def _flush(self, hurry: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await hurry.wait()
        except TimeoutError:
            pass
        try:
            for answer in await self._write():
                if isinstance(answer, LeaseLost | NotFound):
                    self._lost()
                    return
            await self._write_lines()
        except Unavailable as error:
            logger.warning("progress of %s waits for the store: %s", self.operation.id, error)
            self._flusher = None
            if not self._is_closing:
                asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_soon)
            return
        if self._report is not None or self._urgent or self._lines:
            hurry.clear()
            if self._urgent:
                hurry.set()
            self._flusher = asyncio.create_task(self._flush(hurry))

    async def _write_lines(self) -> None:
        lines, self._lines = self._lines, []
        if self._lines_dropped:
            lines.append((lines[-1][0], f"[{self._lines_dropped} lines came too fast, dropped]"))
            self._lines_dropped = 0
        if lines:
            held = Held(id=self.operation.id, token=self._token)
            try:
                await self._store.append_log(held, lines, self._limits.log_bytes)
            except (LeaseLost, NotFound):
                self._lost()
            except Unavailable:
                self._lines[:0] = lines
                raise

    def _is_oversized(self, name: str, value: object, bytes_max: int) -> bool:
        size = len(documents.encode(value))
        if size > bytes_max:
            self._note_drop(f"{name} of {size} bytes was dropped: at most {bytes_max}")
        return size > bytes_max

    def _note_drop(self, text: str) -> None:
        self.log(self._store.now(), f"[{text}]")

    def _own_files(self) -> AttemptFiles:
        if self._files is None:
            raise Unavailable("this worker has no object store")
        return self._files


def _nobody() -> None:
    """Who is told of a lost lease when the attempt has ended."""


def _checkpointing(token: str, document: bytes) -> Callable[[Operation, int], Transition]:
    return lambda stored, now: transitions.checkpoint(stored, token, document, now)
