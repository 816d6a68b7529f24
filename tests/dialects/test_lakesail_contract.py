import json
import re
from pathlib import Path
from typing import ClassVar, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some
from lakesail_examples import EXAMPLES, STACK

from outlast.dialects.lakesail import LakeSail
from outlast.dialects.lakesail.ids import show_id, show_name
from outlast.dialects.lakesail.operations import LakeSailOperation
from outlast.dialects.lakesail.words import ErrorType
from outlast.dialects.port import FieldFault, Refusal, Reply
from outlast.operations.failure import Failure
from outlast.operations.ids import is_id
from outlast.operations.progress import Report, ResourceProgress, ResourceStatus, advance, count
from outlast.operations.states import State
from outlast.testing.dialect_contract import DialectContract, Example, make_operation

DIALECT = LakeSail()
SEED = json.loads((Path(__file__).parent / "lakesail_sample.json").read_text())
ALWAYS = {"id", "organizationId", "memberId", "operation", "status", "createdAt", "updatedAt"}
ID = re.compile(r"[A-Z0-9]{1,20}")


class TestLakeSail(DialectContract):
    dialect = DIALECT
    examples: ClassVar = EXAMPLES
    shows_all = True


def rendered(state, kind="sql_query", example=None, **fields):
    operation = make_operation(kind, example or EXAMPLES[kind], state, **fields)
    return msgspec.json.decode(DIALECT.render(operation).body)


def progress(**said):
    return advance(None, Report(**said), 1, 1)


def failed(**fields):
    failure = Failure(**({"code": "c", "message": "m", "fault": "user"} | fields))
    return rendered(State.FAILED, failure=failure, request_id="r-1")["error"]


def refused(code="invalid_spec", status=422, **fields):
    refusal = Refusal(code=code, status=status, message="no", request_id="r-1", **fields)
    reply = DIALECT.render_refusal(refusal)
    return reply.status, msgspec.json.decode(reply.body)


@pytest.mark.parametrize(
    ("state", "more"),
    [
        (State.PENDING, set()),
        (State.RUNNING, {"startedAt"}),
        (State.SUCCEEDED, {"startedAt", "completedAt", "result"}),
        (State.FAILED, {"startedAt", "completedAt", "error"}),
        (State.CANCELLED, {"startedAt", "completedAt", "error"}),
    ],
)
def test_each_status_has_exactly_the_keys_that_are_known(state, more):
    assert rendered(state).keys() == ALWAYS | more


def test_the_published_sample_is_an_operation_here_with_every_key_of_it():
    text = json.dumps(SEED["operation"])
    known = msgspec.json.decode(text, type=LakeSailOperation)
    assert json.loads(msgspec.json.encode(known)) == SEED["operation"]
    operation = make_operation(
        "discover_instance_types",
        EXAMPLES["discover_instance_types"],
        State.SUCCEEDED,
        resource_type="connection",
        resource_id=STACK,
        progress=progress(
            resources=[ResourceProgress(urn="u", status="succeeded", duration_seconds=1.5)]
        ),
    )
    shown = msgspec.json.decode(DIALECT.render(operation).body)
    failure = rendered(
        State.FAILED,
        request_id="r-1",
        failure=Failure(
            code="c",
            message="m",
            fault="user",
            retry_after_seconds=1,
            field_errors={"additionalProperties": "string"},
            cause=Failure(code="c", message="m", fault="platform"),
        ),
    )
    assert keys_of(shown | {"error": failure["error"]}) == keys_of(SEED["operation"])


def keys_of(value):
    """The keys of a document, of all that is in it."""
    match value:
        case dict():
            return {name: keys_of(inner) for name, inner in value.items()}
        case list():
            return [keys_of(inner) for inner in value]
    return None


@pytest.mark.parametrize(
    ("kind", "resource_type", "spec", "word"),
    [
        ("deploy", "stack", {"stack": STACK}, "deploy-stack"),
        ("deploy", "stack", {"module": "m", "name": "n"}, "deploy-stack"),
        ("deploy", "network", {"module": "m", "name": "n"}, "provision-network"),
        ("deploy", "network", {"stack": STACK}, "update-network"),
        ("deploy", "cluster", {"module": "m", "name": "n"}, "provision-cluster"),
        ("destroy", "cluster", {"stack": STACK}, "delete-cluster"),
        ("destroy", "stack", {"stack": STACK}, "destroy-stack"),
        ("discover_instance_types", None, {}, "discover-instance-types"),
        ("sql_query", "dataset", {}, "sql-query"),
    ],
)
def test_an_operation_is_a_verb_and_a_noun(kind, resource_type, spec, word):
    id = None if resource_type is None else STACK
    example = Example(spec=spec, result={"items": []})
    for state in State:
        fields = {"resource_type": resource_type, "resource_id": id}
        operation = make_operation(kind, example, state, **fields)
        reply = DIALECT.render(operation)
        assert msgspec.json.decode(reply.body)["operation"] == word
        assert DIALECT.read(reply).kind == kind


