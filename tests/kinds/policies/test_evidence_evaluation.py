"""Evidence is held to policies by real attempts, in locked children."""

import asyncio
import json
import os
import sys
from types import SimpleNamespace

import msgspec
import pytest
from datasets_for_tests import gather, stream
from installation import until
from lake import ANN, a_lake
from policy_process import PolicySandbox
from serving import OwnSandbox

from outlast.engine.preparing import TenantCatalog
from outlast.kinds import evidence_evaluation
from outlast.kinds.policies import running
from outlast.operations.errors import Fatal, InvalidSpec, NotFound
from outlast.resources.policies import reports
from outlast.resources.policies.collecting import ReportCollector
from outlast.resources.policies.format import PolicyDocument, Rule
from outlast.resources.policies.library import Policies
from outlast.settings import Limits

BOM = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "version": 1,
    "components": [
        {"type": "library", "name": "a", "version": "1", "licenses": [{"license": {"id": "MIT"}}]},
        {"type": "library", "name": "b", "licenses": [{"license": {"id": "AGPL-3.0-only"}}]},
    ],
}
NAMES = PolicyDocument(
    name="names",
    language="rego",
    args={"banned": ["b"]},
    source="""package names

result := {"violations": [violation |
    component := input.components[i]
    component.name in input.args.banned
    violation := {"message": sprintf("%s is banned", [component.name]), "path": ["components", i]}
]}""",
)
VERSIONS = PolicyDocument(
    name="versions",
    language="cel",
    severity="low",
    rules=(Rule(each="input.components", check="has(item.version)", message="no version"),),
)
ENDLESS = PolicyDocument(
    name="endless",
    language="rego",
    source="""package endless

result := {"violations": [x |
    some x in numbers.range(1, 10000)
    some y in numbers.range(1, 10000)
    x < y
    x > y
]}""",
)
HUNGRY = PolicyDocument(
    name="hungry",
    language="cel",
    rules=(Rule(check="true"), Rule(check=" lists.range(1000000000) == []")),
)
WRONG = PolicyDocument(
    name="wrong", language="rego", source='package p\nresult := {"violations": [1 / 0]}'
)


@pytest.fixture
async def lake(tmp_path):
    async with a_lake(tmp_path) as made:
        made.evidences = made.foundation.evidences(OwnSandbox(tmp_path / "calls"))
        made.policies = Policies(made.store, PolicySandbox())
        yield made


async def bring(lake, content, name=None):
    if not isinstance(content, bytes):
        content = json.dumps(content, indent=1).encode()
    evidence, _ = await lake.evidences.put(ANN, stream(content), name=name)
    return evidence


async def evaluate(lake, evidence, policies=None):
    spec = {"evidence": evidence.digest} | ({} if policies is None else {"policies": policies})
    return await lake.result("evidence_evaluation", **spec)


async def test_evidence_is_held_to_policies_and_the_report_is_told_again(lake):
    await lake.work()
    await asyncio.gather(*(lake.policies.put(ANN, one) for one in (NAMES, VERSIONS)))
    evidence = await bring(lake, BOM, "bom.json")
    chosen = ["versions@1", "names", {"name": "names", "version": 1, "with": {"banned": ["a"]}}]
    operation = await lake.ended(
        await lake.submit("evidence_evaluation", evidence=evidence.id, policies=chosen)
    )
    assert (operation.resource_type, operation.resource_id) == ("evidence", evidence.digest)
    assert (operation.progress.done, operation.progress.total) == (3, 3)
    report = msgspec.json.decode(operation.result)
    assert report["evidence"] == {
        "id": evidence.id,
        "digest": evidence.digest,
        "name": "bom.json",
        "type": "cyclonedx",
        "version": "1.5",
        "bytes": evidence.bytes,
        "problems": [],
        "signatures": [],
        "wrappers": [],
    }
    told = [
        (one["name"], one["status"], one["args"], one["violations"]) for one in report["policies"]
    ]

    def at(index, line, message, severity):
        place = {"path": f"/components/{index}", "line": line, "column": 3}
        return [{"message": message, "severity": severity, "location": place}]

    assert told == [
        ("names", "failed", {"banned": ["a"]}, at(0, 6, "a is banned", "medium")),
        ("names", "failed", {}, at(1, 18, "b is banned", "medium")),
        ("versions", "failed", {}, at(1, 18, "no version", "low")),
    ]
    assert report["summary"] == {
        "status": "failed",
        "passed": 0,
        "failed": 3,
        "skipped": 0,
        "errors": 0,
        "violations": 3,
        "by_severity": {"medium": 2, "low": 1},
    }
    assert set(report["engines"]) == {"regopy", "common-expression-language"}

    again = await evaluate(lake, evidence, list(reversed(chosen)))
    assert (report["cached"], again["cached"]) == (False, True)
    assert again | {"cached": False} == report

    # Made anew, it is the same, byte for byte.
    [kept] = await kept_reports(lake)
    before = await gather(lake.foundation.objects.read(kept))
    await lake.foundation.objects.delete(kept)
    assert (await evaluate(lake, evidence, chosen))["cached"] is False
    assert await gather(lake.foundation.objects.read(kept)) == before


async def kept_reports(lake):
    objects = lake.foundation.objects
    return [info.key async for info in objects.walk(reports.reports_prefix(ANN.tenant))]


