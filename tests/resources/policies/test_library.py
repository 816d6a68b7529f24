import pytest
from datasets_for_tests import principal
from policy_process import PolicySandbox

from outlast.engine.access import Role
from outlast.operations.errors import (
    Conflict,
    Forbidden,
    InvalidSpec,
    NotFound,
    ResourceExists,
    TooLarge,
)
from outlast.resources.configured import ConfiguredStore
from outlast.resources.policies import library
from outlast.resources.policies.format import Expected, PolicyDocument, PolicyTest, Rule
from outlast.resources.policies.library import Policies
from outlast.settings import Settings

ANN = principal("ann")
BEN = principal("ben")
OLGA = principal("olga", Role.OPERATOR)
VIEWER = principal("vic", Role.VIEWER)
AWAY = principal("ann", tenant="away")


@pytest.fixture
def policies(store):
    return Policies(ConfiguredStore(store, Settings()), PolicySandbox())


def mine(check="input.n > 1", **fields):
    rule = Rule(check=check, message="n is small")
    return PolicyDocument(**{"name": "mine", "language": "cel", "rules": (rule,)} | fields)


async def test_each_writing_is_a_version_and_stays_as_it_is(policies, monkeypatch):
    monkeypatch.setattr(library, "_VERSIONS_HELD", 1)
    first, is_new = await policies.put(ANN, mine())
    assert (first.name, first.version, is_new, first.created_by) == ("mine", 1, True, "ann")
    again, is_new = await policies.put(ANN, mine(version=7))
    assert (again, is_new) == (first, False)
    second, is_new = await policies.put(ANN, mine("input.n > 2"))
    assert (second.version, is_new) == (2, True)
    assert second.digest != first.digest
    assert await policies.get(ANN, "mine") == second
    assert await policies.get(ANN, "mine@1") == first
    assert first.document.rules[0].check == "input.n > 1"
    third, _ = await policies.put(ANN, mine())
    assert (third.version, third.digest) == (3, first.digest)
    found = await policies.versions(ANN, "mine")
    assert [(one.version, one.document) for _, one in found] == [(3, None), (2, None), (1, None)]
    assert await policies.versions(ANN, "mine", before_id=found[0][0], limit=1) == [found[1]]
    for ref in ("mine@4", "other", "mine@99999999"):
        with pytest.raises(NotFound):
            await policies.get(ANN, ref)
    with pytest.raises(InvalidSpec):
        await policies.get(ANN, "mine@0")


async def test_a_policy_whose_own_tests_fail_is_refused_with_what_came(policies):
    tests = (
        PolicyTest(input={"n": 2}, expect="passed"),
        PolicyTest(name="small", input={"n": 1}, expect=Expected(status="failed", violations=2)),
        PolicyTest(input={"n": 3}, expect=Expected(status="failed", messages=("small",))),
        PolicyTest(name="no n", input={}, expect="passed"),
        PolicyTest(
            name="said", input={"n": 0}, expect=Expected(status="failed", messages=("large",))
        ),
        PolicyTest(name="not read", input="{", expect="passed"),
    )
    with pytest.raises(InvalidSpec, match="5 of 6 tests fail: small: there are 1") as refused:
        await policies.put(ANN, mine(tests=tests))
    came = dict(refused.value.field_errors)
    assert came.pop("not read").startswith("its input is no evidence: line 1, column 2")
    assert came == {
        "small": "there are 1 violations, not 2: n is small",
        "tests[2]": "it came out as passed, not as failed",
        "no n": "it came out as error, not as passed: line 1, column 7 of rules[0].check:"
        " there is no 'n'",
        "said": "no violation says 'large': n is small",
    }
    with pytest.raises(NotFound):
        await policies.get(ANN, "mine")


async def test_a_test_sees_what_an_evaluation_would(policies):
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{"name": "a"}]}
    tests = (
        PolicyTest(input=bom, expect="passed"),
        PolicyTest(input='<testsuite name="t"/>', expect="skipped"),
        PolicyTest(input={"components": []}, evidence={"components": [1]}, expect="passed"),
        PolicyTest(input=bom, args={"type": "spdx"}, expect="failed"),
    )
    check = "evidence.type == args.type && size(evidence.components) == 1"
    policy = mine(check, tests=tests, args={"type": "cyclonedx"}, applies_to=("cyclonedx",))
    made, _ = await policies.put(ANN, policy)
    assert made.version == 1


