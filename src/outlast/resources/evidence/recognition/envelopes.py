"""Opens what evidence is sent in: DSSE envelopes, Sigstore bundles, in-toto statements."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from outlast.resources.evidence.recognition.found import (
    BadEvidence,
    Read,
    Signature,
    Subject,
    nowhere,
)
from outlast.resources.evidence.recognition.signatures import check_signatures, decode_base64

_BUNDLE: Final = "application/vnd.dev.sigstore.bundle"
_STATEMENT: Final = "https://in-toto.io/Statement/"
_PREDICATES: Final = (
    "https://cyclonedx.org/bom",
    "https://spdx.dev/Document",
    "https://openvex.dev/",
)
_SUBJECTS_MAX: Final = 1000

ReadText = Callable[[bytes], Read]


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What was inside. `read` tells of places only where it is the evidence itself."""

    read: Read
    wrappers: Sequence[str] = ()
    signatures: Sequence[Signature] = ()
    subjects: Sequence[Subject] = ()
    is_predicate: bool = False


class _Subject(msgspec.Struct):
    name: str = ""
    digest: dict[str, str] = {}


def open_envelopes(read: Read, read_text: ReadText, keys: Mapping[str, str]) -> Opened:
    """The document below all envelopes. Raises BadEvidence."""
    opened = _open_envelope(read, read_text, keys)
    document = opened.read.document
    if not is_statement(document):
        return opened
    opened = msgspec.structs.replace(opened, subjects=_subjects(document))
    predicate = _known_predicate(document, read_text)
    if predicate is None:
        return opened
    return msgspec.structs.replace(
        opened, read=predicate, wrappers=(*opened.wrappers, "in_toto"), is_predicate=True
    )


def is_statement(document: Any) -> bool:
    """Whether it is an in-toto statement."""
    kind = document.get("_type") if isinstance(document, dict) else None
    return isinstance(kind, str) and kind.startswith(_STATEMENT)


def statement_version(document: Mapping[str, Any]) -> str:
    """The version of a statement."""
    return str(document["_type"]).removeprefix(_STATEMENT)


def _open_envelope(read: Read, read_text: ReadText, keys: Mapping[str, str]) -> Opened:
    envelope, wrappers = read.document, ["dsse"]
    media = envelope.get("mediaType") if isinstance(envelope, dict) else None
    if isinstance(media, str) and media.startswith(_BUNDLE):
        envelope = envelope.get("dsseEnvelope")
        wrappers = ["sigstore_bundle", "dsse"]
        if envelope is None:
            raise BadEvidence("this Sigstore bundle signs no envelope: send what it is about")
    if not _is_envelope(envelope):
        return Opened(read=read)
    prefix = "" if envelope is read.document else "/dsseEnvelope"
    with _placed(read, f"{prefix}/payload", "the payload of the envelope"):
        payload = decode_base64(envelope["payload"])
    with _placed(read, f"{prefix}/signatures", "the signatures of the envelope"):
        signatures = check_signatures(
            payload, envelope["payloadType"], envelope["signatures"], keys
        )
    with _placed(read, f"{prefix}/payload", "the payload of the envelope"):
        inner = read_text(payload)
    return Opened(
        read=replace(inner, locate_all=nowhere),
        wrappers=tuple(wrappers),
        signatures=tuple(signatures),
    )


@contextlib.contextmanager
def _placed(read: Read, path: str, what: str) -> Iterator[None]:
    """What is wrong inside of a value is told of with the value's own place."""
    try:
        yield
    except BadEvidence as error:
        place = read.locate_all([path]).get(path)
        raise BadEvidence(f"{what}: {error.message}", place) from error


def _is_envelope(document: Any) -> bool:
    fields = ("payload", str), ("payloadType", str), ("signatures", list)
    return isinstance(document, dict) and all(
        isinstance(document.get(name), type_) for name, type_ in fields
    )


def _subjects(statement: Mapping[str, Any]) -> tuple[Subject, ...]:
    # What does not fit is told by the schema of statements.
    found = statement.get("subject")
    subjects = list[Subject]()
    for one in found[:_SUBJECTS_MAX] if isinstance(found, list) else []:
        try:
            subject = msgspec.convert(one, _Subject)
        except msgspec.ValidationError:
            continue
        subjects.append(Subject(name=subject.name, digest=subject.digest))
    return tuple(subjects)


def _known_predicate(statement: Mapping[str, Any], read_text: ReadText) -> Read | None:
    """What a statement says, where that is evidence of a type of its own."""
    kind, predicate = statement.get("predicateType"), statement.get("predicate")
    if not isinstance(kind, str) or not kind.startswith(_PREDICATES):
        return None
    if isinstance(predicate, dict) and set(predicate) >= {"Data"}:
        predicate = predicate["Data"]  # as older clients wrapped it
    if isinstance(predicate, str):
        return replace(read_text(predicate.encode()), locate_all=nowhere)
    return Read(document=predicate)
