"""The policies that are built in: their own tests, their page, and what they say of real evidence.

The engine of Rego breaks in a process that has DuckDB or Arrow: it has one of its own.
"""

import importlib.metadata
import os
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from outlast.resources.evidence import TYPES
from outlast.resources.evidence.recognition import recognise
from outlast.resources.policies.builtin import load_builtin_policies
from outlast.resources.policies.evaluating import check, judge, try_out
from outlast.resources.policies.format import arguments_of
from outlast.resources.policies.verdicts import Seen

POLICIES = load_builtin_policies()
PAGE = Path(__file__).parents[3] / "docs/kinds/policies.md"
SECONDS = 20


@pytest.fixture(scope="module")
def apart():
    """Calls a function in another process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:

        def call(function, *args):
            return pool.submit(function, *args, seconds=SECONDS).result()

        yield call


@pytest.fixture
def say(apart):
    """What a policy says of evidence: what each violation is about, with its line."""

    def say(content, policy, **args):
        found = recognise(content)
        document = POLICIES[policy]
        seen = Seen(
            document=found.document, args=arguments_of(document, args), evidence=found.metadata()
        )
        verdict = apart(judge, document, seen)
        assert (verdict.error, verdict.is_skipped) == (None, False)
        places = found.locate_all({one.path for one in verdict.violations})
        return [(one.message, places[one.path].line) for one in verdict.violations]

    return say


def sbom_of(distribution):
    files = importlib.metadata.distribution(distribution).files
    [file] = [one for one in files if ".dist-info/sboms/" in str(one)]
    return Path(importlib.metadata.distribution(distribution).locate_file(file)).read_bytes()


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_passes_its_own_tests(apart, name):
    policy = POLICIES[name]
    assert apart(check, policy) is None
    assert [apart(try_out, policy, one) for one in policy.tests] == [None] * len(policy.tests)


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("vulnerabilities", {"at_least": "HIGH"}, "at_least must be low, medium"),
        ("vulnerabilities", {"unknown_as": None}, "unknown_as must be low, medium"),
        ("findings", {"level": "Error"}, "level must be note"),
        ("findings", {"severity": "severe"}, "severity must be low"),
        ("sbom_minimum", {"wanted": ["author", "Version"]}, 'wanted has ["Version"]'),
        ("components_banned", {"banned": ["xz"]}, 'banned has "xz", which bans nothing'),
        ("components_banned", {"banned": [{"nam": "xz"}]}, "which bans nothing"),
        ("components_banned", {"banned": [{"name": "xz", "versions": "^5.6"}]}, "bans nothing"),
        ("components_banned", {"banned": [{"name": "xz", "versions": ">= 5.6"}]}, "bans nothing"),
    ],
)
def test_arguments_that_make_no_sense_are_never_a_pass(apart, name, args, message):
    policy = POLICIES[name]
    evidence = {"type": policy.applies_to[0], "components": [], "vulnerabilities": []}
    seen = Seen(document={}, args=arguments_of(policy, args), evidence=evidence | {"findings": []})
    assert message in apart(judge, policy, seen).error.message


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_tested_both_ways_and_described(name):
    policy = POLICIES[name]
    statuses = {one.expected.status for one in policy.tests}
    assert "failed" in statuses
    assert statuses & {"passed", "skipped"}
    assert policy.description
    assert set(policy.applies_to) <= set(TYPES)


@pytest.mark.parametrize("name", POLICIES)
def test_the_page_has_a_policy_with_its_arguments_and_what_it_is_for(name):
    page, policy = PAGE.read_text(), POLICIES[name]
    section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(policy.args)
    row = next(line for line in page.splitlines() if line.startswith(f"| [`{name}`](#{name}) |"))
    assert set(re.findall(r"`(\w+)`", row.split("|")[2])) == set(policy.applies_to)


def test_licenses_of_a_real_sbom_are_held_to_a_list(say):
    bom = sbom_of("ruff")
    permissive = ["MIT*", "Apache-2.0", "BSD-*", "ISC", "Zlib", "Unicode-*", "CC0-1.0", "MPL-2.0"]
    other = ["WTFPL", "0BSD", "Unlicense", "BSL-1.0", "PSF-2.0"]
    assert say(bom, "licenses_allowed", allowed=[*permissive, *other]) == []
    without = say(bom, "licenses_allowed", allowed=[*permissive, *other[1:]])
    [(message, line)] = [one for one in without if "WTFPL" in one[0]]
    assert message == "terminfo is under WTFPL"
    assert bom.decode().splitlines()[line - 1].strip() == "{"
    assert say(bom, "licenses_denied") == []


def test_a_component_of_a_real_sbom_is_banned_by_a_range_of_versions(say):
    bom = sbom_of("ruff")
    banned = [{"purl": "pkg:cargo/serde", "versions": ">=1 <1000", "reason": "for the test"}]
    [(message, _)] = say(bom, "components_banned", banned=banned)
    assert re.fullmatch(r"serde [\d.]+ is banned: for the test", message)
    assert say(bom, "components_banned", banned=[banned[0] | {"versions": "<1"}]) == []
    assert say(bom, "components_banned") == []


def test_real_sboms_of_wheels_lack_suppliers_and_are_well_formed(say):
    bom = sbom_of("ruff")
    assert say(bom, "well_formed") == []
    assert all(message.endswith("lacks: supplier") for message, _ in say(bom, "sbom_minimum"))


def test_what_ruff_finds_is_a_violation_where_it_is_told(say, tmp_path):
    (tmp_path / "a.py").write_text("import os\nassert True\n")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F401,S101"]
    command += ["--output-format", "sarif", str(tmp_path / "a.py")]
    report = subprocess.run(command, capture_output=True, check=False).stdout
    told = [message for message, _ in say(report, "findings")]
    assert [message.split()[0] for message in told] == ["F401", "S101"]
    assert "a.py:2: Use of `assert` detected" in told[1]
    assert len(say(report, "findings", ignored=["S101"])) == 1


def test_what_pytest_writes_fails_where_a_test_failed(say, tmp_path):
    file, report = tmp_path / "test_a.py", tmp_path / "junit.xml"
    file.write_text("def test_right(): pass\ndef test_wrong(): assert 1 == 2\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)]
    command += [f"--junitxml={report}", f"--rootdir={tmp_path}", "-c", "/dev/null"]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    subprocess.run(command, capture_output=True, check=False, env=alone)
    [(message, line)] = say(report.read_bytes(), "tests_pass")
    assert message == "test_a.test_wrong: failed: assert 1 == 2"
    assert line == 1
