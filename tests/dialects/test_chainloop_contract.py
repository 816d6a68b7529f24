import json
from pathlib import Path
from typing import ClassVar

import chainloop_proto
import msgspec
import pytest
from chainloop_examples import EVIDENCE, EXAMPLES
from google.protobuf.json_format import ParseError
from hypothesis import given
from hypothesis import strategies as some

from outlast.dialects.chainloop import Chainloop
from outlast.dialects.chainloop.operations import AsyncOperationResult, ListOperationsResponse
from outlast.dialects.chainloop.paging import SIZE_MAX, read_window
from outlast.dialects.chainloop.words import STATUSES, Status, read_status
from outlast.dialects.port import FieldFault, Refusal, Reply
from outlast.http.errors import STATUS
from outlast.operations.errors import Invalid
from outlast.operations.failure import Failure
from outlast.operations.states import State
from outlast.testing.dialect_contract import DialectContract, make_operation
from outlast.testing.goldens import golden_files, golden_name, read_golden

DIALECT = Chainloop()
FOLDER = Path(__file__).parent / "chainloop"
SEED = json.loads((Path(__file__).parent / "chainloop_sample.json").read_text())
EVALUATION = EXAMPLES["evidence_evaluation"]


class TestChainloop(DialectContract):
    dialect = DIALECT
    examples: ClassVar = EXAMPLES
    shows_all = True


def rendered(state, example=EVALUATION, **fields):
    operation = make_operation("evidence_evaluation", example, state, **fields)
    return msgspec.json.decode(DIALECT.render(operation).body)["operation"]


def refused(code, **fields):
    refusal = Refusal(code=code, status=STATUS[code], message="no", request_id="r-1", **fields)
    reply = DIALECT.render_refusal(refusal)
    return reply.status, msgspec.json.decode(reply.body)


def test_an_operation_has_every_field_of_the_published_page_in_every_state():
    (sample, _) = SEED["operations"]
    for state in State:
        assert rendered(state).keys() == sample.keys()
    assert sample.keys() == set(AsyncOperationResult.__struct_fields__)


def test_the_published_sample_is_a_list_here():
    listed = msgspec.convert(SEED, ListOperationsResponse)
    assert msgspec.to_builtins(listed) == SEED
    chainloop_proto.parse("ListOperationsResponse", json.dumps(SEED))


def test_the_output_is_the_result_as_json_text():
    assert json.loads(rendered(State.SUCCEEDED)["output"]) == EVALUATION.result
    for state in set(State) - {State.SUCCEEDED}:
        assert rendered(state)["output"] == ""
    nothing = msgspec.structs.replace(EVALUATION, result=None)
    assert rendered(State.SUCCEEDED, nothing)["output"] == ""
    text = msgspec.structs.replace(EVALUATION, result="passed")
    assert rendered(State.SUCCEEDED, text)["output"] == '"passed"'


def test_what_there_is_none_of_is_empty_and_an_instant_that_is_not_yet_is_null():
    shown = rendered(State.PENDING)
    texts = ("error_message", "resource_type", "resource_id", "project_id", "project_version_id")
    assert [shown[name] for name in texts] == [""] * len(texts)
    assert (shown["started_at"], shown["finished_at"]) == (None, None)
    assert shown["created_at"] == "2025-10-10T15:12:04.250Z"


def test_what_an_operation_is_about_is_shown():
    about = {
        "resource_type": "evidence",
        "resource_id": EVIDENCE,
        "project": "shop",
        "project_version": "v1.2",
    }
    shown = rendered(State.RUNNING, **about)
    names = ("resource_type", "resource_id", "project_id", "project_version_id")
    assert [shown[name] for name in names] == list(about.values())


def test_a_failure_says_why_and_names_the_fields_that_its_message_does_not():
    failure = Failure(
        code="c", message="a: no", fault="user", field_errors={"a": "no", "b[0].c": "too"}
    )
    assert rendered(State.FAILED, failure=failure)["error_message"] == "a: no; b[0].c: too"
    silent = Failure(code="crashed", message="", fault="platform")
    assert rendered(State.FAILED, failure=silent)["error_message"] == "crashed"


def test_what_was_cancelled_has_failed_and_says_that_it_was_cancelled():
    shown = rendered(State.CANCELLED)
    assert shown["status"] == "ASYNC_OPERATION_STATUS_FAILED"
    assert shown["error_message"] == "The operation was cancelled"
    reply = Reply(body=msgspec.json.encode({"operation": shown}))
    assert DIALECT.read(reply).state is State.CANCELLED


def test_no_state_is_shown_as_unspecified():
    assert set(STATUSES.values()) == set(Status) - {Status.UNSPECIFIED}


def test_another_server_may_leave_out_what_has_its_default():
    body = {"id": "1", "status": "ASYNC_OPERATION_STATUS_RUNNING"}
    reading = DIALECT.read(Reply(body=msgspec.json.encode({"operation": body})))
    assert (reading.state, reading.created_at) == (State.RUNNING, None)


@pytest.mark.parametrize(
    "operation",
    [
        {"status": "ASYNC_OPERATION_STATUS_RUNNING"},
        {"id": "1"},
        {"id": "1", "status": "ASYNC_OPERATION_STATUS_UNSPECIFIED"},
        {"id": "1", "status": "RUNNING"},
        {"id": "1", "status": "ASYNC_OPERATION_STATUS_RUNNING", "created_at": "yesterday"},
    ],
)
def test_what_says_no_status_is_not_read(operation):
    with pytest.raises(ValueError, match=r"."):
        DIALECT.read(Reply(body=msgspec.json.encode({"operation": operation})))


