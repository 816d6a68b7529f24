"""Which type and which version a document claims to be of."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from outlast.resources.evidence.model import EvidenceType
from outlast.resources.evidence.recognition.envelopes import is_statement, statement_version
from outlast.resources.evidence.recognition.found import VERSION_CHARS_MAX
from outlast.resources.evidence.recognition.values import mapping, text

_SPDX_3: Final = "https://spdx.org/rdf/"
_OPENVEX: Final = "https://openvex.dev/ns"


def classify(document: Any) -> tuple[EvidenceType | None, str | None]:
    """The type, None where it claims none, and the version."""
    if isinstance(document, dict):
        for type_, claim in _CLAIMS.items():
            version = claim(document)
            if version is not None:
                # It is kept and shown: a document may say anything here.
                return type_, version[:VERSION_CHARS_MAX] or None
    return None, None


def _statement(document: Mapping[str, Any]) -> str | None:
    return statement_version(document) if is_statement(document) else None


def _cyclonedx(document: Mapping[str, Any]) -> str | None:
    is_it = document.get("bomFormat") == "CycloneDX"
    return text(document.get("specVersion")) if is_it else None


def _spdx(document: Mapping[str, Any]) -> str | None:
    version = text(document.get("spdxVersion"))
    if version.startswith("SPDX-"):
        return version.removeprefix("SPDX-")
    told = (one.removeprefix(_SPDX_3) for one in _contexts(document) if one.startswith(_SPDX_3))
    return next((one.partition("/")[0] for one in told if one.startswith("3")), None)


def _openvex(document: Mapping[str, Any]) -> str | None:
    told = (one.removeprefix(_OPENVEX) for one in _contexts(document) if one.startswith(_OPENVEX))
    return next((one.strip("/").removeprefix("v") for one in told), None)


def _csaf(document: Mapping[str, Any]) -> str | None:
    head = mapping(document.get("document"))
    return text(head["csaf_version"]) if "csaf_version" in head else None


def _sarif(document: Mapping[str, Any]) -> str | None:
    is_it = "runs" in document and (
        "sarif" in text(document.get("$schema")) or "version" in document
    )
    return text(document.get("version")) if is_it else None


def _contexts(document: Mapping[str, Any]) -> Iterator[str]:
    context = document.get("@context")
    yield from (text(one) for one in (context if isinstance(context, list) else [context]))


_CLAIMS: Final[Mapping[EvidenceType, Callable[[Mapping[str, Any]], str | None]]] = {
    "in_toto": _statement,
    "cyclonedx": _cyclonedx,
    "spdx": _spdx,
    "openvex": _openvex,
    "csaf": _csaf,
    "sarif": _sarif,
}
