"""Every decision: each State x Event pair, each function by itself, and whatever sequence."""

from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.operations import transitions
from outlast.operations.errors import IllegalTransition, LeaseLost
from outlast.operations.failure import Failure
from outlast.operations.model import SECOND, Lease, Submission
from outlast.operations.progress import Report
from outlast.operations.retry import DELAY_SECONDS_LIMIT
from outlast.operations.states import QUIET_EVENTS, TRANSITIONS, Event, State

START = 1_800_000_000 * SECOND
DAY = 86_400 * SECOND
ID = "0" * 20
TOKEN, STALE = "token", "stale"
DEADLINE = START + 60 * SECOND
USER_FAILURE = Failure(code="bad_table", message="there is no table t", fault="user")
PLATFORM_FAILURE = Failure(
    code="crashed", message="the child died", fault="platform", retryable=True
)


def submission(**fields):
    wish = {"tenant": "t", "created_by": "ann", "kind": "k", "spec": b"{}", "attempts_max": 3}
    return Submission(**wish | fields)


def lease(token=TOKEN, expires_at=START + 15 * SECOND):
    return Lease(token=token, worker="w1", expires_at=expires_at)


def pending(**fields):
    return transitions.submit(submission(**fields), ID, START).operation


def running(**fields):
    return transitions.claim(pending(**fields), lease(), START + SECOND).operation


def cancelling(**fields):
    return transitions.request_cancel(running(**fields), "bob", START + 2 * SECOND).operation


def ended(state, **fields):
    now = START + 3 * SECOND
    if state is State.SUCCEEDED:
        return transitions.succeed(running(**fields), TOKEN, b"1", now).operation
    if state is State.FAILED:
        return transitions.fail(running(**fields), TOKEN, USER_FAILURE, 0, now).operation
    return transitions.request_cancel(pending(**fields), "bob", now).operation


def in_state(state, **fields):
    if state is State.PENDING:
        return pending(**fields)
    return running(**fields) if state is State.RUNNING else ended(state, **fields)


def having(operation, **changes):
    return msgspec.structs.replace(operation, **changes)


# What makes each event happen, through the function that users of the domain call.
DRIVERS = {
    Event.CLAIMED: lambda op, now: transitions.claim(op, lease(), now),
    Event.SUCCEEDED: lambda op, now: transitions.succeed(op, TOKEN, b"1", now),
    Event.FAILED: lambda op, now: transitions.fail(op, TOKEN, USER_FAILURE, 1, now),
    Event.RETRY_SCHEDULED: lambda op, now: transitions.fail(op, TOKEN, PLATFORM_FAILURE, 1, now),
    Event.RELEASED: lambda op, now: transitions.release(op, TOKEN, now),
    Event.LEASE_LOST: lambda op, _: transitions.lose(op, START + DAY),
    Event.CANCEL_REQUESTED: lambda op, now: transitions.request_cancel(op, "bob", now),
    Event.CANCEL_SEEN: lambda op, now: transitions.see_cancel(
        having(op, cancel_requested_at=START), TOKEN, now
    ),
    Event.CANCELLED: lambda op, now: transitions.confirm_cancel(
        having(op, cancel_requested_at=START), TOKEN, now
    ),
    Event.DEADLINE_PASSED: lambda op, _: transitions.pass_deadline(op, TOKEN, DEADLINE),
    Event.REPORTED: lambda op, now: transitions.report(op, TOKEN, Report(done=1), now),
    Event.CHECKPOINTED: lambda op, now: transitions.checkpoint(op, TOKEN, b"{}", now),
    Event.NOTED: lambda op, now: transitions.note(op, TOKEN, "loss", {"value": 1}, now),
}
# A pending operation has no lease: these two happen to it by another way.
PENDING_DRIVERS = {
    Event.CANCELLED: lambda op, now: transitions.request_cancel(op, "bob", now),
    Event.DEADLINE_PASSED: lambda op, _: transitions.pass_deadline(op, None, DEADLINE),
}
LEGAL = [(state, event) for state in State for event in TRANSITIONS[state]]
ILLEGAL = [pair for pair in product(State, Event) if pair not in LEGAL]


