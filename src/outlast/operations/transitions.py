"""Every decision about an operation, as pure functions: operation and time in, Transition out.

A function that is called for an attempt takes the attempt's lease token and raises LeaseLost when
another token, or none, is stored. A move that TRANSITIONS does not list raises IllegalTransition.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from outlast.operations.errors import IllegalTransition, LeaseLost
from outlast.operations.failure import Failure
from outlast.operations.model import SECOND, HistoryEvent, Lease, Operation, Submission, Transition
from outlast.operations.progress import Report, advance
from outlast.operations.retry import DELAY_SECONDS_LIMIT
from outlast.operations.states import QUIET_EVENTS, TRANSITIONS, Event, State, check_event_type

SYSTEM = "system"
"""The actor of what no member and no worker did."""


def submit(submission: Submission, operation_id: str, now: int) -> Transition:
    """The new operation: pending, with its first event."""
    wish = submission
    operation = Operation(
        id=operation_id,
        tenant=wish.tenant,
        created_by=wish.created_by,
        kind=wish.kind,
        kind_version=wish.kind_version,
        state=State.PENDING,
        revision=1,
        event_count=1,
        created_at=now,
        updated_at=now,
        available_at=now if wish.available_at is None else max(now, wish.available_at),
        attempt=0,
        attempts_max=wish.attempts_max,
        priority=wish.priority,
        retention_seconds=wish.retention_seconds,
        spec=wish.spec,
        alias=wish.alias,
        labels=wish.labels,
        project=wish.project,
        project_version=wish.project_version,
        resource_type=wish.resource_type,
        resource_id=wish.resource_id,
        concurrency_key=wish.concurrency_key,
        deadline_at=wish.deadline_at,
        checkpoint=wish.checkpoint,
        idempotency_key=wish.idempotency_key,
        fingerprint=wish.fingerprint,
        request_id=wish.request_id,
        traceparent=wish.traceparent,
        parent_id=wish.parent_id,
    )
    event = HistoryEvent(
        number=1, revision=1, type=Event.CREATED, at=now, attempt=0, actor=wish.created_by
    )
    return Transition(operation, event)


def claim(operation: Operation, lease: Lease, now: int) -> Transition:
    """A pending operation starts its next attempt under a lease."""
    return _move(
        operation,
        Event.CLAIMED,
        now,
        lease.worker,
        attempt=operation.attempt + 1,
        lease=lease,
        started_at=_instant(operation, now)
        if operation.started_at is None
        else operation.started_at,
    )


def report(operation: Operation, token: str, progress: Report, now: int) -> Transition:
    """The attempt has come further."""
    lease = _held(operation, token)
    advanced = advance(operation.progress, progress, operation.attempt, now)
    return _move(operation, Event.REPORTED, now, lease.worker, progress=advanced)


def checkpoint(operation: Operation, token: str, document: bytes, now: int) -> Transition:
    """The attempt saved what the next one would start from."""
    lease = _held(operation, token)
    return _move(operation, Event.CHECKPOINTED, now, lease.worker, checkpoint=document)


def note(
    operation: Operation, token: str, event_type: str, data: Mapping[str, Any], now: int
) -> Transition:
    """The handler adds an event of its own to the history. Raises Invalid for a name of ours."""
    lease = _held(operation, token)
    check_event_type(event_type)
    return _move(operation, Event.NOTED, now, lease.worker, data, event_type=event_type)


def succeed(operation: Operation, token: str, result: bytes, now: int) -> Transition:
    """The attempt finished. A request to cancel that came too late does not undo that."""
    lease = _held(operation, token)
    return _finish(operation, Event.SUCCEEDED, now, lease.worker, result=result)


def fail(
    operation: Operation, token: str, failure: Failure, delay_seconds: float, now: int
) -> Transition:
    """The attempt failed and its code has stopped: cancelled, another attempt, or the end.

    `delay_seconds` is how long another attempt would wait, if the failure allows one; a handler may
    have asked for anything, so it is cut to between nothing and a year.
    """
    lease = _held(operation, token)
    if operation.cancel_requested_at is not None:
        return _finish(operation, Event.CANCELLED, now, lease.worker, {"failure": _plain(failure)})
    if failure.retryable and operation.attempt < operation.attempts_max:
        # In this order, since a delay that is not a number is smaller than nothing here.
        delay_seconds = min(max(0.0, delay_seconds), DELAY_SECONDS_LIMIT)
        return _move(
            operation,
            Event.RETRY_SCHEDULED,
            now,
            lease.worker,
            {"failure": _plain(failure), "delay_seconds": round(delay_seconds, 3)},
            lease=None,
            available_at=now + int(delay_seconds * SECOND),
        )
    if failure.retryable and operation.attempts_max > 1:
        failure = _exhausted(operation, failure)
    return _finish(
        operation, Event.FAILED, now, lease.worker, {"code": failure.code}, failure=failure
    )


def release(operation: Operation, token: str, now: int) -> Transition:
    """The attempt is given back unharmed (its worker shuts down): it does not count."""
    lease = _held(operation, token)
    if operation.cancel_requested_at is not None:
        return _finish(operation, Event.CANCELLED, now, lease.worker)
    return _move(
        operation,
        Event.RELEASED,
        now,
        lease.worker,
        attempt=operation.attempt - 1,
        lease=None,
        # The next attempt has the same number, and must not be credited with this one's work.
        progress=None,
        available_at=now,
    )


def lose(operation: Operation, now: int) -> Transition:
    """The lease has expired: another attempt, or failure. The lost attempt counts."""
    lease = operation.lease
    if lease is None or lease.expires_at > now:
        raise IllegalTransition("the operation holds a lease that has not expired, or none")
    lost = {"worker": lease.worker, "attempt": operation.attempt}
    if operation.cancel_requested_at is not None:
        return _finish(
            operation,
            Event.FAILED,
            now,
            SYSTEM,
            lost,
            failure=Failure(
                code="lost_while_cancelling",
                message="the worker vanished before it confirmed that the operation had stopped",
                fault="platform",
                details=lost,
            ),
        )
    expired = Failure(
        code="lease_expired",
        message=f"worker {lease.worker} did not renew its lease on attempt {operation.attempt}",
        fault="platform",
        retryable=True,
        details=lost,
    )
    if operation.attempt < operation.attempts_max:
        return _move(operation, Event.LEASE_LOST, now, SYSTEM, lost, lease=None, available_at=now)
    failure = _exhausted(operation, expired) if operation.attempts_max > 1 else expired
    return _finish(operation, Event.FAILED, now, SYSTEM, lost, failure=failure)


def request_cancel(operation: Operation, actor: str, now: int) -> Transition:
    """A pending operation is cancelled at once; a running one is asked to stop.

    Asking again changes nothing. Raises IllegalTransition for an operation that has ended.
    """
    if operation.state is State.PENDING:
        return _finish(
            operation,
            Event.CANCELLED,
            now,
            actor,
            cancel_requested_at=_instant(operation, now),
        )
    if operation.cancel_requested_at is not None and not operation.state.is_terminal:
        return Transition(operation)
    return _move(
        operation,
        Event.CANCEL_REQUESTED,
        now,
        actor,
        cancel_requested_at=_instant(operation, now),
    )


def see_cancel(operation: Operation, token: str, now: int) -> Transition:
    """The handler has acknowledged the request to cancel."""
    lease = _held(operation, token)
    if operation.cancel_requested_at is None:
        raise IllegalTransition("nobody asked for this operation to be cancelled")
    if operation.cancel_seen_at is not None:
        return Transition(operation)
    return _move(
        operation,
        Event.CANCEL_SEEN,
        now,
        lease.worker,
        cancel_seen_at=_instant(operation, now),
    )


def confirm_cancel(operation: Operation, token: str, now: int) -> Transition:
    """The operation's code has really stopped, as asked."""
    lease = _held(operation, token)
    if operation.cancel_requested_at is None:
        raise IllegalTransition("nobody asked for this operation to be cancelled")
    return _finish(operation, Event.CANCELLED, now, lease.worker)


