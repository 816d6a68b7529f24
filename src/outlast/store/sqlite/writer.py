"""The writer: one thread that commits whatever waits in one transaction.

There is no timer: while one commit waits for the disk the next batch gathers by itself. A batch
that dies as a whole is rolled back and run again call by call, then member by member, so that only
the guilty one fails.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol, TypeAlias

import apsw

from outlast.clock import Clock
from outlast.operations.errors import OutlastError, Unavailable
from outlast.store.sqlite.connections import fetch_one
from outlast.store.sqlite.recent import Recent
from outlast.store.sqlite.refusals import refusal_for, unforeseen
from outlast.store.sqlite.transaction import Transaction

MEMBERS_MAX: Final = 512
"""How many members one transaction takes: more would make the first ones wait for the last."""
LOOK_SECONDS: Final = 1.0
"""How often the writer looks whether another process has written."""

Work: TypeAlias = Callable[[Transaction, Any], Any]
"""What is done for one member of a call. An OutlastError must be raised before the first write."""

_log = logging.getLogger(__name__)


class Call:
    """Members that one caller waits for, and their answers."""

    __slots__ = ("abandoned", "answers", "error", "future", "loop", "members", "work")

    def __init__(
        self,
        work: Work,
        members: Sequence[Any],
        abandoned: Callable[[Sequence[Any]], None] | None,
    ) -> None:
        self.work = work
        self.members = members
        self.abandoned = abandoned
        self.answers: list[Any] = []
        self.error: Exception | None = None
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[list[Any]] = self.loop.create_future()

    def run(self, transaction: Transaction) -> None:
        """Do the work of each member in turn."""
        work = self.work
        self.answers = answers = []
        for member in self.members:
            try:
                answers.append(work(transaction, member))
            except OutlastError as error:
                answers.append(error)

    def answer(self) -> None:
        """Wake the caller; on its own loop."""
        if self.future.cancelled():
            if self.abandoned is not None and self.error is None:
                self.abandoned(self.answers)
        elif self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.answers)


class Outlet(Protocol):
    """Who hears from the writer. Its methods are called on the writer's thread."""

    def committed(self, calls: Sequence[Call], transaction: Transaction) -> None:
        """These calls can be answered: what they changed is on disk."""

    def refused(self, calls: Sequence[Call]) -> None:
        """These calls can be answered: nothing of them was written."""

    def overheard(self) -> None:
        """Another process has written something."""


class Writer:
    """The thread, its connection and the calls that wait."""

    def __init__(
        self, connect: Callable[[], apsw.Connection], clock: Clock, outlet: Outlet
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._outlet = outlet
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._connection = connect()
        self._recent = Recent()
        self._seen = _data_version(self._connection)
        self._is_closed = False
        self.is_busy = False
        self._thread = threading.Thread(target=self._run, name="outlast-writer", daemon=True)
        self._thread.start()

    async def submit(
        self,
        work: Work,
        members: Sequence[Any],
        abandoned: Callable[[Sequence[Any]], None] | None = None,
    ) -> list[Any]:
        """The answers of the members, durable: what `work` returned, or the OutlastError it raised.

        `abandoned` is told the answers if the caller was cancelled while they were written.
        """
        if self._is_closed:
            raise Unavailable("the store is closed")
        call = Call(work, members, abandoned)
        self._calls.put(call)
        return await call.future

    def post(self, work: Work, members: Sequence[Any]) -> None:
        """The same for a caller who does not wait; nothing happens if the store is closed."""
        if not self._is_closed:
            call = Call(work, members, None)
            # Whoever reads the exception keeps the loop from complaining that nobody did.
            call.future.add_done_callback(lambda future: future.exception())
            self._calls.put(call)

    def close(self) -> None:
        """Write what waits, then end the thread. Blocks."""
        self._is_closed = True
        self._calls.put(None)
        self._thread.join()
        self._connection.close()
        late = [call for call in self._drain() if call is not None]
        self._refuse(late, Unavailable("the store is closed"))

    def _run(self) -> None:
        is_open = True
        look_at = time.monotonic() + LOOK_SECONDS
        while is_open:
            try:
                batch, is_open = self._gather(self._calls.get(timeout=LOOK_SECONDS))
            except Empty:
                batch = []
            if batch:
                self.is_busy = True
                self._write(batch)
                self.is_busy = False
            if time.monotonic() >= look_at:
                self._look()
                look_at = time.monotonic() + LOOK_SECONDS

    def _gather(self, first: Call | None) -> tuple[list[Call], bool]:
        batch: list[Call] = []
        members = 0
        call = first
        while call is not None:
            # A caller that has gone before its turn wants nothing written.
            if not call.future.cancelled():
                batch.append(call)
                members += len(call.members)
            if members >= MEMBERS_MAX:
                return batch, True
            try:
                call = self._calls.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _drain(self) -> Iterable[Call | None]:
        while not self._calls.empty():
            yield self._calls.get_nowait()

    def _look(self) -> None:
        try:
            version = _data_version(self._connection)
        except apsw.Error:
            _log.exception("the database could not be read")
            return
        if version != self._seen:
            self._seen = version
            self._outlet.overheard()

    def _write(self, calls: list[Call]) -> None:
        try:
            transaction = self._commit(calls)
        except Exception as error:  # noqa: BLE001  an edge: whoever is guilty is told below
            if len(calls) > 1 and not isinstance(error, apsw.BusyError):
                for call in calls:
                    self._write([call])
            elif refusal_for(error) is not None:
                self._refuse(calls, error)
            else:
                self._write_apart(calls[0])
        else:
            self._outlet.committed(calls, transaction)

    def _commit(self, calls: Sequence[Call]) -> Transaction:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._recent.check(_data_version(connection))
            transaction = Transaction(connection, self._clock(), self._recent)
            for call in calls:
                call.run(transaction)
            transaction.flush()
            connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._recent.keep(transaction.written)
        return transaction

    def _roll_back(self) -> None:
        try:
            # SQLite itself has rolled back after some errors, such as a full disk.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error:
            _log.exception("a transaction could not be rolled back; the connection is replaced")
            self._connection.close(force=True)
            self._connection = self._connect()

    def _write_apart(self, call: Call) -> None:
        members, answers = call.members, []
        for member in members:
            call.members = [member]
            try:
                transaction = self._commit([call])
            except Exception as error:  # noqa: BLE001  an edge: this member is told
                _log.exception("a change failed in an unforeseen way")
                answers.append(refusal_for(error) or unforeseen(error))
            else:
                answers += call.answers
                self._outlet.committed((), transaction)
        call.members, call.answers = members, answers
        self._outlet.refused([call])

    def _refuse(self, calls: Sequence[Call], error: Exception) -> None:
        for call in calls:
            # Each gets its own, since a traceback grows on it.
            call.error = refusal_for(error) or Unavailable(str(error))
        if calls:
            self._outlet.refused(calls)


def _data_version(connection: apsw.Connection) -> int:
    """A number that changes when another connection has written."""
    version: int
    (version,) = fetch_one(connection, "PRAGMA data_version")
    return version