def drive(operation, event, now):
    if operation.state is State.PENDING and event in PENDING_DRIVERS:
        return PENDING_DRIVERS[event](operation, now)
    return DRIVERS[event](operation, now)


@pytest.mark.parametrize(("state", "event"), LEGAL)
def test_a_legal_move_leads_to_the_state_in_the_table(state, event):
    before = in_state(state, deadline_at=DEADLINE)
    transition = drive(before, event, START + 4 * SECOND)
    after = transition.operation
    assert after.state is TRANSITIONS[state][event]
    assert after.revision == before.revision + 1
    if event in QUIET_EVENTS:
        assert transition.event is None
        assert after.event_count == before.event_count
    else:
        assert transition.event.type == ("loss" if event is Event.NOTED else event)
        assert transition.event.number == after.event_count == before.event_count + 1
        assert transition.event.revision == after.revision


@pytest.mark.parametrize(("state", "event"), ILLEGAL)
def test_an_illegal_move_is_refused_by_the_table(state, event):
    with pytest.raises(IllegalTransition, match=f"an operation that is {state} cannot be {event}"):
        transitions._move(in_state(state), event, START, "anyone")


# A pending operation that is asked to stop is cancelled at once: see the test of that name.
@pytest.mark.parametrize(
    ("state", "event"),
    [
        pair
        for pair in ILLEGAL
        if pair[1] is not Event.CREATED and pair != (State.PENDING, Event.CANCEL_REQUESTED)
    ],
)
def test_an_illegal_move_is_refused_even_to_who_holds_a_lease_and_changes_nothing(state, event):
    before = having(in_state(state, deadline_at=DEADLINE), lease=lease())
    as_it_was = msgspec.structs.replace(before)
    with pytest.raises(IllegalTransition):
        DRIVERS[event](before, START + 4 * SECOND)
    assert before == as_it_was


FENCED = {
    "report": lambda op, token: transitions.report(op, token, Report(done=1), START),
    "checkpoint": lambda op, token: transitions.checkpoint(op, token, b"{}", START),
    "note": lambda op, token: transitions.note(op, token, "a", {}, START),
    "succeed": lambda op, token: transitions.succeed(op, token, b"1", START),
    "fail": lambda op, token: transitions.fail(op, token, USER_FAILURE, 0, START),
    "release": lambda op, token: transitions.release(op, token, START),
    "see_cancel": lambda op, token: transitions.see_cancel(op, token, START),
    "confirm_cancel": lambda op, token: transitions.confirm_cancel(op, token, START),
    "pass_deadline": lambda op, token: transitions.pass_deadline(op, token, DEADLINE),
}


def test_every_function_that_takes_a_token_is_tested_with_a_stale_one():
    takes_token = {
        name
        for name, function in vars(transitions).items()
        if callable(function)
        and not name.startswith("_")
        and "token" in getattr(function, "__annotations__", {})
        and isinstance(function, type(transitions.claim))
    }
    assert takes_token == set(FENCED)


@pytest.mark.parametrize("name", FENCED)
@pytest.mark.parametrize("state", State)
def test_a_stale_token_changes_nothing(name, state):
    before = in_state(state, deadline_at=DEADLINE)
    as_it_was = msgspec.structs.replace(before)
    with pytest.raises(LeaseLost):
        FENCED[name](before, STALE)
    assert before == as_it_was


@pytest.mark.parametrize("name", FENCED)
def test_a_stale_token_changes_nothing_of_an_operation_that_is_asked_to_stop(name):
    before = cancelling(deadline_at=DEADLINE)
    with pytest.raises(LeaseLost):
        FENCED[name](before, STALE)


