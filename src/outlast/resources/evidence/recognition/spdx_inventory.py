"""The packages of SPDX as components, those of version 2 and those of version 3."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from outlast.resources.evidence.recognition.licenses import is_told
from outlast.resources.evidence.recognition.values import lists_of, text

_NOTHING: Final = frozenset({"", "NONE", "NOASSERTION"})
_LICENSE_RELATIONS: Final = ("hasConcludedLicense", "hasDeclaredLicense")


def components(version: str, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The components of a document; the one that it describes `is_subject`."""
    if version.startswith("3"):
        return list(_elements(document))
    described = set(_described(document))
    return [
        _package(one, f"/packages/{index}", is_subject=text(one.get("SPDXID")) in described)
        for index, one in lists_of(document, "packages")
    ]


def _described(document: Mapping[str, Any]) -> Iterator[str]:
    listed = document.get("documentDescribes")
    yield from (text(one) for one in (listed if isinstance(listed, list) else []))
    for _, one in lists_of(document, "relationships"):
        kind = text(one.get("relationshipType"))
        if kind == "DESCRIBES" and text(one.get("spdxElementId")) == "SPDXRef-DOCUMENT":
            yield text(one.get("relatedSpdxElement"))
        if kind == "DESCRIBED_BY":
            yield text(one.get("spdxElementId"))


def _package(package: Mapping[str, Any], path: str, *, is_subject: bool) -> dict[str, Any]:
    told = [package.get("licenseConcluded"), package.get("licenseDeclared")]
    expressions = [text(one) for one in told if is_told(one)][:1]
    purls = [
        text(one.get("referenceLocator"))
        for _, one in lists_of(package, "externalRefs")
        if text(one.get("referenceType")) == "purl"
    ]
    return {
        "name": text(package.get("name")),
        "group": None,
        "version": _told(package.get("versionInfo")),
        "purl": next(iter(purls), None),
        "kind": (text(package.get("primaryPackagePurpose")).lower() or None),
        "supplier": _told(package.get("supplier")) or _told(package.get("originator")),
        "hashes": [text(one.get("algorithm")) for _, one in lists_of(package, "checksums")],
        "licenses": expressions,
        "is_subject": is_subject,
        "path": path,
    }


def _told(value: Any) -> str | None:
    found = text(value)
    return None if found in _NOTHING else found


def _elements(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    graph = list(lists_of(document, "@graph"))
    by_id = {_id(one): one for _, one in graph}
    relations = _relations([one for _, one in graph])
    roots = {
        root
        for _, one in graph
        if text(one.get("type")) in {"SpdxDocument", "software_Sbom"}
        for root in _texts(one.get("rootElement"))
    }
    for index, one in graph:
        if text(one.get("type")) == "software_Package":
            expressions = _licenses(_id(one), relations, by_id)
            yield {
                "name": text(one.get("name")),
                "group": None,
                "version": _told(one.get("software_packageVersion")),
                "purl": text(one.get("software_packageUrl")) or _external_purl(one),
                "kind": text(one.get("software_primaryPurpose")) or None,
                "supplier": _supplier(one, by_id),
                "hashes": [
                    text(hash_.get("algorithm")) for _, hash_ in lists_of(one, "verifiedUsing")
                ],
                "licenses": expressions,
                "is_subject": _id(one) in roots,
                "path": f"/@graph/{index}",
            }


def _id(element: Mapping[str, Any]) -> str:
    return text(element.get("spdxId")) or text(element.get("@id"))


def _texts(value: Any) -> list[str]:
    return [text(one) for one in (value if isinstance(value, list) else [value])]


def _external_purl(element: Mapping[str, Any]) -> str | None:
    for _, one in lists_of(element, "externalIdentifier"):
        if text(one.get("externalIdentifierType")) == "packageUrl":
            return text(one.get("identifier")) or None
    return None


def _supplier(element: Mapping[str, Any], by_id: Mapping[str, Mapping[str, Any]]) -> str | None:
    for ref in _texts(element.get("suppliedBy")):
        if ref:
            return text(by_id.get(ref, {}).get("name")) or ref
    return None


def _relations(graph: Sequence[Mapping[str, Any]]) -> Mapping[tuple[str, str], list[str]]:
    """What each element has by a relation that is about licenses."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in graph:
        relation = text(one.get("relationshipType"))
        if relation in _LICENSE_RELATIONS:
            found.setdefault((text(one.get("from")), relation), []).extend(_texts(one.get("to")))
    return found


def _licenses(
    id: str,
    relations: Mapping[tuple[str, str], list[str]],
    by_id: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    for relation in _LICENSE_RELATIONS:
        found = [
            text(by_id.get(to, {}).get("simplelicensing_licenseExpression"))
            for to in relations.get((id, relation), ())
        ]
        told = [expression for expression in found if is_told(expression)]
        if told:
            return told
    return []
