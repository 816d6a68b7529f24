import json

import msgspec
import pytest

from outlast.http.metrics import Metrics
from outlast.http.rendering import ResourceView, encode, instant, retry_after, view
from outlast.operations.failure import Failure
from outlast.operations.model import SECOND, Operation
from outlast.operations.progress import Report, ResourceProgress, advance
from outlast.operations.states import State

NOW = 1_795_341_600_123_456


def operation(**fields):
    base = {
        "id": "06H01JXRD8A4CEG8HVXD", "tenant": "t", "created_by": "ada", "kind": "add",
        "kind_version": "1", "state": State.FAILED, "revision": 3, "event_count": 3,
        "created_at": NOW, "updated_at": NOW, "available_at": NOW, "attempt": 1,
        "attempts_max": 1, "priority": 0, "retention_seconds": 60,
    }  # fmt: skip
    return Operation(**base | fields)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (NOW, "2026-11-22T10:00:00.123Z"),
        (NOW + 876_543, "2026-11-22T10:00:00.999Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_an_instant_is_rfc_3339_in_milliseconds(at, text):
    assert instant(at) == text


@pytest.mark.parametrize(
    ("age_seconds", "answer"), [(-5, 1), (0, 1), (19, 1), (20, 2), (150, 15), (300, 30), (9999, 30)]
)
def test_retry_after_is_a_tenth_of_the_age_from_1_to_30(age_seconds, answer):
    assert retry_after(operation(), NOW + age_seconds * SECOND) == b"%d" % answer


def test_a_failure_shows_all_keys_and_its_causes():
    cause = Failure(code="crashed", message="exit 1", fault="platform", details={"exit": 1})
    failure = Failure(code="attempts_exhausted", message="all", fault="platform", cause=cause)
    shown = json.loads(encode(view(operation(failure=failure))))["failure"]
    assert shown == {
        "code": "attempts_exhausted",
        "message": "all",
        "fault": "platform",
        "retryable": False,
        "retry_after_seconds": None,
        "field_errors": {},
        "details": {},
        "cause": {
            "code": "crashed",
            "message": "exit 1",
            "fault": "platform",
            "retryable": False,
            "retry_after_seconds": None,
            "field_errors": {},
            "details": {"exit": 1},
            "cause": None,
        },
    }


def test_nothing_of_the_inside_is_shown():
    shown = json.loads(encode(view(operation(fingerprint=b"x", idempotency_key="k"))))
    hidden = {"tenant", "lease", "checkpoint", "fingerprint", "idempotency_key", "traceparent"}
    assert not hidden & shown.keys()


def test_metrics_escape_what_they_show():
    metrics = Metrics({})
    metrics.count_created('a"b\\c\nd', is_new=False)
    line = 'outlast_operations_submitted_total{kind="a\\"b\\\\c\\nd",outcome="replayed"} 1'
    assert line in metrics.render().decode().splitlines()


def test_the_resources_that_are_written_as_they_are_kept_have_the_keys_that_the_api_names():
    resources = [ResourceProgress(urn="a"), ResourceProgress(urn="b", status="running")]
    progress = advance(None, Report(resources=resources), 1, NOW)
    shown = json.loads(encode(view(operation(progress=progress))))["progress"]
    for one in shown["resources"]:
        assert list(one) == list(ResourceView.__struct_fields__)
        msgspec.convert(one, ResourceView)
    assert shown["summary"] == {
        "total": 2, "pending": 1, "running": 1, "succeeded": 0, "failed": 0, "unchanged": 0,
    }  # fmt: skip
