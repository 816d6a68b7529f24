"""Why a deployment failed is said in words that hold no secret."""

from pathlib import Path

import pytest

from outlast.kinds.infrastructure import failures
from outlast.kinds.infrastructure.stream import Diagnostic, Snippet, read_line
from outlast.operations.concealing import Concealer

STREAMS = Path(__file__).parent / "streams"
conceal = Concealer(["correct-horse"]).text


def errors_of(name):
    lines = [read_line(line) for line in (STREAMS / f"{name}.jsonl").read_bytes().splitlines()]
    return [line.diagnostic for line in lines if line.diagnostic is not None]


def test_a_failure_names_the_resource_and_the_place():
    errors = errors_of("failed")
    assert "exit status 3" in failures.message_of(errors, conceal, "nothing")
    [detail] = failures.details_of(errors, conceal)["errors"]
    assert (detail["address"], detail["file"]) == ("terraform_data.bad[0]", "main.tf")
    assert detail["line"] > 0


def test_a_bad_value_is_the_variables_fault():
    errors = errors_of("refused")
    assert list(failures.field_errors_of(errors, conceal)) == ["variables.n"]


def test_a_value_that_a_rule_refuses_is_the_variables_fault_wherever_it_came_from():
    line = b"""{"type": "diagnostic", "diagnostic": {"summary": "Invalid value for variable",
        "detail": "Not a range.", "snippet": {"context": null, "code": "{\\"cidr\\":1}",
        "values": [{"traversal": "var.cidr", "statement": "is a secret"}]}}}"""
    refused = read_line(line).diagnostic
    assert list(failures.field_errors_of([refused], conceal)) == ["variables.cidr"]
    assert "is a secret" not in repr(refused)


@pytest.mark.parametrize("where", [{"context": 'variable "cidr"'}, {"code": 'variable "cidr" {'}])
def test_a_rule_of_the_module_is_the_variables_fault_too(where):
    broken = Diagnostic(summary="Bad", detail="no", snippet=Snippet(**where))
    assert list(failures.field_errors_of([broken], conceal)) == ["variables.cidr"]


@pytest.mark.parametrize("field", ["summary", "detail"])
def test_a_secret_in_a_complaint_is_masked(field):
    errors = [Diagnostic(**{field: "the password correct-horse is bad"})] * 30
    told = [
        failures.message_of(errors, conceal, ""),
        str(failures.details_of(errors, conceal)),
        failures.describe(errors[0], conceal),
    ]
    assert "correct-horse" not in str(told)
    assert "(and 29 more)" in told[0]
    assert failures.details_of(errors, conceal)["errors_total"] == 30
    assert len(failures.details_of(errors, conceal)["errors"]) == 20


def test_what_is_written_for_people_loses_its_frames():
    complaint = "╷\n│ Error: no such provider\n│ \n│ correct-horse\n╵\n".encode()
    assert failures.plain_words(complaint, conceal) == "Error: no such provider [secret]"


def test_nothing_said_is_said():
    assert failures.message_of([], conceal, "it did not say why") == "it did not say why"
