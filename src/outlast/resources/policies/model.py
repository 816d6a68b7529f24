"""What policies are to the catalog, and how they are found. Pure.

In the catalog stands `policy` under its name, and `policy_version` under NAME@3 for each version,
which nobody changes. Built-in policies come from this program: every tenant has them.
"""

import hashlib
import re
from typing import Final, NamedTuple

import msgspec

from outlast.operations import documents
from outlast.operations.errors import InvalidSpec, NotFound
from outlast.operations.kind import Catalog, CatalogWrite, Resource
from outlast.resources.configured import BUILTIN_POLICY
from outlast.resources.policies.format import Language, PolicyDocument, Severity

POLICY: Final = "policy"
POLICY_VERSION: Final = "policy_version"
VERSIONS_MAX: Final = 1000
_REF: Final = re.compile(r"([a-z0-9][a-z0-9._-]{0,62})(?:@([1-9]\d{0,8}))?")
_REF_CHARS_SHOWN: Final = 130


class PolicyHead(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of a policy: of its newest version, without its texts."""

    version: int
    language: Language
    description: str
    applies_to: tuple[str, ...]
    severity: Severity
    digest: str
    created_by: str
    updated_by: str


class PolicyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of a version."""

    document: PolicyDocument
    version: int
    digest: str
    created_by: str


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a policy as callers see it. `document` is not read for lists."""

    name: str
    version: int
    is_builtin: bool
    language: Language
    description: str
    applies_to: tuple[str, ...]
    severity: Severity
    digest: str
    created_at: int | None
    created_by: str | None
    document: PolicyDocument | None = None


class FoundPolicy(NamedTuple):
    """A version of a policy, to be evaluated."""

    document: PolicyDocument
    version: int
    digest: str


class Ref(NamedTuple):
    """NAME, of which the newest version is meant, or NAME@3."""

    name: str
    version: int | None

    def __str__(self) -> str:
        """As it is written."""
        return self.name if self.version is None else f"{self.name}@{self.version}"


def read_ref(text: str) -> Ref:
    """NAME or NAME@3. Raises InvalidSpec."""
    found = _REF.fullmatch(text)
    if found is None:
        shown = text[:_REF_CHARS_SHOWN]
        raise InvalidSpec(
            f"{shown!r} is not NAME or NAME@VERSION", field_errors={"policy": "is not a policy"}
        )
    return Ref(found[1], int(found[2]) if found[2] else None)


async def find_policy(catalog: Catalog, ref: Ref) -> FoundPolicy:
    """A version of a policy of the tenant, else of a built-in one. Raises NotFound."""
    head = await catalog.get(POLICY, ref.name)
    if head is not None:
        version = ref.version or head_of(head).version
        found = await catalog.get(POLICY_VERSION, str(Ref(ref.name, version)))
        if found is None:
            raise no_policy(ref)
        kept = version_of(found)
        return FoundPolicy(kept.document, kept.version, kept.digest)
    builtin = await catalog.get(BUILTIN_POLICY, ref.name)
    if builtin is None:
        raise no_policy(ref)
    policy = found_builtin(builtin)
    if ref.version not in {None, policy.version}:
        raise no_policy(ref)
    return policy


def found_builtin(resource: Resource) -> FoundPolicy:
    """A built-in policy from its resource."""
    document = msgspec.json.decode(resource.document, type=PolicyDocument)
    return FoundPolicy(document, document.version or 1, digest_of(document))


def as_builtin(found: FoundPolicy) -> Policy:
    """A built-in policy as callers see it."""
    document = found.document
    return Policy(
        name=document.name,
        version=found.version,
        is_builtin=True,
        language=document.language,
        description=document.description,
        applies_to=document.applies_to,
        severity=document.severity,
        digest=found.digest,
        created_at=None,
        created_by=None,
        document=document,
    )


def as_policy(resource: Resource) -> Policy:
    """A policy of a tenant as callers see it, from its own resource or from that of a version."""
    if resource.type == POLICY_VERSION:
        kept = version_of(resource)
        head, document = _head(kept, kept.created_by), kept.document
    else:
        head, document = head_of(resource), None
    return Policy(
        name=resource.name.partition("@")[0],
        version=head.version,
        is_builtin=False,
        language=head.language,
        description=head.description,
        applies_to=head.applies_to,
        severity=head.severity,
        digest=head.digest,
        created_at=resource.created_at,
        created_by=head.created_by,
        document=document,
    )


def digest_of(document: PolicyDocument) -> str:
    """The digest of what a policy says, whatever its version is called."""
    said = documents.canonical(msgspec.structs.replace(document, version=None))
    return f"sha256:{hashlib.sha256(said).hexdigest()}"


def head_of(resource: Resource) -> PolicyHead:
    """What a policy's resource says."""
    return msgspec.json.decode(resource.document, type=PolicyHead)


def version_of(resource: Resource) -> PolicyVersion:
    """What the resource of a version says."""
    return msgspec.json.decode(resource.document, type=PolicyVersion)


def write_policy(
    ids: tuple[str, str], kept: PolicyVersion, head: Resource | None
) -> list[CatalogWrite]:
    """The writes of a new version, and of its policy, which is at `head` if there is one."""
    name, created_by = kept.document.name, kept.created_by
    if head is not None:
        created_by = head_of(head).created_by
    return [
        CatalogWrite(
            type=POLICY,
            id=ids[0] if head is None else head.id,
            name=name,
            document=documents.encode(_head(kept, created_by)),
            fields={"language": kept.document.language},
            expected_revision=0 if head is None else head.revision,
        ),
        CatalogWrite(
            type=POLICY_VERSION,
            id=ids[1],
            name=str(Ref(name, kept.version)),
            document=documents.encode(kept),
            fields={"policy": name},
            expected_revision=0,
        ),
    ]


def _head(kept: PolicyVersion, created_by: str) -> PolicyHead:
    document = kept.document
    return PolicyHead(
        version=kept.version,
        language=document.language,
        description=document.description,
        applies_to=document.applies_to,
        severity=document.severity,
        digest=kept.digest,
        created_by=created_by,
        updated_by=kept.created_by,
    )


def no_policy(ref: object) -> NotFound:
    """There is no such policy."""
    return NotFound(f"there is no policy {str(ref)[:_REF_CHARS_SHOWN]!r}")


def without_tests(document: PolicyDocument) -> PolicyDocument:
    """What of a policy an evaluation needs."""
    return msgspec.structs.replace(document, tests=(), description="")
