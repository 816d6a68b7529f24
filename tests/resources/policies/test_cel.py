import pytest

from outlast.resources.policies.format import PolicyDocument, Rule
from outlast.resources.policies.verdicts import RawViolation, Verdict

COMPONENTS = {"components": [{"name": "a", "version": "1"}, {"name": "b"}, None]}


@pytest.fixture
def judge(process):
    def judge(*rules, document=None, args=None, evidence=None, **policy):
        written = PolicyDocument(
            name="p", language="cel", rules=tuple(Rule(**one) for one in rules), **policy
        )
        document = COMPONENTS if document is None else document
        return process.judge(written, document, args, evidence)

    return judge


def test_a_rule_is_held_to_each_element_and_knows_where_it_is(judge):
    verdict = judge(
        {
            "each": " input.components ",
            "when": "item != null",
            "check": "has(item.version)",
            "message_expression": "item.name + ' at ' + string(index)",
            "severity": "low",
        }
    )
    assert verdict == Verdict(
        violations=(RawViolation(message="b at 1", severity="low", path="/components/1"),), total=1
    )


def test_a_rule_may_be_about_the_whole_document_and_say_what_it_means(judge):
    verdict = judge(
        {
            "check": "size(input.components) > args.least",
            "message": "few",
            "path": "['components']",
        },
        {"check": "evidence.type != 'sarif'", "path": "'/x~1y'"},
        {"check": "input.components.all(c, c == null || c.name != 'z')"},
        args={"least": 5},
        evidence={"type": "sarif"},
    )
    assert [(one.message, one.path) for one in verdict.violations] == [
        ("few", "/components"),
        ("evidence.type != 'sarif' is not true", "/x~1y"),
    ]


def test_an_element_that_is_null_is_no_other_element(judge):
    verdict = judge({"each": "[1, null, 2]", "check": "item == null || item > 1"})
    assert [one.path for one in verdict.violations] == [None]
    assert verdict.total == 1


def test_evidence_is_skipped_when_the_policy_says_so(judge):
    verdict = judge({"check": "false"}, skip_when="!has(input.x)", skip_reason="there is no x")
    assert verdict == Verdict(is_skipped=True, skip_reason="there is no x")


def test_the_functions_of_the_standard_library_are_there(judge):
    assert judge({"check": "'A,B'.lowerAscii().split(',').size() == 2"}).total == 0
    assert judge({"check": "sets.contains(['a', 'b'], ['b'])"}).total == 0


def test_numbers_that_the_engine_has_no_place_for_are_rounded(judge):
    assert judge({"check": "input.n > 1.0"}, document={"n": 2**70}).total == 0
    assert judge({"check": "input.n == 9223372036854775807"}, document={"n": 2**63 - 1}).total == 0


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"check": "true &&\n  && true"}, ("rules[0].check", 2, 3)),
        ({"check": "", "each": "[1]"}, ("rules[0].check", 1, 1)),
        ({"check": "true &&\n nope(1)"}, ("rules[0].check", 2, 2)),
        ({"check": "1 == 1 && input.zzz"}, ("rules[0].check", 1, 17)),
        ({"check": "1 / 0 == 1"}, ("rules[0].check", 1, 1)),
        ({"check": "1"}, ("rules[0].check", 1, 1)),
        ({"check": "input"}, ("rules[0].check", 1, 1)),
        ({"check": "true", "each": "input"}, ("rules[0].each", 1, 1)),
        ({"check": "true", "when": "'x'"}, ("rules[0].when", 1, 1)),
        ({"check": "false", "message_expression": "1"}, ("rules[0].message_expression", 1, 1)),
        ({"check": "(" * 200 + "1" + ")" * 200}, ("rules[0].check", 1, 97)),
    ],
)
def test_what_goes_wrong_has_its_rule_line_and_column(judge, rule, expected):
    found = judge(rule).error
    assert (found.rule, found.line, found.column) == expected
    assert found.message
    assert "Convert explicitly" not in found.message


def test_every_text_is_checked_before_any_is_evaluated(judge):
    found = judge({"check": "1"}, skip_when="true", skip_reason="x", severity="low")
    assert found.error is None
    found = judge({"check": "true"}, {"check": "1 +"}, skip_when="true").error
    assert (found.rule, found.line, found.column) == ("rules[1].check", 1, 4)
