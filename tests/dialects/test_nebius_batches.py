"""Batches on the wire, for every state that an operation can be in."""

import msgspec
import pytest

from outlast.dialects.nebius.batches import (
    BatchStatus,
    batch_on_wire,
    batch_status,
    request_counts,
)
from outlast.operations.failure import Failure
from outlast.operations.model import SECOND, Operation
from outlast.operations.progress import Progress
from outlast.operations.states import State

NOW = 1_700_000_000 * SECOND
WORDS = set(msgspec.inspect.type_info(BatchStatus).values)


def operation(state=State.PENDING, stage=None, **fields):
    progress = None if stage is None else Progress(attempt=1, at=NOW, stage=stage)
    defaults = {
        "id": "06EV00000000000000R0",
        "tenant": "default",
        "created_by": "ann",
        "kind": "batch_inference",
        "kind_version": "1",
        "state": state,
        "revision": 1,
        "event_count": 1,
        "created_at": NOW,
        "updated_at": NOW,
        "available_at": NOW,
        "attempt": 0 if state is State.PENDING else 1,
        "attempts_max": 3,
        "priority": 0,
        "retention_seconds": 1,
        "progress": progress,
        "finished_at": NOW + 9 * SECOND if state.is_terminal else None,
        "spec": b'{"model":"m","file":"06EV00000000000000R0"}',
    }
    return Operation(**(defaults | fields))


def failure(code="invalid_rows", **details):
    return Failure(code=code, message="It failed.", fault="user", details=details)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (operation(), "validating"),
        (operation(attempt=1), "in_progress"),
        (operation(State.RUNNING), "validating"),
        (operation(State.RUNNING, "validating"), "validating"),
        (operation(State.RUNNING, "loading"), "in_progress"),
        (operation(State.RUNNING, "running"), "in_progress"),
        (operation(State.RUNNING, "finalizing"), "finalizing"),
        (operation(State.RUNNING, "running", cancel_requested_at=NOW), "cancelling"),
        (operation(State.SUCCEEDED, "finalizing"), "completed"),
        (operation(State.CANCELLED, "running", cancel_requested_at=NOW), "cancelled"),
        (operation(State.FAILED, failure=failure()), "failed"),
        (operation(State.FAILED, failure=failure("deadline_exceeded")), "expired"),
        (operation(State.FAILED), "failed"),
    ],
)
def test_a_batch_has_a_word_for_where_it_stands(given, word):
    assert batch_status(given) == word


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("stage", [None, "", "validating", "running", "anything"])
def test_every_state_and_stage_has_a_word_and_only_the_last_ones_end_the_polling(state, stage):
    word = batch_status(operation(state, stage))
    assert word in WORDS
    assert (word in {"completed", "failed", "expired", "cancelled"}) == state.is_terminal


@pytest.mark.parametrize(
    ("fields", "completed"),
    [
        ({}, 0),
        ({"checkpoint": b'{"counts":{"total":5,"completed":2}}'}, 2),
        ({"checkpoint": b'{"counts":{"total":5,"completed":2}}', "result": b'{"counts":{}}'}, 0),
        ({"failure": failure(counts={"total": 5, "completed": 3})}, 3),
        ({"failure": failure(), "checkpoint": b'{"counts":{"completed":1}}'}, 1),
    ],
)
def test_the_counts_are_those_of_the_end_or_else_of_the_checkpoint(fields, completed):
    assert request_counts(operation(State.FAILED, **fields)).completed == completed


@pytest.mark.parametrize(
    ("state", "fields", "instant"),
    [
        (State.SUCCEEDED, {}, "completed_at"),
        (State.FAILED, {"failure": failure()}, "failed_at"),
        (State.FAILED, {"failure": failure("deadline_exceeded")}, "expired_at"),
        (State.CANCELLED, {}, "cancelled_at"),
    ],
)
def test_a_batch_that_has_ended_says_when_in_the_field_for_its_end(state, fields, instant):
    batch = batch_on_wire(operation(state, **fields), output_file=None, error_file=None)
    ends = {"completed_at", "failed_at", "expired_at", "cancelled_at"}
    assert {name for name in ends if getattr(batch, name) is not None} == {instant}


def test_the_rows_of_a_failure_are_its_errors_with_their_lines():
    rows = [{"line": 3, "custom_id": "a", "reason": "no"}]
    failed = operation(State.FAILED, failure=failure(rows=rows, lines=["Line:3 custom_id:a no"]))
    batch = batch_on_wire(failed, output_file=None, error_file=None)
    told = [(error.code, error.message, error.line) for error in batch.errors.data]
    assert told == [
        ("invalid_rows", "It failed.", None),
        ("invalid_rows", "Line:3 custom_id:a no", 3),
    ]


def test_a_batch_of_a_dataset_shows_the_dataset_as_its_input():
    spec = b'{"model":"m","src":{"dataset":"chats"},"mapping":{"messages":"m"}}'
    batch = batch_on_wire(operation(spec=spec), output_file=None, error_file=None)
    assert (batch.input_file_id, batch.completion_window) == ("chats", "24h")