@pytest.mark.parametrize("name", FENCED)
def test_the_token_of_an_earlier_attempt_is_stale(name):
    lost = transitions.lose(running(deadline_at=DEADLINE), START + 20 * SECOND).operation
    again = transitions.claim(lost, lease("second"), START + 21 * SECOND).operation
    with pytest.raises(LeaseLost, match=f"attempt 2 of {ID} has another lease"):
        FENCED[name](again, TOKEN)


# Submission


def test_a_new_operation_is_pending_and_has_one_event():
    transition = transitions.submit(submission(), ID, START)
    operation, event = transition.operation, transition.event
    assert (operation.state, operation.attempt, operation.lease) == (State.PENDING, 0, None)
    assert (operation.revision, operation.event_count) == (1, 1)
    assert operation.created_at == operation.updated_at == operation.available_at == START
    assert (event.number, event.revision, event.type, event.at) == (1, 1, "created", START)
    assert (event.actor, event.attempt, event.data) == ("ann", 0, {})


def test_a_new_operation_keeps_every_wish_as_it_was():
    wish = submission(
        kind_version="7",
        alias="mine",
        labels={"a": "b"},
        project="p",
        project_version="pv",
        resource_type="rt",
        resource_id="ri",
        priority=5,
        concurrency_key="ck",
        available_at=START + 5,
        deadline_at=DEADLINE,
        attempts_max=9,
        checkpoint=b"[1]",
        idempotency_key="ik",
        fingerprint=b"fp",
        request_id="rid",
        traceparent="tp",
        parent_id="1" * 20,
        retention_seconds=77,
    )
    operation = transitions.submit(wish, ID, START).operation
    for name in Submission.__struct_fields__:
        assert getattr(operation, name) == getattr(wish, name), name


def test_an_operation_is_never_available_before_it_exists():
    assert pending(available_at=START - DAY).available_at == START


# Claim and lease


def test_a_claim_starts_an_attempt_under_its_lease():
    transition = transitions.claim(pending(), lease(), START + SECOND)
    operation = transition.operation
    assert (operation.attempt, operation.lease) == (1, lease())
    assert operation.started_at == START + SECOND
    assert (transition.event.attempt, transition.event.actor) == (1, "w1")


def test_an_operation_started_when_its_first_attempt_did():
    lost = transitions.lose(running(), START + 20 * SECOND).operation
    again = transitions.claim(lost, lease("second"), START + 21 * SECOND).operation
    assert again.attempt == 2
    assert again.started_at == START + SECOND


# Success and failure


def test_success_keeps_the_result_and_lets_go_of_the_lease():
    operation = transitions.succeed(running(), TOKEN, b'{"rows":1}', START + 3 * SECOND).operation
    assert (operation.result, operation.lease, operation.failure) == (b'{"rows":1}', None, None)
    assert operation.finished_at == START + 3 * SECOND
    assert operation.expire_at == operation.finished_at + 30 * DAY


def test_a_request_to_cancel_that_came_too_late_does_not_undo_a_success():
    operation = transitions.succeed(cancelling(), TOKEN, b"1", START + 3 * SECOND).operation
    assert (operation.state, operation.result) == (State.SUCCEEDED, b"1")


def test_a_failure_that_no_attempt_can_mend_is_the_end():
    transition = transitions.fail(running(), TOKEN, USER_FAILURE, 5, START + 3 * SECOND)
    assert transition.operation.state is State.FAILED
    assert transition.operation.failure == USER_FAILURE
    assert transition.event.data == {"code": "bad_table"}


