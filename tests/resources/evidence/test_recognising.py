import base64
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from outlast.resources.evidence.recognition import BadEvidence, Location, recognise

BOM = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
LONG = "x" * 100_000


def encode(document):
    return json.dumps(document, indent=1).encode()


def refusal(content, **options):
    with pytest.raises(BadEvidence) as caught:
        recognise(content, **options)
    assert caught.value.code == "invalid_evidence"
    return caught.value.message


def component(**fields):
    return {"type": "library", "name": "web", **fields}


@pytest.mark.parametrize(
    ("document", "type_", "version"),
    [
        (BOM, "cyclonedx", "1.6"),
        ({"spdxVersion": "SPDX-2.3"}, "spdx", "2.3"),
        (
            {"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []},
            "spdx",
            "3.0.1",
        ),
        ({"version": "2.1.0", "runs": []}, "sarif", "2.1.0"),
        ({"@context": "https://openvex.dev/ns/v0.2.0", "statements": []}, "openvex", "0.2.0"),
        ({"document": {"csaf_version": "2.0"}}, "csaf", "2.0"),
        ({"_type": "https://in-toto.io/Statement/v1", "predicate": {}}, "in_toto", "v1"),
        ({"version": "2.1.0"}, "json", None),
        ([1, 2], "json", None),
    ],
)
def test_a_document_is_what_it_says_that_it_is(document, type_, version):
    found = recognise(encode(document))
    assert (found.type, found.version, found.document) == (type_, version, document)


def test_the_same_document_may_come_as_yaml():
    found = recognise(b"spdxVersion: SPDX-2.3\npackages:\n  - name: web\n    SPDXID: x\n")
    assert (found.type, found.version) == ("spdx", "2.3")
    assert found.locate("/packages/0/SPDXID") == Location(line=4, column=13)
    assert recognise(b"a: 1\n---\na: 2\n").document == [{"a": 1}, {"a": 2}]


def test_problems_say_what_where():
    content = encode({**BOM, "components": [component(), {"name": "db", "type": "nonsense"}]})
    [problem] = recognise(content).problems
    assert problem.message.startswith('"nonsense" is not one of')
    line = content.decode().splitlines()[problem.line - 1]
    assert line[problem.column - 1 :] == '"nonsense"'
    assert problem.path == "/components/1/type"


def test_a_version_that_is_not_known_is_told_and_checked_as_the_newest():
    found = recognise(encode({**BOM, "specVersion": "9.9"}))
    assert "9.9 is no version of cyclonedx" in found.problems[0].message


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"bomFormat": "CycloneDX", "specVersion": LONG}).encode(),
        f'<bom xmlns="http://cyclonedx.org/schema/bom/{LONG}"/>'.encode(),
        json.dumps(
            {
                "_type": f"https://in-toto.io/Statement/{LONG}",
                "subject": [{"name": LONG, "digest": {LONG: 1}}],
            }
        ).encode(),
        f'<testsuite tests="{LONG}"><testcase time="{LONG}"/></testsuite>'.encode(),
    ],
)
def test_what_is_kept_of_evidence_stays_small_whatever_stands_in_it(content):
    found = recognise(content)
    assert found.problems
    assert len(msgspec.json.encode([found.version, found.problems])) < 5_000


def test_no_more_than_a_hundred_problems_are_told():
    found = recognise(encode({**BOM, "components": [{"name": "a"}] * 500}))
    assert len(found.problems) == 100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1,\n  "b": }', "line 2, column 8: this is not JSON: Expecting value"),
        (b'{"a": 1,\n  "b": 2,\n  "a": 3}', "line 3, column 3: the key 'a' stands twice"),
        (b'{"a": [1, NaN]}', "line 1, column 11: NaN is not a number of JSON"),
        (b'{"a": 1e999}', "line 1, column 7: 1e999 is too large a number"),
        (b'{"a":\n "\\ud800"}', "line 2, column 3: half of a character"),
        (b'{"a\\\\":\n "\\u0000"}', "line 2, column 3: there is a null character in it"),
        (b'a: "\\0"', "line 1, column 4: there is a null character in it"),
        (b'a: "\\ud800"', "line 1, column 7: this is not YAML"),
        (b"a: [1\nb: 2", "line 2, column 2: this is not YAML"),
        (b"a: 1\na: 2", "line 2, column 1: the key 'a' stands twice"),
        (b"? [a]\n: 1", "line 1, column 3: a key is a text"),
        (b"a: b\x07", "line 1, column 5: this is not YAML: the character '\\x07'"),
        (b"only words", "line 1, column 1: this is no JSON, XML or YAML"),
        (b"", "line 1, column 1: there is nothing in it"),
        (b'{"a": "\xff"}', "line 1, column 8: this is not text in UTF-8"),
        (b"<bom>\n<components></bom>", "line 2, column 15: this is not XML: mismatched tag"),
        (b"<html/>", "line 1, column 1: XML that begins with <html> is neither"),
        (b"SPDXVersion: SPDX-2.3\nnothing\n", "line 2, column 1: a line of SPDX is `Tag: value`"),
        (b"[" * 100_000, "line 1, column 201: nested deeper than 200 levels"),
        (b'{"a":' * 201 + b"1" + b"}" * 201, "column 1001: nested deeper than 200 levels"),
        (b"<a>" * 201, "column 601: nested deeper than 200 levels"),
        (b"a: " + b"[" * 201 + b"]" * 201, "column 203: nested deeper than 200 levels"),
        (b"- " * 100_000, "column 401: nested deeper than 200 levels"),
    ],
)
def test_what_cannot_be_read_says_why_and_where(content, message):
    assert message in refusal(content)


