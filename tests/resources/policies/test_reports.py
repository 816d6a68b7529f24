import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.resources.evidence.recognition import Location
from outlast.resources.policies.format import PolicyDocument, Rule
from outlast.resources.policies.reports import (
    VIOLATION_BYTES_MAX,
    EvidenceFacts,
    Judged,
    Place,
    compose,
)
from outlast.resources.policies.verdicts import (
    PolicyError,
    RawViolation,
    Verdict,
    pointer_of,
    raw_violation,
)

FACTS = EvidenceFacts(id="0" * 20, digest="sha256:0", name=None, type="json", version=None, bytes=1)


def judged(verdict, name="p", severity="medium"):
    policy = PolicyDocument(
        name=name, language="cel", rules=(Rule(check="true"),), severity=severity
    )
    return Judged(policy=policy, version=1, digest="sha256:1", args={}, verdict=verdict)


def broken(*violations):
    return Verdict(violations=tuple(violations), total=len(violations))


def report(*verdicts, places=None):
    return compose(FACTS, [judged(one) for one in verdicts], {}, lambda _: places or {})


def test_violations_stand_in_the_order_of_the_evidence():
    verdict = broken(
        RawViolation(message="no place b"),
        RawViolation(message="tenth", path="/c/10"),
        RawViolation(message="second", path="/c/2"),
        RawViolation(message="no place a"),
        RawViolation(message="first", path="/z"),
        RawViolation(message="later", path="/a"),
    )
    places = {"/z": Location(line=1, column=5), "/a": Location(line=2, column=1)}
    [policy] = report(verdict, places=places).policies
    assert [one.message for one in policy.violations] == [
        *("first", "later", "second", "tenth", "no place a", "no place b")
    ]
    assert policy.violations[0].location == Place(path="/z", line=1, column=5)
    assert policy.violations[2].location == Place(path="/c/2")
    assert policy.violations[4].location is None


@given(st.permutations([(m, p) for m in "abc" for p in (None, "/a/2", "/a/10", "/b")]))
def test_the_same_violations_give_the_same_report_in_whatever_order_they_came(found):
    verdict = broken(*(RawViolation(message=m, path=p) for m, p in found))
    assert msgspec.json.encode(report(verdict)) == msgspec.json.encode(
        report(broken(*(RawViolation(message=m, path=p) for m, p in sorted(found, key=str))))
    )


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ([], "skipped"),
        ([Verdict(is_skipped=True)], "skipped"),
        ([Verdict(is_skipped=True), Verdict()], "passed"),
        ([Verdict(), broken(RawViolation(message="x"))], "failed"),
        (
            [broken(RawViolation(message="x")), Verdict(error=PolicyError(message="y"))],
            "error",
        ),
    ],
)
def test_the_worst_says_how_it_went(verdicts, status):
    assert report(*verdicts).summary.status == status


def test_the_summary_counts():
    verdict = broken(
        RawViolation(message="x", severity="low"),
        RawViolation(message="y"),
        RawViolation(message="z", severity="low"),
    )
    error = Verdict(error=PolicyError(message="no", rule="rules[0].check"))
    summary = report(verdict, Verdict(), error, Verdict(is_skipped=True)).summary
    assert (summary.passed, summary.failed, summary.skipped, summary.errors) == (1, 1, 1, 1)
    assert (summary.violations, summary.by_severity) == (3, {"medium": 1, "low": 2})


def test_an_error_always_has_a_line_and_a_column():
    [policy] = report(Verdict(error=PolicyError(message="killed"))).policies
    assert (policy.error.line, policy.error.column) == (1, 1)


def test_what_there_is_no_room_for_is_counted():
    many = broken(*(RawViolation(message=f"{n:05}" + "x" * 900) for n in range(1000)))
    made = report(many, many)
    first, second = made.policies
    assert 0 < len(first.violations) < 1000
    assert second.violations == []
    assert (first.violations_total, second.violations_total) == (1000, 1000)
    assert len(msgspec.json.encode(made)) < VIOLATION_BYTES_MAX + 10_000


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("", ""),
        ("/a/0", "/a/0"),
        (["a", 0, "b/c~d"], "/a/0/b~1c~0d"),
        ([], ""),
        (["a", 2.0], "/a/2"),
        ("a", None),
        (7, None),
        (None, None),
        ("/" + "a" * 2000, None),
        (["a"] * 100, None),
    ],
)
def test_a_path_is_a_json_pointer_or_a_list_of_keys(path, pointer):
    assert pointer_of(path) == pointer


def test_a_violation_is_a_text_or_has_a_message():
    assert raw_violation("a") == RawViolation(message="a")
    assert raw_violation({"msg": "a", "severity": "Critical"}) == RawViolation(
        message="a", severity="critical"
    )
    assert raw_violation({"message": "a", "severity": "dire", "path": 3}) == RawViolation(
        message="a"
    )
    for other in (None, 1, [], {}, {"message": 1}):
        assert raw_violation(other) is None