async def test_what_is_no_program_is_refused_with_its_line_and_column(policies):
    wrong = PolicyDocument(name="mine", language="rego", source="package p\n\nresult := x y z")
    with pytest.raises(InvalidSpec, match=r"source: line 3, column \d+: ") as refused:
        await policies.put(ANN, wrong)
    assert refused.value.details["line"] == 3
    with pytest.raises(InvalidSpec, match=r"rules\[0\].check: line 1, column 4: ") as refused:
        await policies.put(ANN, mine("1 +"))
    assert refused.value.details == {"line": 1, "column": 4}
    assert (await policies.test(ANN, mine("1 +"))).error.column == 4


async def test_a_policy_applies_to_types_that_there_are(policies):
    for act in (policies.put, policies.test):
        with pytest.raises(InvalidSpec, match="'cyclondx' is no type of evidence"):
            await act(ANN, mine(applies_to=("sarif", "cyclondx")))


async def test_another_members_policy_is_for_operators(policies):
    await policies.put(ANN, mine())
    with pytest.raises(Forbidden):
        await policies.put(BEN, mine("true"))
    with pytest.raises(Forbidden):
        await policies.delete(BEN, "mine")
    with pytest.raises(Forbidden):
        await policies.put(VIEWER, mine(name="other"))
    with pytest.raises(Forbidden):
        await policies.test(VIEWER, mine())
    made, _ = await policies.put(OLGA, mine("true"))
    assert (made.version, made.created_by) == (2, "olga")
    # It is still the one's who made it.
    await policies.put(ANN, mine("false"))
    assert (await policies.get(VIEWER, "mine")).version == 3
    await policies.delete(ANN, "mine")
    for ref in ("mine", "mine@1", "mine@2", "mine@3"):
        with pytest.raises(NotFound):
            await policies.get(ANN, ref)
    with pytest.raises(NotFound):
        await policies.delete(ANN, "mine")


async def test_a_tenant_sees_its_own_policies_and_the_built_in_ones(policies):
    await policies.put(ANN, mine())
    await policies.put(AWAY, mine(name="theirs"))
    own = [one.name for one in await policies.find(ANN) if not one.is_builtin]
    assert own == ["mine"]
    with pytest.raises(NotFound):
        await policies.get(ANN, "theirs")
    builtin = [one.name for one in await policies.find(ANN) if one.is_builtin]
    assert "vulnerabilities" in builtin
    found = await policies.get(AWAY, "vulnerabilities@1")
    assert (found.is_builtin, found.version, found.created_by) == (True, 1, None)
    assert [one.version for _, one in await policies.versions(ANN, "vulnerabilities")] == [1]
    for ref in ("vulnerabilities@2", "theirs@1"):
        with pytest.raises(NotFound):
            await policies.get(ANN, ref)


async def test_nobody_writes_or_deletes_a_built_in_policy(policies):
    with pytest.raises(ResourceExists):
        await policies.put(OLGA, mine(name="signed"))
    with pytest.raises(Conflict):
        await policies.delete(OLGA, "signed")


async def test_policies_are_listed_by_name_page_by_page(policies):
    for name in ("zz", "aa"):
        await policies.put(ANN, mine(name=name))
    everything = [one.name for one in await policies.find(ANN, limit=1000)]
    assert everything == sorted(everything)
    assert (everything[0], everything[-1]) == ("aa", "zz")
    pages, after = [], None
    while page := await policies.find(ANN, after=after, limit=3):
        pages += [one.name for one in page]
        after = pages[-1]
    assert pages == everything


async def test_a_tenant_has_a_limit_of_policies(policies, monkeypatch):
    monkeypatch.setattr(library, "POLICIES_MAX", 1)
    await policies.put(ANN, mine())
    await policies.put(ANN, mine("true"))
    with pytest.raises(TooLarge):
        await policies.put(ANN, mine(name="one-more"))
    await policies.put(AWAY, mine())
