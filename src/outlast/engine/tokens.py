"""Tenants, members and tokens: documents of the catalog, in the tenant `system`.

A token reads `olt_<id>_<secret>`; only the SHA-256 of the secret is stored.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from outlast.engine.access import DEFAULT_TENANT, SYSTEM_TENANT, Principal, Role, Verb
from outlast.operations import documents, ids
from outlast.operations.errors import Forbidden, Invalid, NotFound, Unauthenticated
from outlast.operations.kind import CatalogWrite, Resource
from outlast.operations.model import SECOND
from outlast.store.port import AuditEntry, Store

_PREFIX: Final = "olt"
_SECRET_CHARS_MIN: Final = 32
_PAGE: Final = 500
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class TokenDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of a token. `digest` is the secret's SHA-256 in hex."""

    tenant: str
    member: str
    role: Role
    digest: str
    created_by: str
    expires_at: int | None = None


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token as lists show it: without anything secret."""

    id: str
    tenant: str
    member: str
    role: Role
    created_at: int
    created_by: str
    expires_at: int | None


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant: its id, which everything of it carries, and a readable name."""

    id: str
    name: str
    created_at: int


_decoder = msgspec.json.Decoder(TokenDocument)


class Tokens:
    """Makes tokens and tells whose one is."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def authenticate(self, text: str, tenant: str | None = None) -> Principal:
        """Whose token this is. Raises Unauthenticated.

        `tenant` (an id or a name) is what the call names; only root may name another than its own.
        """
        prefix, _, rest = text.partition("_")
        token_id, _, secret = rest.partition("_")
        resource = None
        if prefix == _PREFIX and ids.is_id(token_id):
            resource = await self._store.catalog.read(SYSTEM_TENANT, "token", token_id)
        if resource is None or resource.id != token_id:
            raise Unauthenticated
        token = _decoder.decode(resource.document)
        if not hmac.compare_digest(token.digest, _digest(secret)):
            raise Unauthenticated
        if not _stands(token, self._store.operations.now()):
            raise Unauthenticated("this token has expired")
        principal = Principal(
            tenant=token.tenant, member=token.member, role=token.role, token_id=token_id
        )
        return principal if tenant is None else await self._crossing(principal, tenant)

    async def create_tenant(
        self, principal: Principal, name: str, request_id: str | None = None
    ) -> Tenant:
        """A new tenant. Raises ResourceExists."""
        principal.require(Verb.CROSS)
        if not _NAME.fullmatch(name) or name == SYSTEM_TENANT:
            raise Invalid("a tenant's name has 1 to 63 lower-case letters, digits and dashes")
        # The first tenant is known by its name alone: it is there before anybody asks for it.
        tenant_id = name if name == DEFAULT_TENANT else self._fresh_id()
        [resource] = await self._store.catalog.write(
            SYSTEM_TENANT,
            [
                CatalogWrite(
                    type="tenant", id=tenant_id, name=name, document=b"{}", expected_revision=0
                )
            ],
            AuditEntry(
                actor=principal.member,
                action="tenant.create",
                target=name,
                request_id=request_id,
            ),
        )
        return Tenant(id=resource.id, name=resource.name, created_at=resource.created_at)

    async def tenants(self, principal: Principal) -> list[Tenant]:
        """Every tenant."""
        principal.require(Verb.CROSS)
        found = await self._store.catalog.find(SYSTEM_TENANT, "tenant", limit=1000)
        return [Tenant(id=one.id, name=one.name, created_at=one.created_at) for one in found]

    async def create(
        self,
        principal: Principal,
        role: Role,
        *,
        member: str | None = None,
        expires_seconds: float | None = None,
        request_id: str | None = None,
    ) -> tuple[Token, str]:
        """A new token of the principal's tenant, and its text: the only time it is shown."""
        principal.require(Verb.ADMINISTER)
        if role is Role.ROOT:
            principal.require(Verb.CROSS)
        member = principal.member if member is None else member
        if not _NAME.fullmatch(member):
            raise Invalid("a member's name has 1 to 63 lower-case letters, digits and dashes")
        if expires_seconds is not None and expires_seconds <= 0:
            raise Invalid("a token must expire in the future")
        now = self._store.operations.now()
        document = TokenDocument(
            tenant=principal.tenant,
            member=member,
            role=role,
            digest="",
            created_by=principal.member,
            expires_at=None if expires_seconds is None else now + int(expires_seconds * SECOND),
        )
        audit = _audit(principal, "token.create", request_id)
        return await self._write(self._fresh_id(), document, audit, 0)

    async def adopt(self, text: str, tenant: str, member: str, role: Role) -> None:
        """See that a token whose text somebody else chose is accepted, whatever was before."""
        prefix, _, rest = text.partition("_")
        token_id, _, secret = rest.partition("_")
        if prefix != _PREFIX or not ids.is_id(token_id) or len(secret) < _SECRET_CHARS_MIN:
            raise Invalid(
                f"a token reads {_PREFIX}_<id>_<secret>: an id of this server's form and"
                f" at least {_SECRET_CHARS_MIN} characters that nobody can guess"
            )
        document = TokenDocument(
            tenant=tenant, member=member, role=role, digest=_digest(secret), created_by=member
        )
        audit = AuditEntry(tenant=tenant, actor="system", action="token.adopt")
        await self._put(token_id, document, audit, None)

    async def rotate(
        self, principal: Principal, token_id: str, request_id: str | None = None
    ) -> tuple[Token, str]:
        """The same token with a new secret; the old one is refused from now on."""
        resource, document = await self._own(principal, token_id)
        audit = _audit(principal, "token.rotate", request_id)
        return await self._write(token_id, document, audit, resource.revision)

    async def revoke(
        self, principal: Principal, token_id: str, request_id: str | None = None
    ) -> None:
        """Refuse a token from now on. Raises NotFound."""
        await self._own(principal, token_id)
        await self._store.catalog.write(
            SYSTEM_TENANT,
            [CatalogWrite(type="token", id=token_id)],
            msgspec.structs.replace(_audit(principal, "token.revoke", request_id), target=token_id),
        )

    async def tokens(self, principal: Principal) -> list[Token]:
        """The tokens of the principal's tenant, newest first."""
        principal.require(Verb.ADMINISTER)
        found = await self._store.catalog.find(
            SYSTEM_TENANT, "token", fields={"tenant": principal.tenant}, limit=1000
        )
        return [_token(one, _decoder.decode(one.document)) for one in found]

    async def role_of(self, tenant: str, member: str, token_id: str) -> Role | None:
        """What a member may do in a tenant today, or None: the member has no token any more.

        The role of this token if it stands, also of one of root; else the highest that any of the
        member's tokens of the tenant has.
        """
        now = self._store.operations.now()
        found = await self._store.catalog.read(SYSTEM_TENANT, "token", token_id)
        if found is not None:
            token = _decoder.decode(found.document)
            reaches = token.tenant == tenant or token.role is Role.ROOT
            if reaches and token.member == member and _stands(token, now):
                return token.role
        roles = [
            token.role
            async for token in self._walk(tenant)
            if token.member == member and _stands(token, now)
        ]
        return max(roles, key=list(Role).index, default=None)

    async def _walk(self, tenant: str) -> AsyncIterator[TokenDocument]:
        before_id: str | None = None
        while True:
            found = await self._store.catalog.find(
                SYSTEM_TENANT, "token", fields={"tenant": tenant}, before_id=before_id, limit=_PAGE
            )
            for one in found:
                yield _decoder.decode(one.document)
            if len(found) < _PAGE:
                return
            before_id = found[-1].id

    async def _crossing(self, principal: Principal, tenant: str) -> Principal:
        found = await self._store.catalog.read(SYSTEM_TENANT, "tenant", tenant)
        if found is not None and found.id == principal.tenant:
            return principal
        if not principal.may(Verb.CROSS):
            raise Forbidden("this token belongs to another tenant")
        if found is None:
            raise NotFound("there is no such tenant")
        return msgspec.structs.replace(principal, tenant=found.id)

    async def _own(self, principal: Principal, token_id: str) -> tuple[Resource, TokenDocument]:
        principal.require(Verb.ADMINISTER)
        resource = await self._store.catalog.read(SYSTEM_TENANT, "token", token_id)
        if resource is not None:
            document = _decoder.decode(resource.document)
            if document.tenant == principal.tenant:
                if document.role is Role.ROOT:
                    # Whoever gives a token a new secret has its powers from then on.
                    principal.require(Verb.CROSS)
                return resource, document
        raise NotFound("there is no such token")

    async def _write(
        self, token_id: str, document: TokenDocument, audit: AuditEntry, revision: int
    ) -> tuple[Token, str]:
        secret = secrets.token_urlsafe(32)
        document = msgspec.structs.replace(document, digest=_digest(secret))
        resource = await self._put(token_id, document, audit, revision)
        return _token(resource, document), f"{_PREFIX}_{token_id}_{secret}"

    async def _put(
        self, token_id: str, document: TokenDocument, audit: AuditEntry, revision: int | None
    ) -> Resource:
        told = {"member": document.member, "role": document.role}
        [resource] = await self._store.catalog.write(
            SYSTEM_TENANT,
            [
                CatalogWrite(
                    type="token",
                    id=token_id,
                    name=token_id,
                    document=documents.encode(document),
                    fields={"tenant": document.tenant},
                    expected_revision=revision,
                )
            ],
            msgspec.structs.replace(audit, target=token_id, data=told),
        )
        return resource

    def _fresh_id(self) -> str:
        return ids.make_id(self._store.operations.now(), ids.random_bits())


def _audit(principal: Principal, action: str, request_id: str | None) -> AuditEntry:
    return AuditEntry(
        tenant=principal.tenant, actor=principal.member, action=action, request_id=request_id
    )


def _stands(token: TokenDocument, now: int) -> bool:
    return token.expires_at is None or token.expires_at > now


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(resource: Resource, document: TokenDocument) -> Token:
    return Token(
        id=resource.id,
        tenant=document.tenant,
        member=document.member,
        role=document.role,
        created_at=resource.created_at,
        created_by=document.created_by,
        expires_at=document.expires_at,
    )
