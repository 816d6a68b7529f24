"""What takes more than one request: resending, waiting, watching, paging. No I/O, no clock.

A procedure is a generator: it yields the steps that it wants done and is sent what came of them.
The same procedure drives the synchronous and the asynchronous client, and a test that has neither.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from outlast.client import requests
from outlast.client.answers import Operation
from outlast.client.errors import Unreachable, WaitTimedOut
from outlast.client.streams import EventReader
from outlast.client.wire import (
    TRANSIENT_STATUSES,
    Answer,
    Call,
    Lost,
    Request,
    read_json,
    refusal,
)

T = TypeVar("T")

_ERROR_STATUS: Final = 400
_NO_CONTENT: Final = 204
_NOT_FOUND: Final = 404
_RETRY_AFTER_MAX: Final = 60.0


@dataclass(frozen=True)
class Send:
    """Send a request and read the whole answer. Sent back: Answer or Lost."""

    request: Request


@dataclass(frozen=True)
class Pause:
    """Do nothing for a while. Sent back: nothing. `reason` is None when nothing went wrong."""

    seconds: float
    reason: str | None = None


@dataclass(frozen=True)
class Open:
    """Send a request and keep the answer open. Sent back: Answer or Lost.

    An Answer of 400 or more has been read and closed; the body of others comes with Read.
    """

    request: Request


@dataclass(frozen=True)
class Read:
    """Read the next piece of what is open. Sent back: bytes, or Lost at its end or its breaking."""


@dataclass(frozen=True)
class Close:
    """Let go of what is open. Sent back: nothing."""


@dataclass(frozen=True)
class Emit:
    """Give a value to whoever iterates. Sent back: nothing."""

    value: Any


Step: TypeAlias = Send | Pause | Open | Read | Close | Emit
Procedure: TypeAlias = Generator[Step, Any, T]


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How often and after how long something is tried again. `jitter` gives numbers in [0, 1)."""

    jitter: Callable[[], float]
    retries_max: int = 4
    first_seconds: float = 0.2
    most_seconds: float = 10.0

    def seconds(self, failures: int, retry_after_seconds: float | None = None) -> float:
        """How long to pause after so many failures in a row; never less than the server asked."""
        grown: float = min(self.most_seconds, self.first_seconds * 2.0 ** min(failures - 1, 16))
        pause = grown * (0.5 + self.jitter() / 2)
        if retry_after_seconds is None:
            return pause
        asked = min(retry_after_seconds, _RETRY_AFTER_MAX)
        return max(pause, asked * (1 + self.jitter() / 10))


def perform(call: Call[T], backoff: Backoff, *, endless: bool = False) -> Procedure[T]:
    """One call, sent again while that is safe and may help. `endless`: for as long as it takes."""
    failures = 0
    was_lost = False
    while True:
        reply = yield Send(call.request)
        if not _may_help(call.request, reply):
            break
        failures += 1
        if failures > backoff.retries_max and not endless:
            break
        was_lost = was_lost or (isinstance(reply, Lost) and reply.sent)
        yield _pause(backoff, failures, reply)
    if was_lost and _is_already_deleted(call.request, reply):
        return call.read(reply)
    return call.read(_settled(reply))


def wait(
    ref: str, timeout_seconds: float | None, backoff: Backoff, now: Callable[[], float]
) -> Procedure[Operation]:
    """The operation once it has ended. Raises WaitTimedOut after `timeout_seconds`, if given.

    A server that was reached once may go away for as long as it likes: it is asked again until it
    is back or the time is over.
    """
    until = None if timeout_seconds is None else now() + timeout_seconds
    seen = yield from perform(requests.get(ref), backoff)
    failures = 0
    while not seen.is_terminal:
        left = _left(until, now())
        if left <= 0:
            raise WaitTimedOut(seen, timeout_seconds or 0)
        asked_at = now()
        hold = min(left, requests.WAIT_SECONDS_MAX)
        call = requests.get(ref, wait_seconds=hold)
        reply = yield Send(call.request)
        if _is_transient(reply):
            failures += 1
            pause = _pause(backoff, failures, reply)
        else:
            failures = 0
            answer = _settled(reply)
            seen = call.read(answer)
            # A server that answers early without an end (it is stopping, say) sets the pace.
            is_early = now() - asked_at < hold - 1
            pause = Pause((answer.retry_after_seconds or 1.0) if is_early else 0.0)
        if not seen.is_terminal and pause.seconds > 0:
            yield Pause(max(0.0, min(pause.seconds, _left(until, now()))), pause.reason)
    return seen