async def test_what_goes_wrong_with_a_policy_is_an_error_of_that_policy(lake):
    await lake.work()
    for policy in (HUNGRY, WRONG, VERSIONS):
        await lake.policies.put(ANN, policy)
    evidence = await bring(lake, BOM)
    report = await evaluate(lake, evidence, ["hungry", "wrong", "versions"])
    assert [one["status"] for one in report["policies"]] == ["error", "failed", "error"]
    hungry, _, wrong = [one["error"] for one in report["policies"]]
    assert hungry["message"] == "the policy needs more memory than it is given"
    assert (wrong["message"], wrong["line"], wrong["column"]) == ("div failed", 2, 27)
    assert report["summary"]["status"] == "error"
    # Another time there may be more of it.
    assert await kept_reports(lake) == []


def test_evidence_that_takes_too_long_to_read_ends_the_evaluation(monkeypatch, tmp_path):
    monkeypatch.setattr(running, "_READING_SECONDS", 0)
    (tmp_path / "evidence").write_bytes(b"{}")
    plan = evidence_evaluation.EvaluationPlan(
        id="e", digest="d", name=None, bytes=2, keys={}, policies=(), seconds=20, engines={}
    )
    files = SimpleNamespace(get=lambda name, _: name == "evidence")
    context = SimpleNamespace(workdir=tmp_path, files=files, cancelled=False)
    with pytest.raises(Fatal, match="more time than it is given"):
        running.evaluate(plan, context)


async def test_an_evaluation_is_cancelled_in_the_middle_of_a_policy(lake):
    await lake.work()
    await lake.policies.put(ANN, ENDLESS)
    evidence = await bring(lake, BOM)
    operation = await lake.submit("evidence_evaluation", evidence=evidence.id, policies=["endless"])

    async def has_begun():
        return (await lake.engine.get(ANN, operation.id)).progress is not None

    await until(has_begun, 30)
    await lake.engine.cancel(ANN, operation.id)
    assert (await lake.ended(operation, 30)).state == "cancelled"


async def test_without_policies_all_that_are_built_in_for_the_type_are_meant(lake):
    catalog = TenantCatalog(lake.store.catalog, ANN.tenant)
    for content, expected in (
        (BOM, {"licenses_denied", "vulnerabilities", "signed"}),
        (b'<testsuite name="t"/>', {"tests_pass", "signed"}),
    ):
        evidence = await bring(lake, content)
        prepared = await prepare(catalog, evidence=evidence.id)
        names = {one.document.name for one in prepared.plan.policies}
        assert expected <= names
        assert "licenses_denied" in expected or "licenses_denied" not in names
        assert all(not one.document.tests for one in prepared.plan.policies)
        assert prepared.plan.seconds == Limits().policy_seconds


async def prepare(catalog, **spec):
    made = msgspec.convert(spec, evidence_evaluation.EvaluationSpec)
    return await evidence_evaluation.prepare(made, catalog)


async def test_what_cannot_be_evaluated_is_refused_at_once(lake):
    evidence = await bring(lake, BOM)
    catalog = TenantCatalog(lake.store.catalog, ANN.tenant)
    for spec, error, said in [
        ({"evidence": "sha256:" + "0" * 64}, NotFound, "no evidence"),
        ({"evidence": evidence.id, "policies": ["nope"]}, NotFound, "no policy 'nope'"),
        ({"evidence": evidence.id, "policies": ["signed@9"]}, NotFound, "signed@9"),
        ({"evidence": evidence.id, "policies": ["A B"]}, InvalidSpec, "NAME or NAME@VERSION"),
        ({"evidence": evidence.id, "policies": []}, InvalidSpec, "1 to 100"),
        (
            {"evidence": evidence.id, "policies": [{"name": "signed@1", "version": 2}]},
            InvalidSpec,
            "another version",
        ),
        (
            {"evidence": evidence.id, "policies": [{"name": "signed", "with": {"x": 1}}]},
            InvalidSpec,
            "no argument 'x'",
        ),
    ]:
        with pytest.raises(error, match=said):
            await prepare(catalog, **spec)
    away = TenantCatalog(lake.store.catalog, "away")
    with pytest.raises(NotFound):
        await prepare(away, evidence=evidence.digest)


async def test_reports_go_with_their_evidence_and_with_time(lake):
    objects, now = lake.foundation.objects, lake.store.operations.now
    evidence = await bring(lake, BOM)
    keys = [
        reports.report_prefix(ANN.tenant, id, "k" * 64) + "report.json"
        for id in (evidence.id, "0" * 20)
    ]
    for key in keys:
        await objects.put_bytes(key, b"{}")

    def collector(days):
        return ReportCollector(lake.store.catalog, objects, now=now, kept_days=days)

    assert sorted(await kept_reports(lake)) == sorted(keys)
    assert await collector(30).collect() == 1
    assert await kept_reports(lake) == [keys[0]]
    assert await collector(-1).collect() == 1
    assert await kept_reports(lake) == []


async def test_the_child_has_nothing_loaded_that_the_engine_dies_of():
    loads = "import sys, outlast.kinds.policies.running, outlast.resources.policies.locked; "
    said = "print([one for one in ('pyarrow', 'duckdb') if one in sys.modules])"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", loads + said, stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    told, _ = await process.communicate()
    assert told.strip() == b"[]"