def test_a_failure_that_another_attempt_may_mend_is_followed_by_one():
    transition = transitions.fail(running(), TOKEN, PLATFORM_FAILURE, 2.5, START + 3 * SECOND)
    operation = transition.operation
    assert (operation.state, operation.attempt, operation.lease) == (State.PENDING, 1, None)
    assert (operation.failure, operation.finished_at) == (None, None)
    assert operation.available_at == START + 3 * SECOND + 2_500_000
    assert transition.event.data == {
        "failure": {"code": "crashed", "message": "the child died", "fault": "platform"},
        "delay_seconds": 2.5,
    }


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (-1, 0),
        (0, 0),
        (float("nan"), 0),
        (float("inf"), DELAY_SECONDS_LIMIT),
        (1e300, DELAY_SECONDS_LIMIT),
    ],
)
def test_no_delay_that_a_handler_asks_for_is_before_now_or_beyond_a_year(asked, seconds):
    transition = transitions.fail(running(), TOKEN, PLATFORM_FAILURE, asked, START + 3 * SECOND)
    assert transition.operation.available_at == START + (3 + seconds) * SECOND
    assert transition.event.data["delay_seconds"] == seconds


def test_when_all_attempts_failed_the_failure_says_so_and_keeps_the_last():
    cause = having(PLATFORM_FAILURE, field_errors={"a": "b"}, details={"signal": 9})
    last = having(running(), attempt=3)
    failure = transitions.fail(last, TOKEN, cause, 1, START + 3 * SECOND).operation.failure
    assert (failure.code, failure.fault) == ("attempts_exhausted", "platform")
    assert failure.message == "all 3 attempts failed; the last: the child died"
    assert (failure.field_errors, failure.cause) == ({"a": "b"}, cause)
    assert not failure.retryable


def test_an_operation_with_one_attempt_fails_with_what_happened():
    only = running(attempts_max=1)
    operation = transitions.fail(only, TOKEN, PLATFORM_FAILURE, 1, START + 3 * SECOND).operation
    assert (operation.state, operation.failure) == (State.FAILED, PLATFORM_FAILURE)


@pytest.mark.parametrize("failure", [USER_FAILURE, PLATFORM_FAILURE])
def test_an_attempt_that_fails_when_asked_to_stop_is_cancelled(failure):
    transition = transitions.fail(cancelling(), TOKEN, failure, 1, START + 3 * SECOND)
    assert transition.operation.state is State.CANCELLED
    assert transition.operation.failure is None
    assert transition.event.data["failure"]["code"] == failure.code


# Release


def test_a_released_attempt_does_not_count():
    transition = transitions.release(running(), TOKEN, START + 3 * SECOND)
    operation = transition.operation
    assert (operation.state, operation.attempt, operation.lease) == (State.PENDING, 0, None)
    assert operation.available_at == START + 3 * SECOND
    assert transition.event.attempt == 1


def test_the_progress_of_a_released_attempt_is_not_credited_to_the_one_that_bears_its_number():
    reported = transitions.report(running(), TOKEN, Report(done=9), START + 2 * SECOND).operation
    released = transitions.release(reported, TOKEN, START + 3 * SECOND).operation
    assert released.progress is None
    again = transitions.claim(released, lease("second"), START + 4 * SECOND).operation
    assert again.attempt == reported.attempt
    done = transitions.report(again, "second", Report(done=1), START + 5 * SECOND).operation
    assert done.progress.done == 1


def test_releasing_what_was_asked_to_stop_cancels_it():
    transition = transitions.release(cancelling(), TOKEN, START + 3 * SECOND)
    assert transition.operation.state is State.CANCELLED


# Lost leases


@pytest.mark.parametrize("state", State)
def test_nobody_loses_a_lease_that_is_not_there_or_has_not_expired(state):
    with pytest.raises(IllegalTransition, match="has not expired, or none"):
        transitions.lose(in_state(state), START + 15 * SECOND - 1)


def test_a_lease_is_lost_in_the_microsecond_of_its_expiry():
    assert transitions.lose(running(), START + 15 * SECOND).operation.lease is None


def test_a_lost_attempt_counts_and_is_followed_by_another():
    transition = transitions.lose(running(), START + 20 * SECOND)
    operation = transition.operation
    assert (operation.state, operation.attempt) == (State.PENDING, 1)
    assert operation.available_at == START + 20 * SECOND
    assert (transition.event.actor, transition.event.data) == (
        "system",
        {"worker": "w1", "attempt": 1},
    )


