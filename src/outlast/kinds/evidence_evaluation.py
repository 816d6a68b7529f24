"""The kind `evidence_evaluation`: evidence held to policies, and a report of what came of each.

The evidence stands in the store already. Without `policies` it is held to every built-in one that
applies to its type. The same evidence, policies, choices, keys and engines have the same report:
it is kept beside the evidence, and told again. What goes wrong with one policy is an error of that
policy, in the report. Failure codes:

    invalid_evidence   the evidence cannot be read
    reader_died        what reads the evidence died; tried once more
"""

import functools
import hashlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from outlast.operations import documents
from outlast.operations.errors import InvalidSpec, Unavailable
from outlast.operations.kind import Catalog, Context, Kind, Prepared
from outlast.operations.retry import RetryPolicy
from outlast.resources.configured import BUILTIN_POLICY, find_installation
from outlast.resources.evidence.calls import READERS
from outlast.resources.evidence.model import (
    EVIDENCE,
    EvidenceDocument,
    evidence_document,
    find_evidence,
    find_keys,
)
from outlast.resources.policies import calls, library, model, reports
from outlast.resources.policies.format import PolicyDocument, check_choice
from outlast.resources.policies.model import FoundPolicy, Ref

POLICIES_MAX: Final = 100
POLICY_BYTES_MAX: Final = 4 * 1024 * 1024
EVIDENCE_FILE: Final = "evidence"
_REPORT_FORM: Final = 1


class PolicyChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy, NAME or NAME@VERSION, with arguments in place of its own."""

    name: str
    version: int | None = None
    with_: Mapping[str, Any] = msgspec.field(name="with", default={})


class EvaluationSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Evidence, by its id or digest, and the policies that it is held to.

    None: every built-in policy that applies to the evidence.
    """

    evidence: str
    policies: tuple[str | PolicyChoice, ...] | None = None


class ChosenPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a policy, and the arguments that were chosen for it."""

    document: PolicyDocument
    version: int
    digest: str
    args: Mapping[str, Any]


class EvaluationPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler needs. Signatures are held to `keys`; a policy has so many `seconds`.

    `engines` are the packages that evaluate, in their releases: the report tells of them.
    """

    id: str
    digest: str
    name: str | None
    bytes: int
    keys: Mapping[str, str]
    policies: Sequence[ChosenPolicy]
    seconds: float
    engines: Mapping[str, str]


async def prepare(spec: EvaluationSpec, catalog: Catalog) -> Prepared:
    """Find the evidence and the policies. Raises NotFound, InvalidSpec, Unavailable."""
    if not library.is_installed():
        raise Unavailable(library.NOT_INSTALLED)
    found = await find_evidence(catalog, spec.evidence)
    evidence = evidence_document(found)
    plan = EvaluationPlan(
        id=found.id,
        digest=evidence.digest,
        name=evidence.name,
        bytes=evidence.bytes,
        keys=await find_keys(catalog),
        policies=await _choose(spec, evidence, catalog),
        seconds=(await find_installation(catalog)).policy_seconds,
        engines=_releases(calls.PACKAGES),
    )
    return Prepared(
        plan=plan,
        late_inputs={EVIDENCE_FILE: evidence.key},
        files_prefix=reports.report_prefix(found.tenant, found.id, _key(plan)),
        targets=(),
        resource_type=EVIDENCE,
        resource_id=evidence.digest,
    )


async def _choose(
    spec: EvaluationSpec, evidence: EvidenceDocument, catalog: Catalog
) -> Sequence[ChosenPolicy]:
    """The policies in the order of the report, each choice once."""
    if spec.policies is None:
        builtin = await catalog.find(BUILTIN_POLICY, limit=POLICIES_MAX)
        policies = [model.found_builtin(one) for one in builtin]
        chosen = [
            _chosen(one, {})
            for one in policies
            if not one.document.applies_to or evidence.seen.type in one.document.applies_to
        ]
    else:
        if not 1 <= len(spec.policies) <= POLICIES_MAX:
            raise _invalid(f"an evaluation has 1 to {POLICIES_MAX} policies")
        chosen = [await _find(choice, catalog) for choice in spec.policies]
    sorted_by = {(one.document.name, one.version, _canonical(one.args)): one for one in chosen}
    policies_size = sum(len(documents.encode(one)) for one in sorted_by.values())
    if policies_size > POLICY_BYTES_MAX:
        raise _invalid(f"they have more than {POLICY_BYTES_MAX} bytes together")
    return [sorted_by[key] for key in sorted(sorted_by)]


async def _find(choice: str | PolicyChoice, catalog: Catalog) -> ChosenPolicy:
    if isinstance(choice, str):
        return _chosen(await model.find_policy(catalog, model.read_ref(choice)), {})
    ref = model.read_ref(choice.name)
    if choice.version is not None and ref.version not in {None, choice.version}:
        raise _invalid(f"{choice.name} has another version in its name")
    wanted = Ref(ref.name, ref.version or choice.version)
    return _chosen(await model.find_policy(catalog, wanted), choice.with_)


def _chosen(found: FoundPolicy, args: Mapping[str, Any]) -> ChosenPolicy:
    check_choice(found.document, args, "policies")
    return ChosenPolicy(
        document=model.without_tests(found.document),
        version=found.version,
        digest=found.digest,
        args=args,
    )


def _key(plan: EvaluationPlan) -> str:
    """A hash of all that the report depends on."""
    policies = [(one.document.name, one.version, one.digest, one.args) for one in plan.policies]
    said = [
        _REPORT_FORM,
        plan.id,
        plan.digest,
        plan.name,
        plan.keys,
        policies,
        plan.engines,
        _releases(("outlast", *READERS)),
    ]
    return hashlib.sha256(documents.canonical(said)).hexdigest()


@functools.cache
def _releases(packages: tuple[str, ...]) -> Mapping[str, str]:
    return {name: importlib.metadata.version(name) for name in packages}


def _canonical(args: Mapping[str, Any]) -> bytes:
    return documents.canonical(args)


def _invalid(message: str) -> InvalidSpec:
    return InvalidSpec(f"policies: {message}", field_errors={"policies": message})


def run(plan: EvaluationPlan, context: Context) -> reports.Report:
    """Hold evidence to policies."""
    # Only the child has the engines, so that the server stays small.
    from outlast.kinds.policies.running import evaluate  # noqa: PLC0415

    return evaluate(plan, context)


kinds: Final = [
    Kind(
        "evidence_evaluation",
        spec=EvaluationSpec,
        result=reports.Report,
        plan=EvaluationPlan,
        prepare=prepare,
        run=run,
        sandboxed=True,
        preload=("outlast.kinds.policies.running",),
        # What runs is killed within a tenth of a second.
        cancel_grace_seconds=1,
        retry=RetryPolicy(attempts_max=2),
        description="Hold evidence to policies; a report says what came of each.",
    )
]
