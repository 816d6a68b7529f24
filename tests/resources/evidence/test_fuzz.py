"""Evidence that was damaged at random is recognised, or refused with its line."""

import base64
import json
import random

import msgspec
import pytest

from outlast.resources.evidence.recognition import BadEvidence, recognise

STATEMENT = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "a", "digest": {"sha256": "ab"}}],
    "predicateType": "https://cyclonedx.org/bom",
    "predicate": {"bomFormat": "CycloneDX", "specVersion": "1.6"},
}
DOCUMENTS = [
    {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"type": "application", "name": "app"}},
        "components": [
            {"type": "library", "name": "a", "licenses": [{"expression": "MIT OR Zlib"}]},
            {"type": "library", "name": "b", "hashes": [{"alg": "MD5", "content": "ab"}]},
        ],
        "vulnerabilities": [{"id": "A", "ratings": [{"severity": "low", "score": 1}]}],
    },
    {
        "spdxVersion": "SPDX-2.3",
        "documentDescribes": ["SPDXRef-1"],
        "packages": [{"SPDXID": "SPDXRef-1", "name": "a", "externalRefs": [{}]}],
        "relationships": [{"relationshipType": "DESCRIBES", "spdxElementId": "SPDXRef-DOCUMENT"}],
    },
    {
        "@context": "https://spdx.org/rdf/3.0.1/x",
        "@graph": [
            {"type": "software_Package", "spdxId": "a", "name": "x", "suppliedBy": ["b"]},
            {"type": "Relationship", "from": "a", "relationshipType": "hasConcludedLicense"},
        ],
    },
    {
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "x", "rules": [{"id": "A", "properties": {}}]}},
                "results": [{"ruleId": "A", "ruleIndex": 0, "locations": [{}], "message": {}}],
            }
        ],
    },
    {"@context": "https://openvex.dev/ns/v0.2.0", "statements": [{"vulnerability": {}}]},
    {
        "document": {"csaf_version": "2.0"},
        "vulnerabilities": [{"scores": [{"cvss_v3": {}}], "product_status": {"fixed": ["a"]}}],
    },
    STATEMENT,
    {
        "payload": base64.b64encode(json.dumps(STATEMENT).encode()).decode(),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": "AAAA", "keyid": "k"}],
    },
]
TEXTS = [
    (
        b'<bom xmlns="http://cyclonedx.org/schema/bom/1.6"><components><component type="library">'
        b"<name>a</name><licenses><license><id>MIT</id></license></licenses>"
        b'<hashes><hash alg="MD5">ab</hash></hashes></component></components></bom>'
    ),
    (
        b'<testsuites><testsuite name="a" tests="1"><testcase name="b" time="1">'
        b'<failure message="c"/></testcase></testsuite></testsuites>'
    ),
    (
        b"SPDXVersion: SPDX-2.3\nPackageName: a\nExternalRef: OTHER purl x\n"
        b"PackageComment: <text>a\nb</text>\nRelationship: a DESCRIBES b\n"
    ),
    b"spdxVersion: SPDX-2.3\npackages:\n  - name: &a zlib\n    x: *a\n    y: {a: 1, b: [1.5, ~]}\n",
]
ODD_VALUES = [None, 1, -1.5, True, "", [], {}, [None], [[1]], {"a": None}, ["a", 1], 10**30]
ODD_BYTES = [b"null", b"[]", b'""', b"1e400", b'"\\ud800"', b"\0", b"\xff", b"&x;", b"*a", b"? "]
ODD_BYTES += [b"<![CDATA[", b"</", b"!!binary ", b"---\n", b"\t", b"}", b"<text>"]


def with_an_odd_value(chance, document):
    document = json.loads(json.dumps(document))
    places = []

    def walk(node):
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(document)
    node, key = chance.choice(places)
    node[key] = chance.choice(ODD_VALUES)
    return json.dumps(document, indent=1).encode()


def with_odd_bytes(chance, text):
    at = chance.randrange(len(text))
    return text[:at] + chance.choice(ODD_BYTES) + text[at + chance.randrange(9) :]


@pytest.mark.parametrize("seed", range(4))
def test_damaged_evidence_breaks_nothing(seed):
    chance = random.Random(seed)
    whole = TEXTS + [json.dumps(document).encode() for document in DOCUMENTS]
    damaged = [with_an_odd_value(chance, chance.choice(DOCUMENTS)) for _ in range(75)]
    damaged += [with_odd_bytes(chance, chance.choice(whole)) for _ in range(75)]
    unplaced = []
    for content in damaged:
        try:
            found = recognise(content)
        except BadEvidence as error:
            unplaced += [] if "line" in error.details else [content]
            continue
        assert msgspec.json.encode([found.metadata(), found.document])
        found.locate_all([problem.path for problem in found.problems if problem.path])
    assert unplaced == []