def test_losing_the_last_attempt_exhausts_the_operation():
    failure = transitions.lose(having(running(), attempt=3), START + DAY).operation.failure
    assert (failure.code, failure.cause.code) == ("attempts_exhausted", "lease_expired")
    assert failure.cause.details == {"worker": "w1", "attempt": 3}


def test_losing_the_only_attempt_fails_with_the_expired_lease():
    operation = transitions.lose(running(attempts_max=1), START + DAY).operation
    assert (operation.state, operation.failure.code) == (State.FAILED, "lease_expired")
    assert operation.failure.message == "worker w1 did not renew its lease on attempt 1"


def test_a_lease_lost_while_cancelling_is_not_called_cancelled():
    operation = transitions.lose(cancelling(), START + DAY).operation
    assert (operation.state, operation.failure.code) == (State.FAILED, "lost_while_cancelling")
    assert operation.failure.fault == "platform"


# Cancel


def test_a_pending_operation_that_is_asked_to_stop_is_cancelled_at_once():
    transition = transitions.request_cancel(pending(), "bob", START + SECOND)
    operation = transition.operation
    assert operation.state is State.CANCELLED
    assert operation.cancel_requested_at == operation.finished_at == START + SECOND
    assert (transition.event.type, transition.event.actor) == ("cancelled", "bob")


def test_a_running_operation_that_is_asked_to_stop_runs_until_its_code_has_stopped():
    transition = transitions.request_cancel(running(), "bob", START + 2 * SECOND)
    operation = transition.operation
    assert (operation.state, operation.lease) == (State.RUNNING, lease())
    assert operation.cancel_requested_at == START + 2 * SECOND
    assert (transition.event.type, transition.event.actor) == ("cancel_requested", "bob")


def test_asking_again_changes_nothing():
    before = cancelling()
    transition = transitions.request_cancel(before, "eve", START + 9 * SECOND)
    assert transition.operation is before
    assert transition.event is None


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED])
def test_cancel_of_a_finished_operation_is_refused(state):
    with pytest.raises(IllegalTransition):
        transitions.request_cancel(ended(state), "bob", START + 9 * SECOND)


def test_cancel_of_an_operation_that_ended_while_cancelling_is_refused():
    over = transitions.succeed(cancelling(), TOKEN, b"1", START + 3 * SECOND).operation
    with pytest.raises(IllegalTransition):
        transitions.request_cancel(over, "bob", START + 9 * SECOND)


def test_the_handler_acknowledges_a_request_once():
    seen = transitions.see_cancel(cancelling(), TOKEN, START + 3 * SECOND)
    assert seen.operation.cancel_seen_at == START + 3 * SECOND
    assert seen.event.type == "cancel_seen"
    again = transitions.see_cancel(seen.operation, TOKEN, START + 4 * SECOND)
    assert again.operation is seen.operation
    assert again.event is None


@pytest.mark.parametrize("name", ["see_cancel", "confirm_cancel"])
def test_a_cancel_that_nobody_asked_for_is_neither_seen_nor_confirmed(name):
    with pytest.raises(IllegalTransition, match="nobody asked"):
        FENCED[name](running(), TOKEN)


def test_cancelled_is_written_when_the_code_has_stopped():
    transition = transitions.confirm_cancel(cancelling(), TOKEN, START + 3 * SECOND)
    assert transition.operation.state is State.CANCELLED
    assert transition.event.actor == "w1"


# Deadline


@pytest.mark.parametrize("operation", [pending(deadline_at=DEADLINE), pending()])
def test_a_deadline_that_has_not_passed_or_is_not_there_fails_nothing(operation):
    with pytest.raises(IllegalTransition, match="no deadline, or it has not passed"):
        transitions.pass_deadline(operation, None, DEADLINE - 1)


