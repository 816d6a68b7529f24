"""The writer: lanes that commit whatever waits in one transaction each.

There is no timer: while one commit is on its way the next batch gathers by itself. A batch that
loses to another transaction is run again; so is one whose database went away, for as long as its
callers wait. If the answer to a commit was lost, the database is asked what became of it: nothing
is written twice. A batch that dies for another reason is run again call by call, then member by
member, so that only the guilty one fails. What runs into a lock that somebody holds for long is
written apart, so that the lanes stay free.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias

from outlast.clock import Clock
from outlast.operations.errors import OutlastError, Unavailable
from outlast.store.postgres.connecting import Connections, InDoubt
from outlast.store.postgres.outage import Outage
from outlast.store.postgres.refusals import (
    is_away,
    is_locked_out,
    is_worth_another_go,
    refusal_for,
    unforeseen,
)
from outlast.store.postgres.transaction import Transaction

MEMBERS_MAX: Final = 512
"""How many members one transaction takes: more would make the first ones wait for the last."""
LANES: Final = 2
"""How many transactions of one process are under way at once."""
ASIDE_MAX: Final = 4
"""How many calls wait for a lock beside the lanes."""
_GOES_MAX: Final = 8
_PAUSE_SECONDS: Final = 0.02
_NUMBER: Final = "SELECT pg_current_xact_id_if_assigned()::text"

Work: TypeAlias = Callable[[Transaction, Sequence[Any]], Awaitable[list[Any]]]
"""What is done for the members of calls of one sort: an answer or an OutlastError for each."""

_log = logging.getLogger(__name__)


class Outlet(Protocol):
    """Who hears of commits."""

    def committed(self, transaction: Transaction) -> None:
        """What a transaction changed is durable."""


class Call:
    """Members that one caller waits for."""

    __slots__ = ("abandoned", "future", "members", "put_at", "work")

    def __init__(
        self,
        work: Work,
        members: Sequence[Any],
        abandoned: Callable[[Sequence[Any]], None] | None,
    ) -> None:
        self.work = work
        self.members = members
        self.abandoned = abandoned
        self.put_at = time.monotonic()
        self.future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    def answer(self, answers: list[Any]) -> None:
        """Wake the caller."""
        if not self.future.done():
            self.future.set_result(answers)
        elif self.future.cancelled() and self.abandoned is not None:
            self.abandoned(answers)

    def refuse(self, error: Exception) -> None:
        """Tell the caller that nothing was written."""
        if not self.future.done():
            # Each gets its own, since a traceback grows on it.
            self.future.set_exception(refusal_for(error) or Unavailable(str(error)))


class Writer:
    """The calls that wait, and the lanes that take them."""

    def __init__(self, connections: Connections, clock: Clock, outlet: Outlet) -> None:
        self._connections = connections
        self._clock = clock
        self._outlet = outlet
        self._calls: deque[Call] = deque()
        self._waiting = asyncio.Event()
        self._is_closed = False
        self._aside: set[asyncio.Task[None]] = set()
        self._lanes = [asyncio.create_task(self._run()) for _ in range(LANES)]

    async def submit(
        self,
        work: Work,
        members: Sequence[Any],
        abandoned: Callable[[Sequence[Any]], None] | None = None,
    ) -> list[Any]:
        """The answers of the members, durable. Raises Unavailable, StoreFull.

        `abandoned` is told the answers if the caller was cancelled while they were written.
        """
        call = self._put(work, members, abandoned)
        return await call.future

    def post(self, work: Work, members: Sequence[Any]) -> None:
        """The same for a caller who does not wait; nothing happens if the store is closed."""
        with contextlib.suppress(Unavailable):
            call = self._put(work, members, None)
            # Whoever reads the exception keeps the loop from complaining that nobody did.
            call.future.add_done_callback(lambda future: future.exception())

    async def close(self) -> None:
        """Write what waits, as long as the database is there, then end the lanes."""
        self._is_closed = True
        self._waiting.set()
        await asyncio.gather(*self._lanes)
        await asyncio.gather(*self._aside)

    def _put(
        self,
        work: Work,
        members: Sequence[Any],
        abandoned: Callable[[Sequence[Any]], None] | None,
    ) -> Call:
        if self._is_closed:
            raise Unavailable("the store is closed")
        call = Call(work, members, abandoned)
        self._calls.append(call)
        self._waiting.set()
        return call

    async def _run(self) -> None:
        while True:
            await self._waiting.wait()
            batch = self._gather()
            if batch:
                await self._write(batch)
            elif self._is_closed:
                return
            else:
                self._waiting.clear()

    def _gather(self) -> list[Call]:
        batch: list[Call] = []
        members = 0
        while self._calls and members < MEMBERS_MAX:
            call = self._calls.popleft()
            # A caller that has gone before its turn wants nothing written.
            if not call.future.cancelled():
                batch.append(call)
                members += len(call.members)
        return batch

    async def _write(self, calls: list[Call], *, is_aside: bool = False) -> None:
        outage = Outage(self._connections.outage_seconds)
        goes = 1
        while calls:
            try:
                answers = await self._commit(calls)
            except Exception as error:  # noqa: BLE001  an edge: whoever is guilty is told below
                if is_away(error) or (is_aside and is_locked_out(error)):
                    calls = self._who_waits_on(calls, error)
                    await outage.pause()
                elif is_locked_out(error):
                    await self._write_around_lock(calls, error)
                    return
                elif is_worth_another_go(error) and goes < _GOES_MAX:
                    await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS * 2**goes))  # noqa: S311
                    goes += 1
                else:
                    await self._write_smaller(calls, error)
                    return
            else:
                for call, answer in zip(calls, answers, strict=True):
                    call.answer(answer)
                return

    def _who_waits_on(self, calls: list[Call], error: Exception) -> list[Call]:
        """The calls that go on waiting; those that have waited enough are told."""
        waiting = []
        patience = self._connections.outage_seconds
        for call in calls:
            if self._is_closed or Outage(patience, since=call.put_at).is_over_patience:
                call.refuse(error)
            elif not call.future.cancelled():
                waiting.append(call)
        return waiting

    async def _write_around_lock(self, calls: list[Call], error: Exception) -> None:
        if len(calls) > 1:
            for call in calls:
                await self._write([call])
        elif len(self._aside) < ASIDE_MAX:
            task = asyncio.create_task(self._write(calls, is_aside=True))
            self._aside.add(task)
            task.add_done_callback(self._aside.discard)
        else:
            calls[0].refuse(error)

    async def _write_smaller(self, calls: list[Call], error: Exception) -> None:
        if refusal_for(error) is not None and not is_worth_another_go(error):
            for call in calls:
                call.refuse(error)
        elif len(calls) > 1:
            for call in calls:
                await self._write([call])
        else:
            await self._write_apart(calls[0], error)

    async def _write_apart(self, call: Call, error: Exception) -> None:
        if is_worth_another_go(error):
            call.refuse(error)
            return
        answers: list[Any] = []
        for member in call.members:
            try:
                [[answer]] = await self._commit([Call(call.work, [member], None)])
            except Exception as guilty:  # noqa: BLE001  an edge: this member is told
                _log.exception("a change failed in an unforeseen way")
                answers.append(refusal_for(guilty) or unforeseen(guilty))
            else:
                answers.append(answer)
        call.answer(answers)

    async def _commit(self, calls: Sequence[Call]) -> list[list[Any]]:
        try:
            async with self._connections.transaction() as opened:
                transaction = Transaction(opened.connection, self._clock())
                answers = await _run_all(transaction, calls)
                await transaction.flush()
                opened.number = await opened.connection.fetchval(_NUMBER)
        except InDoubt as doubt:
            if not await self._connections.has_committed(doubt):
                raise doubt.__cause__ or doubt from None
        self._outlet.committed(transaction)
        return answers


async def _run_all(transaction: Transaction, calls: Sequence[Call]) -> list[list[Any]]:
    """Do the calls' work: what is of one sort together, so that it reads with one statement."""
    sorts: dict[Work, list[int]] = {}
    for place, call in enumerate(calls):
        sorts.setdefault(call.work, []).append(place)
    answers: list[list[Any]] = [[] for _ in calls]
    for work, places in sorts.items():
        members = [member for place in places for member in calls[place].members]
        found = iter(await work(transaction, members))
        for place in places:
            answers[place] = [next(found) for _ in calls[place].members]
    return answers


def first(answers: Sequence[Any]) -> Any:
    """The answer of a call's one member. Raises it, if it is an OutlastError."""
    (answer,) = answers
    if isinstance(answer, OutlastError):
        raise answer
    return answer
