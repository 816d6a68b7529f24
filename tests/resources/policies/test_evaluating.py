"""What a policy takes, and what it breaks, is its own."""

import json
import os
import time
from pathlib import Path

import policy_fuzzing
import pytest

from outlast.executors.calls import Sandbox
from outlast.executors.launching import Launcher
from outlast.resources.policies.format import PolicyDocument, Rule
from outlast.resources.policies.reports import status_of

ENDLESS = """result := {"violations": [x |
    some x in numbers.range(1, 10000)
    some y in numbers.range(1, 10000)
    x < y
    x > y
]}"""
DOUBLED = "\n".join(
    [
        'a0 := "aaaaaaaaaaaaaaaa"',
        *(f'a{n + 1} := concat("", [{", ".join([f"a{n}"] * 8)}])' for n in range(14)),
        'result := {"violations": [a14]}',
    ]
)
NESTED = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]"


def rego(source):
    return PolicyDocument(name="p", language="rego", source=f"package p\n\n{source}")


def cel(check):
    return PolicyDocument(name="p", language="cel", rules=(Rule(check=check),))


def test_a_policy_without_an_end_is_an_error_of_that_policy(process):
    began = time.monotonic()
    error = process.judge(rego(ENDLESS), {}, seconds=0.5).error
    assert time.monotonic() - began < 30  # to its end it would take minutes
    assert error.message == "the policy took more than 0.5 s"
    assert (error.line, error.column, error.is_certain) == (3, 1, False)
    check = "true"
    for number in range(8):
        check = f"{NESTED}.all(v{number}, {check})"
    assert process.judge(cel(check), {}, seconds=0.3).error.message.endswith("more than 0.3 s")
    # And the process that asked goes on.
    assert status_of(process.judge(cel("true"), {})) == "passed"


@pytest.mark.parametrize("policy", [rego(DOUBLED), cel("lists.range(1000000000) == []")])
def test_a_policy_that_wants_all_memory_is_an_error_of_that_policy(process, policy):
    error = process.judge(policy, {}, seconds=20).error
    assert "memory" in error.message
    assert not error.is_certain
    assert error.line >= 1
    assert error.column >= 1


@pytest.mark.parametrize(
    "policy",
    [
        rego('result := {"violations": [' + "[" * 500 + "]" * 500 + "]}"),
        rego("result := " + "(" * 3000 + "1" + ")" * 3000),
        cel("!" * 5000 + "true"),
        cel("(" * 5000 + "true" + ")" * 5000),
        cel("a." * 5000 + "b"),
    ],
)
def test_what_is_nested_deeply_breaks_nothing(process, policy):
    verdict = process.judge(policy, {}, seconds=20)
    assert verdict.error is not None or status_of(verdict) in {"passed", "failed"}
    assert status_of(process.judge(cel("true"), {})) == "passed"


def test_a_policy_with_too_much_to_say_is_cut_or_an_error(process):
    policy = rego(
        'result := {"violations": [sprintf("%v", [x]) | some x in numbers.range(1, 12000)]}'
    )
    verdict = process.judge(policy, {}, seconds=20)
    assert (verdict.total, len(verdict.violations)) == (12_000, 10_000)
    long = PolicyDocument(
        name="p",
        language="cel",
        rules=(Rule(each="input", check="false", message_expression="item"),),
    )
    verdict = process.judge(long, ["x" * 100_000], seconds=20)
    [violation] = verdict.violations
    assert len(violation.message) == 1000


def test_evidence_of_another_type_is_skipped_and_nothing_is_evaluated(process):
    policy = PolicyDocument(
        name="p", language="rego", source="not rego", applies_to=("sarif", "junit")
    )
    verdict = process.judge(policy, {}, evidence={"type": "cyclonedx"})
    assert (status_of(verdict), verdict.skip_reason) == (
        "skipped",
        "it applies to sarif, junit alone",
    )


def test_what_a_policy_prints_is_no_answer(process):
    policy = rego('result := {"violations": []} if { print("\\u0000{}"); print(input) }')
    assert status_of(process.judge(policy, {"a": 1})) == "passed"


async def test_a_fork_of_a_locked_child_is_locked_as_the_child_is(tmp_path):
    (tmp_path / "data").mkdir(mode=0o711)
    secret = tmp_path / "data" / "secret.key"
    secret.write_text("tell-tale")
    support = str(Path(policy_fuzzing.__file__).parent)
    launcher = Launcher(
        tmp_path / "data" / "work",
        environment={"PATH": os.environ["PATH"], "OUTLAST_SECRET_KEY": "tell-tale"},
        path=[support],
    )
    await launcher.open()
    try:
        async with Sandbox(launcher)(
            "policy_fuzzing:look_around",
            json.dumps([str(secret), "/etc/passwd", "/proc/1/environ"]).encode(),
            inputs={},
            timeout_seconds=20,
            preload=("outlast.resources.policies.forks",),
        ) as called:
            seen = called.answer
    finally:
        await launcher.close()
    assert seen.pop("environment") == []
    assert set(seen.values()) == {"PermissionError"}
