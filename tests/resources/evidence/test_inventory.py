import json

import pytest

from outlast.resources.evidence import TYPES
from outlast.resources.evidence.recognition import recognise
from outlast.resources.evidence.recognition.inventory import take_inventory
from outlast.resources.evidence.recognition.licenses import Choosing, choices_of


def seen(document):
    return recognise(json.dumps(document).encode()).metadata()


@pytest.mark.parametrize(
    ("expression", "choices"),
    [
        ("MIT", [["MIT"]]),
        ("MIT OR Apache-2.0", [["MIT"], ["Apache-2.0"]]),
        ("MIT and (A or B)", [["MIT", "A"], ["MIT", "B"]]),
        ("GPL-2.0-only WITH Classpath-exception-2.0", None),
        ("Apache License, Version 2.0 (the good one", None),
        ("(" * 500, None),
        (" AND ".join(f"(A{n} OR B{n})" for n in range(20)), None),
    ],
)
def test_a_license_expression_is_a_list_of_choices(expression, choices):
    assert choices_of(expression) == (choices or [[expression]])


def test_several_licenses_hold_together():
    combine = Choosing().combine
    assert combine(["MIT OR BSD-3-Clause", "Zlib"]) == [["MIT", "Zlib"], ["BSD-3-Clause", "Zlib"]]
    assert combine([]) == []


def test_components_in_components_are_listed_and_the_subject_is_marked():
    inner = {"type": "library", "name": "inner"}
    listed = seen(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "metadata": {"component": {"type": "application", "name": "app"}},
            "components": [{"type": "library", "name": "outer", "components": [inner]}],
        }
    )["components"]
    assert [(one["name"], one["is_subject"], one["path"]) for one in listed] == [
        ("app", True, "/metadata/component"),
        ("outer", False, "/components/0"),
        ("inner", False, "/components/0/components/0"),
    ]


def test_the_packages_of_spdx_3_have_licenses_by_relationships():
    graph = [
        {"type": "SpdxDocument", "spdxId": "d", "rootElement": ["root"]},
        {"type": "software_Package", "spdxId": "root", "name": "app"},
        {
            "type": "software_Package",
            "spdxId": "zlib",
            "name": "zlib",
            "software_packageVersion": "1.3",
            "suppliedBy": "org",
            "externalIdentifier": [
                {"externalIdentifierType": "packageUrl", "identifier": "pkg:generic/zlib@1.3"}
            ],
        },
        {"type": "Organization", "spdxId": "org", "name": "Zlib's"},
        {
            "type": "Relationship",
            "spdxId": "r",
            "relationshipType": "hasConcludedLicense",
            "from": "zlib",
            "to": ["license"],
        },
        {
            "type": "simplelicensing_LicenseExpression",
            "spdxId": "license",
            "simplelicensing_licenseExpression": "Zlib",
        },
    ]
    context = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
    root, zlib = seen({"@context": context, "@graph": graph})["components"]
    assert root["is_subject"]
    assert zlib == {
        "name": "zlib",
        "group": None,
        "version": "1.3",
        "purl": "pkg:generic/zlib@1.3",
        "kind": None,
        "supplier": "Zlib's",
        "hashes": [],
        "licenses": ["Zlib"],
        "license_choices": [["Zlib"]],
        "is_subject": False,
        "path": "/@graph/2",
    }


def test_the_worst_rating_counts_and_a_score_where_there_is_no_word():
    told = seen(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "vulnerabilities": [
                {"id": "A", "ratings": [{"severity": "low"}, {"severity": "high"}]},
                {"id": "B", "ratings": [{"score": 9.1}, {"score": 2}]},
                {"id": "C"},
            ],
        }
    )["vulnerabilities"]
    assert [one["severity"] for one in told] == ["high", "critical", "unknown"]


def test_what_is_of_no_shape_at_all_breaks_nothing():
    odd = [None, 1, "x", [], [[]], {}, [{"licenses": 1}], [{"licenses": [1]}], {"a": [None]}]
    for value in odd:
        for name in ("components", "vulnerabilities", "metadata", "runs", "packages", "@graph"):
            for type_ in TYPES:
                for version in ("2.3", "3.0.1"):
                    assert isinstance(take_inventory(type_, version, {name: value}), dict)