def test_entities_are_never_expanded():
    bomb = b'<!DOCTYPE a [<!ENTITY b "cccc">]>\n<testsuites>&b;</testsuites>'
    assert "a document type (DOCTYPE) is not read" in refusal(bomb)


def test_aliases_cannot_grow_without_bound():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "values, with its aliases" in refusal("\n".join(lines).encode())
    assert "nested deeper" in refusal(b"a: &a [*a]")
    assert recognise(b"a: &a [1]\nb: *a").document == {"a": [1], "b": [1]}


def test_yaml_has_no_types_of_its_own():
    found = recognise(
        b"a: 2001-01-01\nb: 010\nc: .inf\nd: !!python/object:os.system x\ne: no\nf: ~"
    )
    assert found.document == {
        "a": "2001-01-01",
        "b": "010",
        "c": ".inf",
        "d": "x",
        "e": False,
        "f": None,
    }


def test_cyclonedx_as_xml_is_its_json_form():
    found = recognise(b"""<bom xmlns="http://cyclonedx.org/schema/bom/1.6" version="2">
 <components>
  <component type="library" bom-ref="w"><name>web</name><version>1.2</version>
   <hashes><hash alg="SHA-1">da39a3ee5e6b4b0d3255bfef95601890afd80709</hash></hashes>
   <licenses><license><id>MIT</id></license><license><name>Ours</name></license></licenses>
  </component>
  <component type="library"><name>db</name>
   <licenses><expression acknowledgement="declared">A OR B</expression></licenses>
  </component>
 </components>
 <dependencies><dependency ref="w"><dependency ref="x"/><provides ref="y"/>
 </dependency></dependencies>
</bom>""")
    assert found.problems == []
    sha = {"alg": "SHA-1", "content": "da39a3ee5e6b4b0d3255bfef95601890afd80709"}
    assert found.document == {
        **BOM,
        "version": 2,
        "components": [
            {
                **component(version="1.2"),
                "bom-ref": "w",
                "hashes": [sha],
                "licenses": [
                    {"license": {"id": "MIT"}},
                    {"license": {"name": "Ours"}},
                ],
            },
            {
                "type": "library",
                "name": "db",
                "licenses": [{"expression": "A OR B", "acknowledgement": "declared"}],
            },
        ],
        "dependencies": [{"ref": "w", "dependsOn": ["x"], "provides": ["y"]}],
    }
    assert found.locate("/components/0") == Location(line=3, column=3)


def test_what_has_no_place_in_cyclonedx_is_told():
    found = recognise(
        b'<bom xmlns="http://cyclonedx.org/schema/bom/1.6">\n<components>\n'
        b'<component type="thing"><name>a</name><colour/></component></components></bom>'
    )
    told = [(one.message.partition(" is not")[0], one.line) for one in found.problems]
    assert told == [("the element 'colour' has no place here", 3), ('"thing"', 3)]


def test_the_cases_of_junit_have_one_status_each():
    found = recognise(b"""<?xml version="1.0"?>
<testsuites name="all"><testsuite name="unit" tests="4" failures="1" errors="0" skipped="1">
 <testcase classname="shop" name="a" time="0.5"/>
 <testcase name="b"><failure message="1 == 2" type="E">trace</failure><error/></testcase>
 <testcase name="c"><skipped/></testcase>
 <testcase name="d"/>
</testsuite></testsuites>""")
    assert (found.type, found.problems) == ("junit", [])
    [suite] = found.document["testsuites"]
    assert [one["status"] for one in suite["testcases"]] == [
        "passed",
        "failed",
        "skipped",
        "passed",
    ]
    assert suite["testcases"][1]["message"] == "1 == 2"
    assert (suite["tests"], suite["failures"], suite["skipped"]) == (4, 1, 1)
    assert found.locate("/testsuites/0/testcases/1/status") == Location(line=4, column=2)