def test_a_pending_operation_fails_when_its_deadline_passes():
    transition = transitions.pass_deadline(pending(deadline_at=DEADLINE), None, DEADLINE)
    assert transition.operation.failure.code == "deadline_exceeded"
    assert transition.event.actor == "system"


def test_an_attempt_that_was_stopped_at_its_deadline_fails():
    transition = transitions.pass_deadline(running(deadline_at=DEADLINE), TOKEN, DEADLINE)
    assert transition.operation.failure.code == "deadline_exceeded"
    assert (transition.operation.lease, transition.event.actor) == (None, "w1")


def test_a_running_operation_is_not_failed_by_who_holds_no_lease():
    with pytest.raises(LeaseLost):
        transitions.pass_deadline(running(deadline_at=DEADLINE), None, DEADLINE)


# What a handler says


def test_a_report_changes_progress_and_revision_and_leaves_the_history_alone():
    before = running()
    transition = transitions.report(before, TOKEN, Report(done=3, total=9), START + 2 * SECOND)
    assert transition.operation.progress.done == 3
    assert transition.operation.revision == before.revision + 1
    assert transition.event is None


def test_a_checkpoint_is_what_the_next_attempt_starts_from():
    saved = transitions.checkpoint(running(), TOKEN, b'{"row":7}', START + 2 * SECOND).operation
    lost = transitions.lose(saved, START + DAY).operation
    again = transitions.claim(lost, lease("second"), START + DAY + 1).operation
    assert again.checkpoint == b'{"row":7}'


def test_a_note_of_the_handler_is_an_event_of_the_name_it_gave():
    event = transitions.note(running(), TOKEN, "loss", {"value": 0.5}, START + 2 * SECOND).event
    assert (event.type, event.data, event.attempt) == ("loss", {"value": 0.5}, 1)


# Sequences: what holds whatever happens, in whatever order, whatever the clock does.

STEPS = {
    "claim": lambda op, _, now: transitions.claim(op, lease(f"t{op.revision}", now + SECOND), now),
    "succeed": lambda op, token, now: transitions.succeed(op, token, b"1", now),
    "fail": lambda op, token, now: transitions.fail(op, token, USER_FAILURE, 0, now),
    "fail and retry": lambda op, token, now: transitions.fail(op, token, PLATFORM_FAILURE, 9, now),
    "release": transitions.release,
    "lose": lambda op, _, now: transitions.lose(op, now),
    "cancel": lambda op, _, now: transitions.request_cancel(op, "bob", now),
    "see": transitions.see_cancel,
    "confirm": transitions.confirm_cancel,
    "deadline": lambda op, token, now: transitions.pass_deadline(op, op.lease and token, now),
    "checkpoint": lambda op, token, now: transitions.checkpoint(op, token, b"[]", now),
    "note": lambda op, token, now: transitions.note(op, token, "a", {}, now),
    "report little": lambda op, token, now: transitions.report(op, token, Report(done=1), now),
    "report much": lambda op, token, now: transitions.report(op, token, Report(done=9), now),
    "report words": lambda op, token, now: transitions.report(op, token, Report(stage="s"), now),
}
NEED_NO_TOKEN = {"claim", "lose", "cancel"}
CLOCKS = st.integers(-100 * SECOND, 100 * SECOND)
STORIES = st.lists(st.tuples(st.sampled_from(list(STEPS)), CLOCKS, st.booleans()), max_size=40)
WISHES = st.builds(
    submission,
    attempts_max=st.integers(1, 4),
    deadline_at=st.none() | st.integers(START + 1, START + 500 * SECOND),
    available_at=st.none() | st.integers(START - DAY, START + DAY),
)


def told(wish, story):
    """Every (before, transition) of a story, the creation first with None before it."""
    transition = transitions.submit(wish, ID, START)
    yield None, transition, False
    operation, now = transition.operation, START
    for step, passed, is_stale in story:
        now = max(0, now + passed)
        token = operation.lease.token if operation.lease and not is_stale else STALE
        try:
            transition = STEPS[step](operation, token, now)
        except (IllegalTransition, LeaseLost):
            continue
        yield operation, transition, is_stale and step not in NEED_NO_TOKEN
        operation = transition.operation


