"""What an evaluation says: evidence, policies, and what came of each. Pure.

A report has a limit: violations that it has no more room for are counted and not told. What is
told is in the order of the evidence, so that the same evidence and policies give the same report,
byte for byte.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from outlast.resources.policies.format import (
    SEVERITIES,
    Language,
    PolicyDocument,
    Severity,
    Status,
)
from outlast.resources.policies.verdicts import PolicyError, RawViolation, Verdict

VIOLATION_BYTES_MAX: Final = 512 * 1024
"""How many bytes the violations of all policies of a report have together."""

_NUMBERS: Final = re.compile(r"(\d+)")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A place in evidence: a JSON pointer, and where that is in its bytes, if it is told."""

    path: str
    line: int | None = None
    column: int | None = None


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a policy does not allow."""

    message: str
    severity: Severity
    location: Place | None = None


class ErrorOfPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Why a policy could not be evaluated, and where in its source; `rule` names one in CEL."""

    message: str
    line: int
    column: int
    rule: str | None = None


class PolicyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one policy. `digest` is that of what it says; `args` were chosen for it.

    `violations_total` counts those too that the report has no room for.
    """

    name: str
    version: int
    digest: str
    language: Language
    status: Status
    args: Mapping[str, Any] = {}
    violations: Sequence[Violation] = ()
    violations_total: int = 0
    skip_reason: str | None = None
    error: ErrorOfPolicy | None = None


class EvidenceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence: by its SHA-256, and what it was recognised as."""

    id: str
    digest: str
    name: str | None
    type: str
    version: str | None
    bytes: int
    problems: Sequence[Any] = ()
    signatures: Sequence[Any] = ()
    wrappers: Sequence[str] = ()


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The report in numbers.

    It is an error if a policy is, else failed if one has, else passed if one has, else skipped.
    """

    status: Status
    passed: int
    failed: int
    skipped: int
    errors: int
    violations: int
    by_severity: Mapping[Severity, int]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What an evaluation says. `cached`: it was said before of the same, and is told again."""

    evidence: EvidenceFacts
    policies: Sequence[PolicyReport]
    summary: Summary
    engines: Mapping[str, str]
    cached: bool = False


def report_prefix(tenant: str, evidence: str, key: str) -> str:
    """Where the object store keeps the report of evidence (its id) that has this key."""
    return f"{reports_prefix(tenant)}{evidence}-{key}/"


def reports_prefix(tenant: str) -> str:
    """Where the object store keeps the reports of a tenant."""
    return f"tenant/{tenant}/evaluations/"


def evidence_of(key: str) -> str:
    """The id of the evidence that an object of a report was stored for."""
    return key.split("/")[3].partition("-")[0]


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A policy, and what came of it."""

    policy: PolicyDocument
    version: int
    digest: str
    args: Mapping[str, Any]
    verdict: Verdict


def compose(
    evidence: EvidenceFacts,
    judged: Sequence[Judged],
    engines: Mapping[str, str],
    locate_all: Callable[[Collection[str]], Mapping[str, Any]],
) -> Report:
    """The report. `locate_all` tells where JSON pointers are in the evidence."""
    paths = {one.path for each in judged for one in each.verdict.violations if one.path is not None}
    places = {path: _place(path, found) for path, found in locate_all(paths).items()}
    room = VIOLATION_BYTES_MAX
    policies: list[PolicyReport] = []
    by_severity: Counter[Severity] = Counter()
    for one in judged:
        violations = _violations(one, places)
        by_severity.update(violation.severity for violation in violations)
        told: list[Violation] = []
        for violation in violations:
            room -= len(msgspec.json.encode(violation))
            if room < 0:
                break
            told.append(violation)
        policies.append(_policy(one, told))
    return Report(
        evidence=evidence,
        policies=policies,
        summary=_summary(policies, by_severity),
        engines=engines,
    )


def _violations(judged: Judged, places: Mapping[str, Place]) -> list[Violation]:
    found = sorted(judged.verdict.violations, key=lambda one: _order(one, places))
    return [
        Violation(
            message=one.message,
            severity=one.severity or judged.policy.severity,
            location=None if one.path is None else places.get(one.path) or Place(path=one.path),
        )
        for one in found
    ]


def _order(violation: RawViolation, places: Mapping[str, Place]) -> tuple[Any, ...]:
    """Those with a place first, in the order of the evidence; then by path; then by message."""
    path = violation.path
    place = None if path is None else places.get(path)
    numbered = [
        (part.isdigit(), int(part) if part.isdigit() else 0, part)
        for part in _NUMBERS.split(path or "")
    ]
    line, column = (place.line or 0, place.column or 0) if place else (0, 0)
    return place is None, path is None, line, column, numbered, violation.message


def _policy(judged: Judged, violations: Sequence[Violation]) -> PolicyReport:
    verdict, error = judged.verdict, judged.verdict.error
    return PolicyReport(
        name=judged.policy.name,
        version=judged.version,
        digest=judged.digest,
        language=judged.policy.language,
        status=status_of(verdict),
        args=judged.args,
        violations=violations,
        violations_total=verdict.total,
        skip_reason=verdict.skip_reason if verdict.is_skipped else None,
        error=None if error is None else _error(error),
    )


def status_of(verdict: Verdict) -> Status:
    """A verdict in a word."""
    if verdict.error is not None:
        return "error"
    if verdict.is_skipped:
        return "skipped"
    return "failed" if verdict.total else "passed"


def _summary(policies: Sequence[PolicyReport], by_severity: Counter[Severity]) -> Summary:
    counts = Counter(one.status for one in policies)
    overall: Sequence[Status] = ("error", "failed", "passed")
    return Summary(
        status=next((one for one in overall if counts[one]), "skipped"),
        passed=counts["passed"],
        failed=counts["failed"],
        skipped=counts["skipped"],
        errors=counts["error"],
        violations=sum(one.violations_total for one in policies),
        by_severity={one: by_severity[one] for one in SEVERITIES if by_severity[one]},
    )


def _error(error: PolicyError) -> ErrorOfPolicy:
    return ErrorOfPolicy(
        message=error.message, line=error.line or 1, column=error.column or 1, rule=error.rule
    )


def _place(path: str, found: Any) -> Place:
    return Place(path=path, line=found.line, column=found.column)
