"""Evaluates evidence. Runs in a locked child: evidence and policies may be hostile."""

import asyncio
from typing import Final

import msgspec

from outlast.kinds.evidence_evaluation import EVIDENCE_FILE, EvaluationPlan
from outlast.operations.kind import Context
from outlast.resources.evidence.recognition import Recognised, recognise
from outlast.resources.policies import evaluating
from outlast.resources.policies.format import arguments_of
from outlast.resources.policies.reports import EvidenceFacts, Judged, Report, compose
from outlast.resources.policies.verdicts import Seen

REPORT_FILE: Final = "report.json"


def evaluate(plan: EvaluationPlan, context: Context) -> Report:
    """The report, kept or made. Raises Fatal for evidence that cannot be read."""
    kept = context.workdir / REPORT_FILE
    if context.files.get(REPORT_FILE, kept):
        report = msgspec.json.decode(kept.read_bytes(), type=Report)
        return msgspec.structs.replace(report, cached=True)
    content = context.workdir / EVIDENCE_FILE
    context.files.get(EVIDENCE_FILE, content)
    recognised = recognise(content.read_bytes(), name=plan.name, keys=plan.keys)
    judged = _judge(plan, recognised, context)
    report = compose(_facts(plan, recognised), judged, evaluating.engines(), recognised.locate_all)
    if all(one.verdict.error is None or one.verdict.error.is_certain for one in judged):
        made = context.workdir / f"made-{REPORT_FILE}"
        made.write_bytes(msgspec.json.encode(report))
        context.files.put(REPORT_FILE, made)
    return report


def _judge(plan: EvaluationPlan, recognised: Recognised, context: Context) -> list[Judged]:
    evidence = {**recognised.metadata(), "name": plan.name}
    judged: list[Judged] = []
    for number, chosen in enumerate(plan.policies):
        if context.cancelled:
            raise asyncio.CancelledError
        policy = chosen.document
        context.report(number, len(plan.policies), unit="policies", message=policy.name)
        args = arguments_of(policy, chosen.args)
        seen = Seen(document=recognised.document, args=args, evidence=evidence)
        verdict = evaluating.judge(policy, seen, seconds=plan.seconds)
        judged.append(
            Judged(policy=policy, version=chosen.version, args=chosen.args, verdict=verdict)
        )
    context.report(len(plan.policies), len(plan.policies), unit="policies", message="")
    return judged


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
