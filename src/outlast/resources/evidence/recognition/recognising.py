"""Says what evidence is, opens what it is wrapped in, and holds it to its format.

Only a locked child may call it: the bytes are somebody else's.
"""

import codecs
from collections.abc import Mapping
from typing import Final

from outlast.resources.evidence.model import EvidenceType
from outlast.resources.evidence.recognition.classifying import classify
from outlast.resources.evidence.recognition.cyclonedx_xml import NAMESPACE, read_cyclonedx
from outlast.resources.evidence.recognition.envelopes import open_envelopes
from outlast.resources.evidence.recognition.found import (
    PROBLEMS_MAX,
    VERSION_CHARS_MAX,
    BadEvidence,
    Location,
    Problem,
    Read,
    Recognised,
)
from outlast.resources.evidence.recognition.inventory import take_inventory
from outlast.resources.evidence.recognition.json_text import has_null, location_of, read_json
from outlast.resources.evidence.recognition.junit import ROOTS, read_junit
from outlast.resources.evidence.recognition.schemas import cyclonedx_schema, find_problems
from outlast.resources.evidence.recognition.spdx_tags import FIRST_TAG, read_spdx_tags
from outlast.resources.evidence.recognition.xml_text import Element, read_xml
from outlast.resources.evidence.recognition.yaml_text import read_yaml

# A child that is locked imports nothing any more: what it decodes with must be there.
_CODECS: Final = tuple(
    codecs.lookup(name)
    for name in ("utf-8-sig", "utf-16", "iso-8859-1", "iso-8859-15", "windows-1252")
)
_START: Final = Location(line=1, column=1)


def recognise(
    content: bytes, *, name: str | None = None, keys: Mapping[str, str] | None = None
) -> Recognised:
    """What evidence is. `name` is a file's, `keys` are PEM texts of public keys by their names.

    Raises BadEvidence for what cannot be read. What can be read and is not as its format wants it
    is among the problems.
    """
    if _is_xml(content):
        return _recognise_xml(read_xml(content))
    opened = open_envelopes(_read_text(content, name), _read_text, keys or {})
    read = opened.read
    type_, version = classify(read.document)
    if type_ is None:
        type_ = "yaml" if read.is_yaml else "json"
    return Recognised(
        type=type_,
        version=version,
        document=read.document,
        problems=find_problems(type_, version, read.document, read.locate_all),
        signatures=opened.signatures,
        wrappers=opened.wrappers,
        subjects=opened.subjects,
        inventory=take_inventory(type_, version, read.document),
        locate_all=read.locate_all,
    )


def _is_xml(content: bytes) -> bool:
    return content.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith((b"<", b"\0<"))


def _recognise_xml(root: Element) -> Recognised:
    if root.name == "bom" and root.namespace.startswith(NAMESPACE):
        version = root.namespace.removeprefix(NAMESPACE)[:VERSION_CHARS_MAX]
        read, problems = read_cyclonedx(root, cyclonedx_schema(version))
        problems += find_problems("cyclonedx", version, read.document, read.locate_all)
        return _of_xml("cyclonedx", version, read, problems)
    if root.name in ROOTS:
        return _of_xml("junit", None, *read_junit(root))
    message = f"XML that begins with <{root.name[:100]}> is neither CycloneDX nor JUnit"
    raise BadEvidence(message, root.location)


def _of_xml(
    type_: EvidenceType, version: str | None, read: Read, problems: list[Problem]
) -> Recognised:
    return Recognised(
        type=type_,
        version=version,
        document=read.document,
        problems=problems[:PROBLEMS_MAX],
        inventory=take_inventory(type_, version, read.document),
        locate_all=read.locate_all,
    )


def _read_text(content: bytes, name: str | None = None) -> Read:
    text = _decode(content)
    begins = text.lstrip()[:1]
    if not begins:
        raise BadEvidence("there is nothing in it", _START)
    if FIRST_TAG.match(text):
        return read_spdx_tags(text)
    # JSON is YAML too, but what is wrong with it is told better as JSON.
    if begins in {"{", "["} and not (name or "").endswith((".yaml", ".yml")):
        return read_json(text)
    read = read_yaml(text)
    if not isinstance(read.document, dict | list):
        message = "this is no JSON, XML or YAML, or no more than a single text"
        raise BadEvidence(message, _START)
    return read


def _decode(content: bytes) -> str:
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, errors="replace")
        where = location_of(before, len(before))
        shown = encoding.removesuffix("-sig").upper()
        raise BadEvidence(f"this is not text in {shown}", where) from error
    if (at := text.find("\0")) >= 0:
        raise has_null(location_of(text, at))
    return text
