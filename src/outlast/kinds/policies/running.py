"""Evaluates evidence. Runs in a locked child: evidence and policies may be hostile.

The child itself only carries messages. A fork of it reads the evidence, and each policy is
evaluated in a fork of that one: whatever happens there, the child can tell of it.
"""

import asyncio
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from outlast.kinds.evidence_evaluation import EVIDENCE_FILE, EvaluationPlan
from outlast.operations.errors import Fatal, Retry
from outlast.operations.kind import Context
from outlast.resources.evidence.recognition import BadEvidence, Recognised, recognise
from outlast.resources.policies import calls, evaluating
from outlast.resources.policies.forks import Say, fork
from outlast.resources.policies.format import arguments_of
from outlast.resources.policies.reports import EvidenceFacts, Judged, Report, compose
from outlast.resources.policies.verdicts import Seen

REPORT_FILE: Final = "report.json"
_READING_SECONDS: Final = 120.0
"""What evidence may take beside its policies: to be read, and to be looked through for places."""


class _Evaluating(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    done: int
    policy: str


class _Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    message: str


class _Evaluated(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`is_certain`: another evaluation would say the same."""

    report: Report
    is_certain: bool


_Said: TypeAlias = _Evaluating | _Refused | _Evaluated


def evaluate(plan: EvaluationPlan, context: Context) -> Report:
    """The report, kept or made. Raises Fatal for evidence that cannot be read."""
    kept = context.workdir / REPORT_FILE
    if context.files.get(REPORT_FILE, kept):
        report = msgspec.json.decode(kept.read_bytes(), type=Report)
        return msgspec.structs.replace(report, cached=True)
    content = context.workdir / EVIDENCE_FILE
    context.files.get(EVIDENCE_FILE, content)
    evaluated = _in_a_fork(plan, content, context)
    if evaluated.is_certain:
        made = context.workdir / f"made-{REPORT_FILE}"
        made.write_bytes(msgspec.json.encode(evaluated.report))
        context.files.put(REPORT_FILE, made)
    return evaluated.report


def _in_a_fork(plan: EvaluationPlan, content: Path, context: Context) -> _Evaluated:
    total = len(plan.policies)

    def heard(message: bytes) -> None:
        said = _decode(message)
        if isinstance(said, _Evaluating):
            context.report(said.done, total, unit="policies", message=said.policy)

    forked = fork(
        lambda say: _work(plan, content, say),
        memory_bytes=calls.MEMORY_BYTES,
        seconds=_READING_SECONDS + total * plan.seconds,
        heard=heard,
        stopped=lambda: context.cancelled,
    )
    if forked.fate == "stopped":
        raise asyncio.CancelledError
    match _decode(forked.said[-1]) if forked.said else None:
        case _Evaluated() as evaluated:
            context.report(total, total, unit="policies", message="")
            return evaluated
        case _Refused(message=message):
            raise Fatal("invalid_evidence", message)
        case _ if forked.fate == "out_of_memory":
            raise Fatal("invalid_evidence", "the evidence needs more memory than it is given")
        case _ if forked.fate == "timed_out":
            raise Fatal("invalid_evidence", "the evidence needs more time than it is given")
        case _:
            # It may have been killed from outside. What kills it again ends it all the same.
            raise Retry(code="reader_died", message=f"the reader of the evidence {forked.fate}")


def _decode(message: bytes) -> _Said:
    said: _Said = msgspec.msgpack.decode(message, type=_Said)
    return said


def _work(plan: EvaluationPlan, content: Path, say: Say) -> None:
    try:
        recognised = recognise(content.read_bytes(), name=plan.name, keys=plan.keys)
    except BadEvidence as error:
        say(msgspec.msgpack.encode(_Refused(message=error.message)))
        return
    evidence = {**recognised.metadata(), "name": plan.name}
    judged: list[Judged] = []
    for number, chosen in enumerate(plan.policies):
        policy = chosen.document
        say(msgspec.msgpack.encode(_Evaluating(done=number, policy=policy.name)))
        args = arguments_of(policy, chosen.args)
        seen = Seen(document=recognised.document, args=args, evidence=evidence)
        verdict = evaluating.judge(policy, seen, seconds=plan.seconds)
        judged.append(
            Judged(
                policy=policy,
                version=chosen.version,
                digest=chosen.digest,
                args=chosen.args,
                verdict=verdict,
            )
        )
    errors = [one.verdict.error for one in judged if one.verdict.error is not None]
    evaluated = _Evaluated(
        report=compose(_facts(plan, recognised), judged, plan.engines, recognised.locate_all),
        is_certain=all(error.is_certain for error in errors),
    )
    say(msgspec.msgpack.encode(evaluated))


def _facts(plan: EvaluationPlan, recognised: Recognised) -> EvidenceFacts:
    return EvidenceFacts(
        id=plan.id,
        digest=plan.digest,
        name=plan.name,
        type=recognised.type,
        version=recognised.version,
        bytes=plan.bytes,
        problems=msgspec.to_builtins(recognised.problems),
        signatures=msgspec.to_builtins(recognised.signatures),
        wrappers=recognised.wrappers,
    )