@given(WISHES, STORIES)
def test_revisions_grow_by_one_and_events_have_no_gaps(wish, story):
    events = []
    for before, transition, _ in told(wish, story):
        after = transition.operation
        if before is None:
            assert after.revision == 1
        elif after == before:
            assert transition.event is None
        else:
            assert after.revision == before.revision + 1
        if transition.event is not None:
            events.append(transition.event)
            assert transition.event.revision == after.revision
        assert [event.number for event in events] == list(range(1, after.event_count + 1))


@given(WISHES, STORIES)
def test_every_step_is_a_move_of_the_table(wish, story):
    for before, transition, _ in told(wish, story):
        if before is not None and transition.operation.state is not before.state:
            assert transition.operation.state in TRANSITIONS[before.state].values()


@given(WISHES, STORIES)
def test_terminal_never_changes(wish, story):
    for before, _, _ in told(wish, story):
        assert before is None or not before.state.is_terminal


@given(WISHES, STORIES)
def test_a_stale_token_is_taken_by_nobody(wish, story):
    for before, transition, is_stale in told(wish, story):
        if is_stale:
            # Only the deadline of a pending operation needs no token at all.
            assert before.state is State.PENDING
            assert transition.event.type == Event.DEADLINE_PASSED


@given(WISHES, STORIES)
def test_attempts_never_exceed_the_maximum(wish, story):
    for _, transition, _ in told(wish, story):
        assert 0 <= transition.operation.attempt <= wish.attempts_max


@given(WISHES, STORIES)
def test_who_runs_holds_a_lease_and_nobody_else_does(wish, story):
    for _, transition, _ in told(wish, story):
        operation = transition.operation
        assert (operation.lease is not None) == (operation.state is State.RUNNING)


@given(WISHES, STORIES)
def test_an_end_has_one_outcome(wish, story):
    for _, transition, _ in told(wish, story):
        operation = transition.operation
        assert (operation.result is not None) == (operation.state is State.SUCCEEDED)
        assert (operation.failure is not None) == (operation.state is State.FAILED)
        assert (operation.finished_at is not None) == operation.state.is_terminal
        assert (operation.expire_at is not None) == operation.state.is_terminal


@given(WISHES, STORIES)
def test_done_never_decreases_within_an_attempt(wish, story):
    for before, transition, _ in told(wish, story):
        earlier = None if before is None else before.progress
        after = transition.operation.progress
        # What a released attempt has said goes with it.
        if earlier and after and earlier.attempt == after.attempt:
            assert (after.done or 0) >= (earlier.done or 0)


@given(WISHES, STORIES)
def test_no_instant_precedes_what_led_to_it_even_when_the_clock_goes_back(wish, story):
    last_at = START
    for before, transition, _ in told(wish, story):
        one = transition.operation
        assert one.updated_at >= (before or one).updated_at
        for earlier, later in [
            (one.created_at, one.started_at),
            (one.created_at, one.finished_at),
            (one.started_at, one.finished_at),
            (one.created_at, one.cancel_requested_at),
            (one.cancel_requested_at, one.cancel_seen_at),
            (one.cancel_seen_at, one.finished_at),
            (one.finished_at, one.expire_at),
        ]:
            assert earlier is None or later is None or earlier <= later <= 2**63
        if transition.event is not None:
            assert last_at <= transition.event.at == one.updated_at
            last_at = transition.event.at


@given(WISHES, STORIES)
def test_an_operation_that_was_asked_to_stop_is_not_tried_again(wish, story):
    for before, transition, _ in told(wish, story):
        if before is not None and before.cancel_requested_at is not None:
            assert transition.operation.state is not State.PENDING
