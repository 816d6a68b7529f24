import json
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from gooddata_examples import EXAMPLES

from outlast.dialects.gooddata import GoodData
from outlast.dialects.gooddata.operations import AnyOperation
from outlast.dialects.gooddata.words import WORDS, OperationKind, Status
from outlast.dialects.port import Reply
from outlast.operations.failure import Failure
from outlast.operations.states import State
from outlast.testing.dialect_contract import DialectContract, make_operation

DIALECT = GoodData()
SAMPLES = json.loads((Path(__file__).parent / "gooddata_samples.json").read_text())
ANALYZE = EXAMPLES["analyze_statistics"]


class TestGoodData(DialectContract):
    dialect = DIALECT
    examples: ClassVar = EXAMPLES


def rendered(state, example=ANALYZE, **fields):
    operation = make_operation("analyze_statistics", example, state, **fields)
    return msgspec.json.decode(DIALECT.render(operation).body)


def failed(**fields):
    failure = Failure(**({"code": "c", "message": "m", "fault": "user"} | fields))
    return rendered(State.FAILED, failure=failure)["error"]


def test_every_kind_has_an_example():
    assert EXAMPLES.keys() == WORDS.keys()
    assert set(WORDS.values()) == set(OperationKind)


@pytest.mark.parametrize("state", State)
def test_each_status_has_exactly_the_fields_of_the_published_page(state):
    fields = {Status.PENDING: set(), Status.SUCCEEDED: {"result"}, Status.FAILED: {"error"}}
    shown = rendered(state)
    assert shown.keys() == {"id", "kind", "status"} | fields[shown["status"]]


def test_a_result_that_is_nothing_is_left_out_since_clients_take_no_null():
    nothing = msgspec.structs.replace(ANALYZE, result=None)
    assert rendered(State.SUCCEEDED, nothing).keys() == {"id", "kind", "status"}


def test_a_result_that_is_no_object_is_put_into_one():
    number = msgspec.structs.replace(ANALYZE, result=[1, 2])
    assert rendered(State.SUCCEEDED, number)["result"] == {"value": [1, 2]}


def test_what_was_cancelled_has_failed_and_says_that_it_was_cancelled():
    shown = rendered(State.CANCELLED)
    assert shown["status"] == "failed"
    assert shown["error"] == {
        "title": "Cancelled",
        "status": 499,
        "detail": "The operation was cancelled",
    }
    reading = DIALECT.read(Reply(body=msgspec.json.encode(shown)))
    assert (reading.state, reading.failure) == (State.CANCELLED, "The operation was cancelled")


@pytest.mark.parametrize(
    ("code", "fault", "status", "title"),
    [
        ("handler_error", "platform", 500, "Internal Server Error"),
        ("query_failed", "user", 400, "Bad Request"),
        ("resource_exists", "user", 409, "Conflict"),
        ("not_found", "user", 404, "Not Found"),
        ("deadline_exceeded", "platform", 504, "Gateway Timeout"),
    ],
)
def test_a_failure_has_the_status_of_what_went_wrong(code, fault, status, title):
    assert failed(code=code, fault=fault) == {"title": title, "status": status, "detail": "m"}


def test_a_failure_names_the_fields_that_are_at_fault():
    shown = failed(message="no such column", field_errors={"column_overrides.n": "is not there"})
    assert shown["detail"] == "no such column; column_overrides.n: is not there"


def test_the_id_that_a_caller_chose_is_the_operations_id():
    chosen = "e9fd5d74-8a1b-46bd-ac60-bd91e9206897"
    assert rendered(State.PENDING, alias=chosen)["id"] == chosen


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["source"])
def test_a_sample_of_the_wire_is_an_operation_here_to_the_letter(sample):
    operation = msgspec.convert(sample["operation"], AnyOperation)
    assert msgspec.to_builtins(operation) == sample["operation"]


@pytest.mark.parametrize(
    "operation",
    [
        {"id": "1", "kind": "provision-database", "status": "running"},
        {"id": "1", "kind": "refresh-partition", "status": "pending"},
        {"id": "1", "kind": "provision-database", "status": "failed"},
        {"id": "1", "kind": "provision-database", "status": "succeeded", "result": None},
    ],
)
def test_what_their_client_would_not_read_is_not_read_here(operation):
    with pytest.raises(ValueError, match="not an operation"):
        DIALECT.read(Reply(body=msgspec.json.encode(operation)))
