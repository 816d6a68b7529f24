"""What evidence is to the catalog: its bytes under their digest, and what was seen in them. Pure.

In the catalog stands `evidence` under an id of ours, with the digest as its name: a tenant has the
same bytes once. Nobody changes it.
"""

import secrets
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from outlast.operations import documents, ids
from outlast.operations.errors import InvalidSpec, NotFound
from outlast.operations.kind import Catalog, CatalogWrite, Resource
from outlast.resources.configured import EVIDENCE_KEY, EvidenceKeyDocument

EVIDENCE: Final = "evidence"
PROBLEMS_KEPT: Final = 20
EvidenceType: TypeAlias = Literal[
    "cyclonedx", "spdx", "sarif", "junit", "in_toto", "openvex", "csaf", "json", "yaml"
]
TYPES: Final[tuple[EvidenceType, ...]] = get_args(EvidenceType)
_NAME_CHARS_MAX: Final = 255
_REF_CHARS_SHOWN: Final = 130
_KEYS_MAX: Final = 1000


class EvidenceProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What the format of the evidence does not allow. `path` is a JSON pointer."""

    message: str
    path: str | None = None
    line: int | None = None
    column: int | None = None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a locked child saw in evidence. `wrappers` are what it is in, outermost first."""

    type: EvidenceType
    version: str | None = None
    wrappers: tuple[str, ...] = ()
    problems: tuple[EvidenceProblem, ...] = ()
    problems_total: int = 0


class EvidenceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of evidence. `key` is where the object store has the bytes."""

    digest: str
    key: str
    bytes: int
    name: str | None
    created_by: str
    seen: Seen


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence as callers see it."""

    id: str
    digest: str
    name: str | None
    bytes: int
    seen: Seen
    created_at: int
    created_by: str


async def find_evidence(catalog: Catalog, ref: str) -> Resource:
    """The evidence with this id, in any of its forms, or this digest. Raises NotFound."""
    found = await catalog.get(EVIDENCE, ids.decode_any(ref) or ref)
    if found is None:
        raise no_evidence(ref)
    return found


async def find_keys(catalog: Catalog) -> dict[str, str]:
    """The PEM texts of the public keys that signatures are held to, by their names."""
    return {
        one.id: msgspec.json.decode(one.document, type=EvidenceKeyDocument).pem
        for one in await catalog.find(EVIDENCE_KEY, limit=_KEYS_MAX)
    }


def no_evidence(ref: str) -> NotFound:
    """There is no such evidence."""
    return NotFound(f"there is no evidence {ref[:_REF_CHARS_SHOWN]!r}")


def evidence_document(resource: Resource) -> EvidenceDocument:
    """What the resource of evidence says."""
    return msgspec.json.decode(resource.document, type=EvidenceDocument)


def as_evidence(resource: Resource) -> Evidence:
    """The resource of evidence as callers see it."""
    document = evidence_document(resource)
    return Evidence(
        id=resource.id,
        digest=document.digest,
        name=document.name,
        bytes=document.bytes,
        seen=document.seen,
        created_at=resource.created_at,
        created_by=document.created_by,
    )


def write_evidence(id: str, document: EvidenceDocument) -> CatalogWrite:
    """The write of new evidence: ResourceExists where the tenant has these bytes."""
    return CatalogWrite(
        type=EVIDENCE,
        id=id,
        name=document.digest,
        document=documents.encode(document),
        fields={"type": document.seen.type},
        expected_revision=0,
    )


def evidence_prefix(tenant: str) -> str:
    """Where the object store keeps the evidence of a tenant."""
    return f"tenant/{tenant}/evidence/"


def new_key(tenant: str, id: str) -> str:
    """Where the object store keeps the bytes of evidence that is made now."""
    return f"{evidence_prefix(tenant)}{id}-{secrets.token_hex(8)}"


def owner_of(key: str) -> str:
    """The id of the evidence that an object was stored for."""
    return key.rpartition("/")[2].partition("-")[0]


def check_name(name: str | None) -> None:
    """Raise InvalidSpec for what evidence may not be called."""
    if name is not None and not (1 <= len(name) <= _NAME_CHARS_MAX and name.isprintable()):
        raise InvalidSpec(
            f"the name of evidence has 1 to {_NAME_CHARS_MAX} printable characters",
            field_errors={"name": "is not a name"},
        )


def check_type(type_: str) -> None:
    """Raise InvalidSpec for what is no type of evidence."""
    if type_ not in TYPES:
        raise InvalidSpec(
            f"{type_[:_REF_CHARS_SHOWN]!r} is no type of evidence: they are {', '.join(TYPES)}",
            field_errors={"type": "is no type of evidence"},
        )