def test_a_suite_that_counts_otherwise_is_told_of():
    found = recognise(b'<testsuite name="a" tests="2" time="soon"><testcase name="b"/></testsuite>')
    told = [one.message for one in found.problems]
    assert told == ["its time is no number: 'soon'", "it says 2 tests, and has 1"]


def test_spdx_as_tags_is_its_json_form():
    found = recognise(b"""SPDXVersion: SPDX-2.3
DataLicense: CC0-1.0
SPDXID: SPDXRef-DOCUMENT
DocumentName: web
DocumentNamespace: https://example.test/web
Creator: Tool: tests
Created: 2026-01-01T00:00:00Z
# packages
PackageName: zlib
SPDXID: SPDXRef-1
PackageVersion: 1.3
PackageDownloadLocation: NONE
PackageLicenseDeclared: Zlib
PackageDescription: <text>Packs
and unpacks</text>
ExternalRef: PACKAGE-MANAGER purl pkg:generic/zlib@1.3
PackageChecksum: SHA1: da39a3ee5e6b4b0d3255bfef95601890afd80709
Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-1
""")
    assert (found.type, found.version, found.problems) == ("spdx", "2.3", [])
    [package] = found.document["packages"]
    assert package["description"] == "Packs\nand unpacks"
    [listed] = found.metadata()["components"]
    assert listed["purl"] == "pkg:generic/zlib@1.3"
    assert listed["is_subject"]
    assert found.locate("/packages/0/versionInfo") == Location(line=11, column=1)


def test_real_sboms_of_installed_wheels_are_recognised_without_a_problem():
    found = 0
    for distribution in importlib.metadata.distributions():
        for file in distribution.files or ():
            if ".dist-info/sboms/" in str(file) and file.suffix == ".json":
                seen = recognise(Path(distribution.locate_file(file)).read_bytes())
                assert (seen.type, list(seen.problems)) == ("cyclonedx", []), file
                assert all(one["name"] for one in seen.metadata()["components"])
                found += 1
    assert found >= 5


def test_what_ruff_writes_as_sarif_is_recognised(tmp_path):
    (tmp_path / "a.py").write_text("import os\n")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--output-format", "sarif"]
    wrote = subprocess.run([*command, tmp_path / "a.py"], capture_output=True, check=False)
    found = recognise(wrote.stdout)
    assert (found.type, list(found.problems)) == ("sarif", [])
    [finding] = found.metadata()["findings"]
    assert (finding["rule"], finding["level"], finding["line"]) == ("F401", "error", 1)


def test_payloads_are_opened_until_the_evidence_is_there():
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "web", "digest": {"sha256": "ab"}}],
        "predicateType": "https://cyclonedx.org/bom",
        "predicate": BOM,
    }
    payload = base64.b64encode(encode(statement)).decode()
    envelope = {
        "payload": payload,
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": "AAAA", "keyid": "k"}],
    }
    bundle = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "dsseEnvelope": envelope,
    }
    found = recognise(encode(bundle))
    assert (found.type, found.document) == ("cyclonedx", BOM)
    assert list(found.wrappers) == ["sigstore_bundle", "dsse", "in_toto"]
    assert [(one.name, one.digest) for one in found.subjects] == [("web", {"sha256": "ab"})]
    [signature] = found.signatures
    assert (signature.verified, signature.reason) == (False, "no keys are configured")
    assert found.locate("/bomFormat") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"payload": "???"}, "line 2, column 13: the payload of the envelope: this is not base64"),
        (
            {"payload": base64.b64encode(b"{").decode()},
            "line 2, column 13: the payload of the envelope: line 1, col",
        ),
        ({"signatures": [{}]}, "line 4, column 16: the signatures of the envelope: one of them"),
        ({"signatures": [{"sig": ""}] * 21}, "an envelope has at most 20 signatures"),
    ],
)
def test_an_envelope_that_cannot_be_opened_says_why(change, message):
    envelope = {"payload": "e30=", "payloadType": "application/json", "signatures": []} | change
    assert message in refusal(encode(envelope))
