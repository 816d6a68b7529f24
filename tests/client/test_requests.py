from datetime import UTC, datetime

import msgspec
import pytest
from playing import answer, operation

from outlast.client import dataset_requests, requests
from outlast.client.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthenticated,
    Unavailable,
    UnreadableAnswer,
)
from outlast.client.requests import Filter, Submission
from outlast.client.wire import Answer, path, refusal


def test_a_submission_sends_what_was_given_and_nothing_else():
    request = requests.submit(Submission(kind="count", spec={"steps": 2})).request
    assert (request.method, request.path) == ("POST", "/v1/operations")
    assert msgspec.json.decode(request.body) == {"kind": "count", "spec": {"steps": 2}}
    assert "prefer" not in request.headers


def test_a_submission_sends_its_names_and_its_wait_as_headers():
    submission = Submission(kind="count", spec={}, idempotency_key="k", operation_id="mine")
    request = requests.submit(submission, wait_seconds=2.2).request
    assert request.headers["idempotency-key"] == "k"
    assert request.headers["operation-id"] == "mine"
    assert request.headers["prefer"] == "wait=3"


def test_only_a_submission_with_a_name_may_be_sent_twice():
    assert not requests.submit(Submission(kind="count", spec={})).request.repeatable
    assert requests.submit(
        Submission(kind="count", spec={}, idempotency_key="k")
    ).request.repeatable
    assert requests.submit(Submission(kind="count", spec={}, operation_id="o")).request.repeatable


def test_instants_are_sent_in_utc_with_milliseconds():
    at = datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)
    request = requests.submit(Submission(kind="count", spec={}, available_at=at)).request
    assert msgspec.json.decode(request.body)["available_at"] == "2026-11-22T10:00:00.123Z"


def test_a_spec_is_sent_as_it_was_written():
    spec = msgspec.Raw(b'{"n": 1.50, "n2": 9007199254740993}')
    request = requests.submit(Submission(kind="count", spec=spec)).request
    assert b'{"n": 1.50, "n2": 9007199254740993}' in request.body


def test_nothing_in_a_reference_can_leave_its_place_in_the_path():
    assert path("operations", "../tokens?x=1#y") == "/v1/operations/..%2Ftokens%3Fx%3D1%23y"


def test_a_filter_repeats_names_and_prefixes_labels():
    matching = Filter(states=["pending", "running"], labels={"team": "a b"}, project="p")
    request = requests.list_page(matching, page_size=5, page_token="t").request
    assert list(request.query) == [
        ("state", "pending"),
        ("state", "running"),
        ("project", "p"),
        ("page_size", "5"),
        ("page_token", "t"),
        ("label.team", "a b"),
    ]


def test_an_empty_filter_asks_for_everything():
    assert list(requests.list_page(Filter(), page_size=None).request.query) == []


def test_the_server_is_never_asked_to_wait_longer_than_it_would():
    request = requests.get("x", wait_seconds=1000).request
    assert list(request.query) == [("wait", "60")]
    assert request.read_seconds > 60


def test_an_unchanged_operation_is_none():
    call = requests.get_changed("x", 7)
    assert call.request.headers["if-none-match"] == '"7"'
    assert call.read(Answer(304, {})) is None
    assert call.read(answer(operation(revision=8))).revision == 8


def test_fields_of_a_newer_server_are_ignored():
    found = requests.get("x").read(answer(operation(from_the_future={"a": 1}, state="paused")))
    assert (found.state, found.is_terminal) == ("paused", False)


def test_an_answer_that_is_not_ours_is_said_to_be_so():
    with pytest.raises(UnreadableAnswer, match="not one of an Outlast server"):
        requests.get("x").read(Answer(200, {}, b"<html>hello</html>"))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, InvalidRequest),
        (401, Unauthenticated),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (422, InvalidRequest),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_a_status_has_its_error(status, expected):
    assert type(refusal(Answer(status, {}))) is expected


def test_a_problem_keeps_all_that_it_says():
    error = refusal(
        answer(
            {
                "code": "invalid_spec",
                "detail": "no",
                "field_errors": {"a": "b"},
                "details": {"c": 1},
                "request_id": "r",
            },
            422,
        )
    )
    assert (error.code, error.status, error.detail) == ("invalid_spec", 422, "no")
    assert (error.field_errors, error.details, error.request_id) == ({"a": "b"}, {"c": 1}, "r")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'"text"', b"\xff"])
def test_a_refusal_without_a_problem_is_told_by_its_status(body):
    error = refusal(Answer(502, {"x-request-id": "r"}, body))
    assert (error.code, error.detail, error.request_id) == ("http_502", "HTTP 502", "r")


def test_the_suffix_tells_what_is_uploaded(tmp_path):
    request = dataset_requests.upload("d", tmp_path / "rows.CSV", name="v1").request
    assert request.headers["content-type"] == "text/csv"
    assert list(request.query) == [("name", "v1")]
    with pytest.raises(InvalidRequest, match=r"\.parquet"):
        dataset_requests.upload("d", tmp_path / "rows.xlsx")
