import pytest

from outlast.operations.errors import Invalid, InvalidSpec, TooLarge
from outlast.resources.policies.format import (
    PolicyDocument,
    PolicyTest,
    Rule,
    arguments_of,
    check_choice,
    check_policy,
    read_policy,
)

TOML = b"""
name = "versions"
language = "cel"
applies_to = ["cyclonedx"]
args.least = 1

[[rules]]
each = "input.components"
check = "has(item.version)"
message = "no version"

[[tests]]
input = { components = [] }
expect = "passed"
"""
REGO = PolicyDocument(name="p", language="rego", source="package p\nresult := {}")
CEL = PolicyDocument(name="c", language="cel", rules=(Rule(check="true"),))


def test_a_policy_is_read_from_toml_and_from_json():
    policy = read_policy(TOML, is_toml=True)
    assert (policy.name, policy.applies_to, policy.rules[0].each) == (
        "versions",
        ("cyclonedx",),
        "input.components",
    )
    [test] = policy.tests
    assert (test.input, test.expected.status) == ({"components": []}, "passed")
    same = b'{"name": "p", "language": "rego", "source": "package p\\nresult := {}"}'
    assert read_policy(same, is_toml=False) == REGO


@pytest.mark.parametrize(
    ("content", "is_toml", "said"),
    [
        (b'name = "x"\nlanguage = = "cel"', True, "line 2, column 12"),
        (b'{"name": "x", "language": "cel"', False, "truncated"),
        (b'name = "x"\nlanguage = "lua"', True, r"Invalid enum value 'lua' - at `\$.language`"),
        (b'name = "x"\nlanguage = "cel"\nsorce = "a"', True, "unknown field `sorce`"),
        (b"name = '\xff'", True, "decode"),
        (b"[" * 20_000, False, "cannot be read"),
        (b"a = " + b"[" * 20_000, True, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_policy_says_why(content, is_toml, said):
    with pytest.raises(Invalid, match=said):
        read_policy(content, is_toml=is_toml)


def test_a_file_has_a_limit():
    with pytest.raises(TooLarge):
        read_policy(b" " * (256 * 1024 + 1), is_toml=False)


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (PolicyDocument(name="", language="rego", source="x"), "name"),
        (PolicyDocument(name="Upper", language="rego", source="x"), "name"),
        (PolicyDocument(name="a@1", language="rego", source="x"), "name"),
        (PolicyDocument(name="p", language="rego"), "source"),
        (PolicyDocument(name="p", language="rego", source="x" * 65537), "source"),
        (PolicyDocument(name="p", language="rego", source="x", rules=CEL.rules), "rules"),
        (PolicyDocument(name="p", language="rego", source="x", skip_when="true"), "rules"),
        (PolicyDocument(name="p", language="cel"), "rules"),
        (PolicyDocument(name="p", language="cel", rules=CEL.rules * 101), "rules"),
        (PolicyDocument(name="p", language="cel", rules=CEL.rules, source="x"), "source"),
        (
            PolicyDocument(name="p", language="cel", rules=(Rule(check="1" * 4097),)),
            "rules[0].check",
        ),
        (
            PolicyDocument(name="p", language="cel", rules=(Rule(check="1", message="a" * 4097),)),
            "rules[0].message",
        ),
        (
            PolicyDocument(name="p", language="cel", rules=CEL.rules, applies_to=("A",)),
            "applies_to",
        ),
        (
            PolicyDocument(
                name="p",
                language="cel",
                rules=CEL.rules,
                tests=(PolicyTest(input={}, expect="passed", name="a" * 4097),),
            ),
            "tests[0].name",
        ),
        (
            PolicyDocument(name="p", language="cel", rules=CEL.rules, args={"a": "x" * 33_000}),
            "args",
        ),
    ],
)
def test_what_is_no_policy_is_refused_by_its_field(policy, field):
    with pytest.raises(InvalidSpec) as refused:
        check_policy(policy)
    assert list(refused.value.field_errors) == [field]


def test_an_evaluation_chooses_among_the_arguments_of_a_policy():
    policy = PolicyDocument(
        name="p",
        language="cel",
        rules=CEL.rules,
        args={"n": 1, "names": [], "on": False, "text": "", "any": None, "map": {}},
    )
    chosen = {"n": 2.5, "names": ["a"], "on": True, "text": "b", "any": 3, "map": {"a": 1}}
    check_choice(policy, chosen, "policies")
    assert arguments_of(policy, {"n": 2}) == {**policy.args, "n": 2}
    for wrong, said in [
        ({"m": 1}, "no argument 'm'; it has any, map, n"),
        ({"n": "1"}, "must be a number"),
        ({"n": True}, "must be a number"),
        ({"on": 1}, "must be true or false"),
        ({"names": "a"}, "must be a list"),
        ({"map": []}, "must be an object"),
        ({"text": 1}, "must be a text"),
    ]:
        with pytest.raises(InvalidSpec, match=said):
            check_choice(policy, wrong, "policies")