@given(name=some.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True))
def test_a_tenant_and_a_member_have_ids_of_the_form_of_the_wire(name):
    shown = rendered(State.PENDING, tenant=name, created_by=name)
    assert ID.fullmatch(shown["organizationId"])
    assert shown["organizationId"] == shown["memberId"] == show_name(name)


@given(one=some.text("ab-12", max_size=24), other=some.text("ab-12", max_size=24))
def test_names_that_differ_have_ids_that_differ(one, other):
    assert (show_name(one) == show_name(other)) == (one == other)


@given(text=some.text())
def test_a_resource_has_its_own_id_or_a_digest_that_is_none_of_its_form(text):
    shown = show_id(text)
    assert ID.fullmatch(shown)
    assert shown == text or is_id(shown)


def test_names_that_fit_can_be_read():
    assert show_name("default") == "DEFAULT"
    assert show_id(STACK) == STACK
    assert is_id(show_name("somebody-else"))


@pytest.mark.parametrize(
    ("code", "fault", "kind"),
    [
        ("apply_failed", "user", ErrorType.PROVIDER),
        ("backend_gone", "platform", ErrorType.PROVIDER),
        ("plan_failed", "user", ErrorType.VALIDATION),
        ("timed_out", "user", ErrorType.TIMEOUT),
        ("bad_rows", "user", ErrorType.VALIDATION),
        ("deadline_exceeded", "platform", ErrorType.TIMEOUT),
        ("handler_error", "platform", ErrorType.INTERNAL),
        ("not_found", "user", ErrorType.NOT_FOUND),
        ("resource_exists", "user", ErrorType.CONFLICT),
    ],
)
def test_the_type_of_an_error_says_where_to_look(code, fault, kind):
    assert failed(code=code, fault=fault)["errorType"] == kind


def test_a_failure_says_all_that_is_known():
    cause = Failure(code="crashed", message="it went away", fault="platform")
    cause = Failure(code="lost", message="no answer", fault="platform", cause=cause)
    error = failed(
        retryable=True, retry_after_seconds=2.5, field_errors={"cidr": "too small"}, cause=cause
    )
    assert error == {
        "code": "c",
        "message": "m",
        "errorType": "validation",
        "details": {
            "retryable": True,
            "retryAfter": 3,
            "fieldErrors": {"cidr": "too small"},
            "requestId": "r-1",
            "causedBy": "lost: no answer; crashed: it went away",
        },
    }
    assert failed()["details"] == {"retryable": False, "requestId": "r-1"}


@pytest.mark.parametrize(
    ("word", "path", "shown"),
    [
        ("stack", "variables.cidr", "variables.cidr"),
        ("network", "variables.cidr", "config.cidr"),
        ("cluster", "variables.network_id", "networkId"),
        ("network", "variables.region", "region"),
        ("network", "secret_variables.key", "secretVariables.key"),
        ("cluster", "connection", "connectionId"),
    ],
)
def test_a_failed_deployment_names_the_fields_of_its_request(word, path, shown):
    failure = Failure(code="plan_failed", message="m", fault="user", field_errors={path: "why"})
    fields = {"resource_type": word, "resource_id": STACK, "failure": failure}
    error = rendered(State.FAILED, "deploy", **fields)["error"]
    assert error["details"]["fieldErrors"] == {shown: "why"}


def test_what_was_cancelled_says_so_also_to_who_reads_only_errors():
    shown = rendered(State.CANCELLED, request_id=None)
    assert shown["status"] == "cancelled"
    assert (shown["error"]["code"], shown["error"]["errorType"]) == ("cancelled", "cancelled")
    assert "requestId" not in shown["error"]["details"]
    assert DIALECT.read(Reply(body=msgspec.json.encode(shown))).state is State.CANCELLED


def test_a_failure_of_an_earlier_attempt_is_not_that_of_the_operation():
    failure = Failure(code="c", message="m", fault="platform")
    shown = rendered(State.PENDING, failure=failure, attempt=1)
    assert "error" not in shown


