import json

import pytest

MINE = """
name = "has-version"
language = "cel"
applies_to = ["cyclonedx"]

[[rules]]
each = "input.components"
check = "has(item.version)"
message_expression = "item.name + ' has no version'"

[[tests]]
input = { components = [{ name = "a" }] }
expect = { status = "failed", violations = 1 }
"""
BOM = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "components": [{"type": "library", "name": "a"}, {"type": "library", "name": "b"}],
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "has-version.toml"
    path.write_text(MINE)
    return path


def test_a_policy_is_tested_written_shown_used_as_a_gate_and_deleted(run, file, tmp_path):
    ended = run("policy", "test", file)
    assert (ended.code, ended.output) == (0, "Its tests pass.\n")
    ended = run("policy", "put", file)
    assert (ended.code, ended.output) == (0, "has-version@1 is the newest version.\n")
    assert json.loads(run("policy", "put", file, "--json").output)["version"] == 1
    names = [one["name"] for one in json.loads(run("policy", "list", "--json").output)["policies"]]
    assert {"has-version", "signed"} <= set(names)
    assert "has(item.version)" in run("policy", "show", "has-version@1").output
    listed = run("policy", "versions", "has-version").output
    assert "has-version" in listed

    bom = tmp_path / "bom.json"
    bom.write_text(json.dumps(BOM, indent=1))
    ended = run("policy", "evaluate", bom, "--policy", "has-version", "--gate")
    assert ended.code == 1, ended.errors
    assert "5:3: medium: a has no version (has-version)\n" in ended.output
    assert ended.output.endswith("It has failed.\n")
    ended = run("policy", "evaluate", bom, "--policy", "has-version")
    assert ended.code == 0
    assert ended.output.endswith("It was said before of the same.\n")
    report = json.loads(run("policy", "evaluate", bom, "--json").output)
    assert report["evidence"]["name"] == "bom.json"
    assert run("policy", "delete", "has-version").output == "has-version is deleted.\n"
    assert run("policy", "show", "has-version").code == 2


def test_what_is_wrong_with_a_policy_is_told_with_its_place(run, file):
    file.write_text(MINE.replace("has(item", "has(item +"))
    ended = run("policy", "test", file)
    assert ended.code == 1
    assert ended.output.startswith("rules[0].check: line 1, column ")
    assert run("policy", "put", file).code == 2
    file.write_text(MINE.replace("violations = 1", "violations = 2"))
    assert run("policy", "test", file).output == (
        "tests[0]: there are 1 violations, not 2: a has no version\n"
    )
    file.write_text(MINE.replace("[[rules]]", "[rules"))
    ended = run("policy", "put", file)
    assert ended.code == 2
    assert "line 6, column 7" in ended.errors
