"""What policies ask of evidence, in one form for every format.

That is the components that an SBOM lists, the vulnerabilities that are told of, and the findings of
a scanner.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from outlast.resources.evidence.model import EvidenceType
from outlast.resources.evidence.recognition import spdx_inventory
from outlast.resources.evidence.recognition.licenses import Choosing, is_told
from outlast.resources.evidence.recognition.severities import (
    severity_of_score,
    worst,
)
from outlast.resources.evidence.recognition.values import lists_of, mapping, number, text, texts_of

_VEX_STATES: Final = {
    "affected": "exploitable",
    "not_affected": "not_affected",
    "fixed": "resolved",
    "under_investigation": "in_triage",
}
_CSAF_STATES: Final = {
    "known_affected": "exploitable",
    "first_affected": "exploitable",
    "last_affected": "exploitable",
    "under_investigation": "in_triage",
    "fixed": "resolved",
    "first_fixed": "resolved",
    "known_not_affected": "not_affected",
}
_NO_FAILURES: Final = frozenset({"pass", "open", "informational", "notApplicable", "review"})
"""Kinds of a scanner's results. Any other is a failure, so that none is missed."""


def take_inventory(type_: EvidenceType, version: str | None, document: Any) -> dict[str, Any]:
    """`components`, `vulnerabilities` and `findings`, as far as the type has them."""
    if not isinstance(document, dict):
        return {}
    take: Mapping[EvidenceType, Callable[[], dict[str, Any]]] = {
        "cyclonedx": lambda: {
            "components": list(_components(document)),
            "vulnerabilities": list(_vulnerabilities(document)),
        },
        "spdx": lambda: {"components": spdx_inventory.components(version or "", document)},
        "sarif": lambda: {"findings": list(_findings(document))},
        "openvex": lambda: {"vulnerabilities": list(_statements(document))},
        "csaf": lambda: {"vulnerabilities": list(_advisories(document))},
    }
    found = take[type_]() if type_ in take else {}
    choosing = Choosing()
    for component in found.get("components", ()):
        component["license_choices"] = choosing.combine(component["licenses"])
    return found