def test_progress_counts_its_resources():
    statuses = ["pending", "running", "running", "succeeded", "failed", "unchanged"]
    resources = [
        ResourceProgress(
            urn=f"u{n}", type="t", name=f"n{n}", operation="create", status=one,
            duration_seconds=None if one == "pending" else 0.5,
        )
        for n, one in enumerate(statuses)
    ]  # fmt: skip
    reported = progress(stage="apply", message="2 of 6", resources=resources)
    shown = rendered(State.RUNNING, progress=reported)["progress"]
    assert shown["summary"] == {
        "total": 6,
        "pending": 1,
        "running": 2,
        "succeeded": 1,
        "failed": 1,
        "unchanged": 1,
    }
    assert (shown["stage"], shown["message"]) == ("apply", "2 of 6")
    assert shown["resources"][:2] == [
        {
            "urn": "u0", "type": "t", "name": "n0", "operation": "create",
            "status": "pending", "duration": None,
        },
        {
            "urn": "u1", "type": "t", "name": "n1", "operation": "create",
            "status": "running", "duration": 0.5,
        },
    ]  # fmt: skip


TRICKY = some.text(max_size=4) | some.sampled_from(
    ['"duration_seconds":null', ',"duration_seconds":', 'x\\","duration_seconds":null', '\\"']
)


@given(
    resources=some.lists(
        some.builds(
            ResourceProgress, urn=TRICKY, type=TRICKY, name=TRICKY, operation=TRICKY,
            status=some.sampled_from(get_args(ResourceStatus)),
            duration_seconds=some.none() | some.floats(0, 1e6),
        ),
        max_size=4,
    )
)  # fmt: skip
def test_resources_are_shown_as_they_are_whatever_their_names(resources):
    shown = rendered(State.RUNNING, progress=progress(resources=resources))["progress"]
    expected = [
        {"duration" if name == "duration_seconds" else name: value
         for name, value in msgspec.structs.asdict(one).items()}
        for one in resources
    ]  # fmt: skip
    assert shown["resources"] == expected
    assert shown["summary"] == msgspec.to_builtins(count(resources))


def test_resources_are_counted_where_their_kind_counts_nothing():
    resources = [
        ResourceProgress(urn=one, status=one) for one in ("pending", "failed", "succeeded")
    ]
    shown = rendered(State.RUNNING, progress=progress(resources=resources))
    assert shown["progress"]["message"] == "2 of 3 resources"
    rows = progress(resources=resources, done=5, unit="rows")
    assert rendered(State.RUNNING, progress=rows)["progress"]["message"] == "5 rows"


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"done": 12_345.0, "total": 30_000.0, "unit": "rows"}, "12,345 of 30,000 rows"),
        ({"done": 2.5}, "2.5"),
        ({"done": 1.0, "unit": "B", "message": "nearly"}, "nearly"),
        ({}, ""),
    ],
)
def test_counts_that_have_no_place_stand_in_the_message(counts, message):
    shown = rendered(State.RUNNING, progress=progress(**counts))["progress"]
    assert shown["message"] == message
    assert shown["summary"]["total"] == 0


def test_a_result_that_is_no_object_is_put_into_one():
    assert rendered(State.SUCCEEDED, "add")["result"] == {"value": 3}
    assert "result" not in rendered(State.SUCCEEDED, "destroy")


@pytest.mark.parametrize(
    ("code", "status", "shown", "kind", "is_retryable"),
    [
        ("invalid_spec", 422, 400, "validation", False),
        ("unauthenticated", 401, 401, "authentication", False),
        ("forbidden", 403, 403, "authorization", False),
        ("not_found", 404, 404, "not_found", False),
        ("conflict", 409, 409, "conflict", False),
        ("too_large", 413, 413, "validation", False),
        ("rate_limited", 429, 429, "rate_limit", True),
        ("internal_error", 500, 500, "internal", False),
        ("not_supported", 501, 501, "unsupported", False),
        ("backend_failed", 502, 502, "provider", True),
        ("unavailable", 503, 503, "internal", True),
    ],
)
def test_a_refusal_is_the_same_object_as_an_error(code, status, shown, kind, is_retryable):
    assert refused(code, status) == (
        shown,
        {
            "code": code,
            "message": "no",
            "errorType": kind,
            "details": {"retryable": is_retryable, "requestId": "r-1"},
        },
    )


def test_a_refusal_names_the_fields_and_when_to_come_again():
    faults = (
        FieldFault(place="body", path="cidr", reason="malformed"),
        FieldFault(place="query", path="", reason="what"),
    )
    details = refused(faults=faults, retry_after=5)[1]["details"]
    assert details["fieldErrors"] == {"cidr": "malformed", "query": "what"}
    assert details["retryAfter"] == 5