def pass_deadline(operation: Operation, token: str | None, now: int) -> Transition:
    """The deadline has passed: a pending operation fails, and so does an attempt that was stopped.

    `token` is the lease token of the attempt whose code has stopped, None for a pending operation.
    """
    actor = SYSTEM
    if token is not None or operation.state is State.RUNNING:
        actor = _held(operation, token).worker
    if operation.deadline_at is None or operation.deadline_at > now:
        raise IllegalTransition("the operation has no deadline, or it has not passed")
    failure = Failure(
        code="deadline_exceeded",
        message="the operation did not end before its deadline",
        fault="platform",
    )
    return _finish(operation, Event.DEADLINE_PASSED, now, actor, failure=failure)


def _held(operation: Operation, token: str | None) -> Lease:
    lease = operation.lease
    if lease is None or lease.token != token:
        raise LeaseLost(f"attempt {operation.attempt} of {operation.id} has another lease, or none")
    return lease


def _instant(operation: Operation, now: int) -> int:
    """When something happens to the operation, as clients see it."""
    # A clock that was set back must not make an operation end before it began.
    return max(now, operation.updated_at)


def _exhausted(operation: Operation, cause: Failure) -> Failure:
    return Failure(
        code="attempts_exhausted",
        message=f"all {operation.attempts_max} attempts failed; the last: {cause.message}",
        fault=cause.fault,
        field_errors=cause.field_errors,
        cause=cause,
    )


def _plain(failure: Failure) -> dict[str, Any]:
    return {"code": failure.code, "message": failure.message, "fault": failure.fault}


def _finish(
    operation: Operation,
    event: Event,
    now: int,
    actor: str,
    data: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Transition:
    return _move(
        operation,
        event,
        now,
        actor,
        data,
        lease=None,
        finished_at=_instant(operation, now),
        expire_at=_instant(operation, now) + operation.retention_seconds * SECOND,
        **changes,
    )


def _move(
    operation: Operation,
    event: Event,
    now: int,
    actor: str,
    data: Mapping[str, Any] | None = None,
    *,
    event_type: str | None = None,
    **changes: Any,
) -> Transition:
    state = TRANSITIONS[operation.state].get(event)
    if state is None:
        raise IllegalTransition(f"an operation that is {operation.state} cannot be {event}")
    recorded = event not in QUIET_EVENTS
    now = _instant(operation, now)
    moved = msgspec.structs.replace(
        operation,
        state=state,
        revision=operation.revision + 1,
        event_count=operation.event_count + recorded,
        updated_at=now,
        **changes,
    )
    if not recorded:
        return Transition(moved)
    history = HistoryEvent(
        number=moved.event_count,
        revision=moved.revision,
        type=event_type or event,
        at=now,
        attempt=moved.attempt if event is not Event.RELEASED else operation.attempt,
        actor=actor,
        data=data or {},
    )
    return Transition(moved, history)