@pytest.mark.parametrize(("number", "status"), list(enumerate(Status)))
def test_a_status_is_asked_for_by_its_name_and_by_its_number(number, status):
    states = read_status(status)
    assert read_status(str(number)) == states
    assert states == {state for state, word in STATUSES.items() if word is status}


@pytest.mark.parametrize("text", ["COMPLETED", "5", "-1", "00", "async_operation_status_failed"])
def test_another_status_is_refused(text):
    with pytest.raises(Invalid, match="status is one of"):
        read_status(text)


@pytest.mark.parametrize(
    ("page", "size", "found"),
    [
        (None, None, (1, SIZE_MAX, 0)),
        ("", "", (1, SIZE_MAX, 0)),
        ("0", "0", (1, SIZE_MAX, 0)),
        ("1", "20", (1, 20, 0)),
        ("3", "20", (3, 20, 40)),
        ("2", "5000", (2, SIZE_MAX, SIZE_MAX)),
    ],
)
def test_a_page_is_counted_from_one_and_is_at_most_a_hundred(page, size, found):
    window = read_window(page, size)
    assert (window.page, window.size, window.offset) == found


@pytest.mark.parametrize("text", ["-1", "1.0", "x", "1e3", "2147483648", "٣", " 1"])
def test_what_is_no_page_number_is_refused(text):
    for page, size, name in ((text, None, "pagination.page"), (None, text, "pagination.page_size")):
        with pytest.raises(Invalid) as caught:
            read_window(page, size)
        assert list(caught.value.field_errors) == [name]


@pytest.mark.parametrize(
    ("total", "size", "pages"), [(0, 10, 0), (1, 10, 1), (10, 10, 1), (11, 10, 2)]
)
def test_the_pages_are_counted(total, size, pages):
    said = read_window("1", str(size)).of(total)
    assert (said.total_count, said.page_size, said.total_pages) == (total, size, pages)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("invalid_request", (400, 3)),
        ("invalid_spec", (400, 3)),
        ("too_large", (400, 3)),
        ("unauthenticated", (401, 16)),
        ("forbidden", (403, 7)),
        ("not_found", (404, 5)),
        ("resource_exists", (409, 6)),
        ("revision_mismatch", (409, 10)),
        ("not_terminal", (400, 9)),
        ("method_not_allowed", (405, 12)),
        ("rate_limited", (429, 8)),
        ("internal_error", (500, 13)),
        ("not_supported", (501, 12)),
        ("unavailable", (503, 14)),
        ("backend_timed_out", (504, 4)),
    ],
)
def test_a_refusal_has_the_code_and_the_status_of_a_gateway(code, found):
    status, body = refused(code)
    assert (status, body["code"]) == found
    assert body == {"code": found[1], "message": "no", "details": []}


def test_a_refusal_names_every_field():
    faults = (
        FieldFault(place="query", path="status", reason="unknown"),
        FieldFault(place="query", path="no", reason="is named"),
    )
    assert refused("invalid_request", faults=faults)[1]["message"] == "no; status: unknown"


@pytest.mark.parametrize("state", State)
def test_protobuf_reads_what_was_rendered_and_would_write_the_same(state):
    operation = make_operation("evidence_evaluation", EVALUATION, state, project="shop")
    body = DIALECT.render(operation).body
    message = chainloop_proto.parse("GetOperationResponse", body)
    nulls = {"started_at", "finished_at"}
    ours = {
        name: value
        for name, value in json.loads(body)["operation"].items()
        if not (name in nulls and value is None)
    }
    assert chainloop_proto.shown(message)["operation"] == ours


@given(text=some.text(some.characters(codec="utf-8"), max_size=50))
def test_protobuf_reads_any_text_of_a_result_and_of_a_failure(text):
    example = msgspec.structs.replace(EVALUATION, result={"text": text})
    done = make_operation("evidence_evaluation", example, State.SUCCEEDED)
    failure = Failure(code="c", message=text, fault="user")
    broken = make_operation("evidence_evaluation", example, State.FAILED, failure=failure)
    listed = DIALECT.render_list([done, broken], has_more=False).body
    message = chainloop_proto.parse("ListOperationsResponse", listed)
    assert json.loads(message.operations[0].output) == {"text": text}
    assert message.operations[1].error_message == (text or "c")


@pytest.mark.parametrize("path", golden_files(FOLDER), ids=golden_name)
def test_protobuf_reads_every_golden_answer(path):
    golden = read_golden(path)
    body = msgspec.json.encode(golden.response.json)
    for name in ("GetOperationResponse", "ListOperationsResponse", "EvaluateEvidenceResponse"):
        if golden.response.status == 200 and _has_fields(name, golden.response.json):
            chainloop_proto.parse(name, body)
            return
    assert golden.response.status >= 400
    chainloop_proto.parse("Status", body)


def _has_fields(name, document):
    return document.keys() == chainloop_proto.MESSAGES[name].keys()


def test_protobuf_would_see_a_field_that_is_not_of_the_wire():
    with pytest.raises(ParseError):
        chainloop_proto.parse("GetOperationResponse", '{"operation": {"state": "running"}}')
