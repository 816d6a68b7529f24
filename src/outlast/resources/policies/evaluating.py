"""Evaluates policies, each in a fork of its own. Only a locked child may: policies are hostile.

To be called in a process whose memory is limited: the forks share its limit.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from outlast.resources.evidence.recognition import BadEvidence, recognise
from outlast.resources.policies import cel_engine, rego_engine
from outlast.resources.policies.forks import Fate, Say, fork
from outlast.resources.policies.format import PolicyDocument, PolicyTest, arguments_of
from outlast.resources.policies.reports import status_of
from outlast.resources.policies.verdicts import PolicyError, Position, Seen, Verdict

_FATES: Final[Mapping[Fate, str]] = {
    "timed_out": "the policy took more than {seconds:g} s",
    "stopped": "the policy was stopped",
    "out_of_memory": "the policy needs more memory than it is given",
    "died": "the policy broke its engine, or needs more memory than it is given",
    "said_too_much": "the policy has too many violations, or too long ones",
}
_MEMORY_ERRORS: Final = ("bad_alloc", "MemoryError")


def judge(policy: PolicyDocument, seen: Seen, *, seconds: float) -> Verdict:
    """What a policy says. It never raises: what goes wrong is the verdict's error."""
    if policy.applies_to and seen.evidence.get("type") not in policy.applies_to:
        reason = f"it applies to {', '.join(policy.applies_to)} alone"
        return Verdict(is_skipped=True, skip_reason=reason)
    forked = fork(lambda say: _judge(policy, seen, say), seconds=seconds)
    at, verdict = Position(1, 1), None
    try:
        for message in forked.said:
            said = msgspec.msgpack.decode(message, type=Position | Verdict)
            at, verdict = (at, said) if isinstance(said, Verdict) else (said, None)
    except msgspec.MsgspecError:
        return Verdict(error=_uncertain(_FATES["died"], at))
    has_ended = forked.fate == "ended" or (verdict is not None and verdict.error is not None)
    if verdict is None or not has_ended:
        return Verdict(error=_uncertain(_FATES[forked.fate].format(seconds=seconds), at))
    error = verdict.error
    if error is not None and any(one in error.message for one in _MEMORY_ERRORS):
        return Verdict(error=_uncertain(_FATES["out_of_memory"], at))
    return verdict


def _judge(policy: PolicyDocument, seen: Seen, say: Say) -> None:
    if policy.language == "rego":
        source = policy.source or ""
        verdict = rego_engine.judge(source, seen, lambda one: say(msgspec.msgpack.encode(one)))
    else:
        verdict = cel_engine.judge(policy, seen)
    say(msgspec.msgpack.encode(verdict))


def check(policy: PolicyDocument, *, seconds: float) -> PolicyError | None:
    """What is wrong with the texts of a policy, or None."""

    def act(say: Say) -> None:
        error = (
            rego_engine.check(policy.source or "")
            if policy.language == "rego"
            else cel_engine.check(policy)
        )
        say(msgspec.msgpack.encode(error))

    forked = fork(act, seconds=seconds)
    if forked.fate != "ended":
        return _uncertain(_FATES[forked.fate].format(seconds=seconds), Position(1, 1))
    return msgspec.msgpack.decode(forked.said[0], type=PolicyError | None)


def try_out(policy: PolicyDocument, test: PolicyTest, *, seconds: float) -> str | None:
    """What came of a test that should not have, or None."""
    try:
        document, evidence = _recognise(policy, test)
    except BadEvidence as error:
        return f"its input is no evidence: {error.message}"
    seen = Seen(document=document, args=arguments_of(policy, test.args), evidence=evidence)
    verdict = judge(policy, seen, seconds=seconds)
    expected, status = test.expected, status_of(verdict)
    if status != expected.status:
        return f"it came out as {status}, not as {expected.status}{_why(verdict)}"
    if expected.violations is not None and verdict.total != expected.violations:
        return f"there are {verdict.total} violations, not {expected.violations}{_why(verdict)}"
    messages = [one.message for one in verdict.violations]
    for wanted in expected.messages:
        if not any(wanted in message for message in messages):
            return f"no violation says {wanted[:200]!r}{_why(verdict)}"
    return None


def _recognise(policy: PolicyDocument, test: PolicyTest) -> tuple[Any, dict[str, Any]]:
    """What the policy sees of a test's input, as it would of evidence with these bytes."""
    content = (
        test.input if isinstance(test.input, str) else msgspec.json.encode(test.input).decode()
    )
    recognised = recognise(content.encode())
    evidence = {**recognised.metadata(), **test.evidence}
    if recognised.type in {"json", "yaml"} and policy.applies_to and "type" not in test.evidence:
        # A part of a document is enough for a test.
        evidence["type"] = policy.applies_to[0]
    return recognised.document, evidence


def _why(verdict: Verdict) -> str:
    error = verdict.error
    if error is not None:
        rule = f" of {error.rule}" if error.rule else ""
        return f": line {error.line}, column {error.column}{rule}: {error.message}"
    if verdict.is_skipped:
        return f": skipped: {verdict.skip_reason}"
    said = "; ".join(one.message[:200] for one in verdict.violations[:3])
    return f": {said}" if said else ""


def _uncertain(message: str, at: Position) -> PolicyError:
    return PolicyError(message=message, line=at.line, column=at.column, is_certain=False)
