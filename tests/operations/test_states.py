"""The table of legal moves, against a second one that was written by hand from the design."""

from itertools import product

import pytest

from outlast.operations.errors import Invalid
from outlast.operations.states import QUIET_EVENTS, TRANSITIONS, Event, State, check_event_type

LEGAL = {
    ("pending", "claimed"): "running",
    ("pending", "cancelled"): "cancelled",
    ("pending", "deadline_passed"): "failed",
    ("running", "succeeded"): "succeeded",
    ("running", "failed"): "failed",
    ("running", "retry_scheduled"): "pending",
    ("running", "released"): "pending",
    ("running", "lease_lost"): "pending",
    ("running", "cancel_requested"): "running",
    ("running", "cancel_seen"): "running",
    ("running", "cancelled"): "cancelled",
    ("running", "deadline_passed"): "failed",
    ("running", "reported"): "running",
    ("running", "checkpointed"): "running",
    ("running", "noted"): "running",
}


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_every_pair_is_legal_or_illegal_as_the_design_says(state, event):
    assert TRANSITIONS[state].get(event) == LEGAL.get((state.value, event.value))


def test_every_state_has_a_row_and_every_move_leads_to_a_state():
    assert set(TRANSITIONS) == set(State)
    assert {target for row in TRANSITIONS.values() for target in row.values()} <= set(State)


def test_the_terminal_states_are_those_that_nothing_leads_out_of():
    assert {state for state in State if state.is_terminal} == {
        State.SUCCEEDED,
        State.FAILED,
        State.CANCELLED,
    }


def test_creation_is_an_event_that_happens_to_no_stored_operation():
    assert all(Event.CREATED not in row for row in TRANSITIONS.values())


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        TRANSITIONS[State.FAILED][Event.CLAIMED] = State.RUNNING
    with pytest.raises(TypeError):
        TRANSITIONS[State.FAILED] = {}


def test_only_progress_and_checkpoints_are_left_out_of_the_history():
    assert {Event.REPORTED, Event.CHECKPOINTED} == QUIET_EVENTS


@pytest.mark.parametrize("event_type", ["loss", "half_way", "epoch.1", "a-b"])
def test_a_handler_may_name_an_event(event_type):
    check_event_type(event_type)


@pytest.mark.parametrize(
    "event_type", [*Event, "", "Loss", "1st", "a b", "a\n", "a" * 64, "\u00e9"]
)
def test_a_handler_may_not_name_an_event_as_the_platform_does_or_with_odd_characters(event_type):
    with pytest.raises(Invalid):
        check_event_type(event_type)