def watch(ref: str, backoff: Backoff) -> Procedure[None]:
    """Emits the operation now and after every change; last as it ended, with spec and result.

    Goes on where it was when the stream breaks or the server restarts.
    """
    seen = yield from perform(requests.get(ref), backoff)
    yield Emit(seen)
    if seen.is_terminal:
        return
    failures = 0
    while True:
        reply = yield Open(requests.watch(ref, seen.revision))
        latest = seen
        if not _is_transient(reply):
            latest = yield from _follow(_settled(reply), seen)
            yield Close()
        if latest.is_terminal:
            break
        failures = 1 if latest.revision != seen.revision else failures + 1
        seen = latest
        yield _pause(backoff, failures, reply)
        # Streams may be refused (too many watch already) while plain requests are answered.
        changed = yield from perform(
            requests.get_changed(ref, seen.revision), backoff, endless=True
        )
        if changed is not None and changed.is_terminal:
            break
        if changed is not None and changed.revision != seen.revision:
            seen = changed
            yield Emit(seen)
    # What streams is a summary; the end is shown whole.
    yield Emit((yield from perform(requests.get(ref), backoff, endless=True)))


def pages(
    first: Callable[[str | None], Call[Any]], items: str, limit: int | None, backoff: Backoff
) -> Procedure[None]:
    """Emits what a paged list holds, page by page as it is asked for, at most `limit` items."""
    left = limit
    token: str | None = None
    while left is None or left > 0:
        page = yield from perform(first(token), backoff)
        found: Sequence[Any] = getattr(page, items)
        for item in found if left is None else found[:left]:
            yield Emit(item)
        left = None if left is None else left - len(found)
        token = page.next_page_token
        if token is None:
            return


def numbered(
    after: Callable[[int], Call[list[Any]]], start: int, backoff: Backoff
) -> Procedure[None]:
    """Emits what a list in ascending order of `number` holds beyond `start`."""
    while True:
        found = yield from perform(after(start), backoff)
        for item in found:
            yield Emit(item)
            start = item.number
        if not found:
            return


def download(request: Request, backoff: Backoff) -> Procedure[None]:
    """Emits the bytes of an answer as they come. Raises Unreachable when they break off."""
    failures = 0
    while True:
        reply = yield Open(request)
        if not _is_transient(reply) or failures >= backoff.retries_max:
            break
        failures += 1
        yield _pause(backoff, failures, reply)
    _settled(reply)
    while True:
        piece = yield Read()
        if isinstance(piece, Lost):
            if piece.sent:
                raise Unreachable(f"the download broke off: {piece.reason}")
            return
        yield Emit(piece)


def _follow(answer: Answer, seen: Operation) -> Procedure[Operation]:
    """Emits what streams in; the last operation seen, when it has ended or the stream has."""
    reader = EventReader()
    # 204: whoever asks has seen the end already.
    while answer.status != _NO_CONTENT:
        piece = yield Read()
        if isinstance(piece, Lost):
            break
        for event in reader.feed(piece):
            if event.type != "operation":
                continue
            latest = read_json(Answer(answer.status, {}, event.data.encode()), Operation)
            if latest.is_terminal:
                return latest
            if latest.revision != seen.revision:
                seen = latest
                yield Emit(seen)
    return seen


def _may_help(request: Request, reply: Answer | Lost) -> bool:
    if isinstance(reply, Lost) and not reply.sent:
        return True
    return request.repeatable and _is_transient(reply)


def _is_transient(reply: Answer | Lost) -> bool:
    return isinstance(reply, Lost) or reply.status in TRANSIENT_STATUSES


def _is_already_deleted(request: Request, reply: Answer | Lost) -> bool:
    return request.method == "DELETE" and isinstance(reply, Answer) and reply.status == _NOT_FOUND


def _pause(backoff: Backoff, failures: int, reply: Answer | Lost) -> Pause:
    if isinstance(reply, Lost):
        return Pause(backoff.seconds(failures), reply.reason)
    reason = None if reply.status < _ERROR_STATUS else refusal(reply).detail
    return Pause(backoff.seconds(failures, reply.retry_after_seconds), reason)


def _settled(reply: Answer | Lost) -> Answer:
    if isinstance(reply, Lost):
        raise Unreachable(reply.reason)
    if reply.status >= _ERROR_STATUS:
        raise refusal(reply)
    return reply


def _left(until: float | None, now: float) -> float:
    return float("inf") if until is None else until - now