def _components(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    subject = mapping(mapping(document.get("metadata")).get("component"))
    if subject:
        yield from _component(subject, "/metadata/component", is_subject=True)
    for index, one in lists_of(document, "components"):
        yield from _component(one, f"/components/{index}")


def _component(
    component: Mapping[str, Any], path: str, *, is_subject: bool = False
) -> Iterator[dict[str, Any]]:
    expressions = list(_licenses(component))
    supplier = text(mapping(component.get("supplier")).get("name"))
    yield {
        "name": text(component.get("name")),
        "group": text(component.get("group")) or None,
        "version": text(component.get("version")) or None,
        "purl": text(component.get("purl")) or None,
        "kind": text(component.get("type")) or None,
        "supplier": supplier
        or text(component.get("publisher"))
        or text(component.get("author"))
        or None,
        "hashes": [text(one.get("alg")) for _, one in lists_of(component, "hashes")],
        "licenses": expressions,
        "is_subject": is_subject,
        "path": path,
    }
    for index, one in lists_of(component, "components"):
        yield from _component(one, f"{path}/components/{index}", is_subject=is_subject)


def _licenses(component: Mapping[str, Any]) -> Iterator[str]:
    for _, one in lists_of(component, "licenses"):
        license_ = mapping(one.get("license"))
        told = one.get("expression") or license_.get("id") or license_.get("name")
        if is_told(told):
            yield text(told)


def _vulnerabilities(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    names = {
        text(one.get("bom-ref")): text(one.get("name"))
        for _, one in lists_of(document, "components")
    }
    for index, one in lists_of(document, "vulnerabilities"):
        ratings = [rating for _, rating in lists_of(one, "ratings")]
        scores = [score for rating in ratings if (score := number(rating.get("score"))) is not None]
        told = [text(rating.get("severity")) for rating in ratings]
        refs = [text(target.get("ref")) for _, target in lists_of(one, "affects")]
        yield _vulnerability(
            text(one.get("id")),
            severity=worst(told) if any(told) else severity_of_score(max(scores, default=None)),
            score=max(scores, default=None),
            state=text(mapping(one.get("analysis")).get("state")),
            affects=[names.get(ref) or ref for ref in refs],
            path=f"/vulnerabilities/{index}",
        )


def _statements(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for index, one in lists_of(document, "statements"):
        known = one.get("vulnerability")
        products = one.get("products")
        affected = [
            text(product.get("@id")) if isinstance(product, dict) else text(product)
            for product in (products if isinstance(products, list) else [])
        ]
        yield _vulnerability(
            text(known.get("name")) if isinstance(known, dict) else text(known),
            state=_VEX_STATES.get(text(one.get("status")), ""),
            affects=affected,
            path=f"/statements/{index}",
        )


def _advisories(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for index, one in lists_of(document, "vulnerabilities"):
        ratings = [mapping(score.get("cvss_v3")) for _, score in lists_of(one, "scores")]
        told = [text(rating.get("baseSeverity")).lower() for rating in ratings]
        of_products = mapping(one.get("product_status"))
        # What some product is affected by is not settled by another that is not.
        stated = next((_CSAF_STATES[name] for name in _CSAF_STATES if of_products.get(name)), "")
        yield _vulnerability(
            text(one.get("cve")) or text(one.get("title")),
            severity=worst(told),
            state=stated,
            affects=texts_of(of_products, "known_affected"),
            path=f"/vulnerabilities/{index}",
        )


def _vulnerability(
    id: str,
    *,
    state: str,
    affects: list[str],
    path: str,
    severity: str = "unknown",
    score: float | None = None,
) -> dict[str, Any]:
    return {
        "id": id,
        "severity": severity,
        "score": score,
        "state": state or None,
        "affects": affects,
        "path": path,
    }


def _findings(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The results of all runs that say that something is wrong."""
    for run_index, run in lists_of(document, "runs"):
        rules = list(_rules(run))
        by_id = {text(rule.get("id")): rule for rule in rules}
        for index, one in lists_of(run, "results"):
            if text(one.get("kind")) in _NO_FAILURES:
                continue
            position = one.get("ruleIndex")
            in_list = isinstance(position, int) and 0 <= position < len(rules)
            id = text(one.get("ruleId"))
            rule = by_id.get(id) or (rules[position] if in_list and position is not None else {})
            yield {
                "rule": id or text(rule.get("id")) or None,
                "level": text(one.get("level")) or _default_level(rule),
                "severity": severity_of_score(_security(one, rule)),
                "message": text(mapping(one.get("message")).get("text")),
                "suppressed": any(
                    text(mark.get("status")) in {"", "accepted"}
                    for _, mark in lists_of(one, "suppressions")
                ),
                "baseline": text(one.get("baselineState")) or None,
                **_place(one),
                "path": f"/runs/{run_index}/results/{index}",
            }


def _rules(run: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    driver = mapping(mapping(run.get("tool")).get("driver"))
    yield from (rule for _, rule in lists_of(driver, "rules"))


def _default_level(rule: Mapping[str, Any]) -> str:
    return text(mapping(rule.get("defaultConfiguration")).get("level")) or "warning"


def _security(result: Mapping[str, Any], rule: Mapping[str, Any]) -> float | None:
    told = [mapping(one.get("properties")).get("security-severity") for one in (result, rule)]
    return next((score for one in told if (score := number(one)) is not None), None)


def _place(result: Mapping[str, Any]) -> dict[str, Any]:
    _, first = next(lists_of(result, "locations"), (0, {}))
    physical = mapping(first.get("physicalLocation"))
    line = number(mapping(physical.get("region")).get("startLine"))
    return {
        "file": text(mapping(physical.get("artifactLocation")).get("uri")) or None,
        "line": None if line is None else int(line),
    }
