"""Tokens, tenants and the audit log: who may come in, and who did what."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec

from outlast.engine import Engine, Role
from outlast.engine.access import Verb
from outlast.engine.tokens import Tenant, Token, Tokens
from outlast.http.parsing import parse_integer, read_empty, read_json
from outlast.http.rendering import Instant, encode, instant, instant_or_none
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.store.port import AuditRecord

AUDIT_MAX: Final = 1000
EXPIRES_SECONDS_MAX: Final = 10 * 366 * 86_400
_NUMBER_MAX: Final = 2**53


class TokenBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to make; without a member, it is the caller's own."""

    role: Role
    member: str | None = None
    expires_seconds: Annotated[float, msgspec.Meta(gt=0, le=EXPIRES_SECONDS_MAX)] | None = None


class TenantBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tenant to create."""

    name: str


class TokenView(msgspec.Struct, frozen=True, kw_only=True):
    """A token, without anything secret."""

    id: str
    tenant: str
    member: str
    role: Role
    created_at: Instant
    created_by: str
    expires_at: Instant | None


class TokensView(msgspec.Struct, frozen=True, kw_only=True):
    """The tenant's tokens, newest first."""

    tokens: Sequence[TokenView]


class SecretView(msgspec.Struct, frozen=True, kw_only=True):
    """A token and its text, which is shown this one time."""

    token: TokenView
    secret: str


class TenantView(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant."""

    id: str
    name: str
    created_at: Instant


class TenantsView(msgspec.Struct, frozen=True, kw_only=True):
    """Every tenant."""

    tenants: Sequence[TenantView]


class AuditView(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to what."""

    number: int
    at: Instant
    actor: str
    action: str
    target: str
    request_id: str | None
    data: Mapping[str, Any]


class AuditsView(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the tenant's audit log, newest first."""

    records: Sequence[AuditView]


class TokenRoutes:
    """The routes of /v1/tokens, /v1/tenants and /v1/audit."""

    def __init__(self, engine: Engine, tokens: Tokens, body_seconds: float) -> None:
        self._engine = engine
        self._tokens = tokens
        self._body_seconds = body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._of_tokens(), *self._of_tenants()]

    def _of_tokens(self) -> list[Route]:
        body_errors = ("request_timeout", "too_large", "unsupported_media_type")
        return [
            Route(
                method="GET",
                path="/v1/tokens",
                handle=self._list,
                says="The tenant's tokens",
                verb=Verb.ADMINISTER,
                answers={200: TokensView},
            ),
            Route(
                method="POST",
                path="/v1/tokens",
                handle=self._create,
                says="Make a token; its text is in the answer and nowhere else",
                verb=Verb.ADMINISTER,
                body=TokenBody,
                answers={201: SecretView},
                errors=("store_full", *body_errors),
            ),
            Route(
                method="POST",
                path="/v1/tokens/{id}/rotate",
                handle=self._rotate,
                says="Give a token a new secret",
                verb=Verb.ADMINISTER,
                answers={200: SecretView},
                errors=("not_found", "revision_mismatch", "request_timeout", "too_large"),
            ),
            Route(
                method="DELETE",
                path="/v1/tokens/{id}",
                handle=self._revoke,
                says="Refuse a token from now on",
                verb=Verb.ADMINISTER,
                answers={204: None},
                errors=("not_found",),
            ),
        ]

    def _of_tenants(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/v1/tenants",
                handle=self._tenants,
                says="Every tenant (root)",
                verb=Verb.CROSS,
                crosses=True,
                answers={200: TenantsView},
            ),
            Route(
                method="POST",
                path="/v1/tenants",
                handle=self._create_tenant,
                says="Create a tenant (root)",
                verb=Verb.CROSS,
                crosses=True,
                body=TenantBody,
                answers={201: TenantView},
                errors=(
                    "resource_exists",
                    "store_full",
                    "request_timeout",
                    "too_large",
                    "unsupported_media_type",
                ),
            ),
            Route(
                method="GET",
                path="/v1/audit",
                handle=self._audit,
                says="The tenant's audit log, newest first",
                verb=Verb.ADMINISTER,
                query=(
                    Parameter(
                        name="before",
                        schema={"type": "integer", "minimum": 1},
                        says="Only records with a smaller number.",
                    ),
                    Parameter(
                        name="limit",
                        schema={
                            "type": "integer",
                            "minimum": 1,
                            "maximum": AUDIT_MAX,
                            "default": 100,
                        },
                        says="How many at most.",
                    ),
                ),
                answers={200: AuditsView},
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        found = await self._tokens.tokens(call.principal)
        return Answer(body=encode(TokensView(tokens=[_token(token) for token in found])))

    async def _create(self, call: Call) -> Answer:
        limit = self._engine.limits.body_bytes
        body = await read_json(call, TokenBody, limit, self._body_seconds)
        token, secret = await self._tokens.create(
            call.principal,
            body.role,
            member=body.member,
            expires_seconds=body.expires_seconds,
            request_id=call.request_id,
        )
        return Answer(status=201, body=encode(SecretView(token=_token(token), secret=secret)))

    async def _rotate(self, call: Call) -> Answer:
        await read_empty(call, self._engine.limits.body_bytes, self._body_seconds)
        token, secret = await self._tokens.rotate(
            call.principal, call.params["id"], call.request_id
        )
        return Answer(body=encode(SecretView(token=_token(token), secret=secret)))

    async def _revoke(self, call: Call) -> Answer:
        await self._tokens.revoke(call.principal, call.params["id"], call.request_id)
        return Answer(status=204)

    async def _tenants(self, call: Call) -> Answer:
        found = await self._tokens.tenants(call.principal)
        return Answer(body=encode(TenantsView(tenants=[_tenant(tenant) for tenant in found])))

    async def _create_tenant(self, call: Call) -> Answer:
        limit = self._engine.limits.body_bytes
        body = await read_json(call, TenantBody, limit, self._body_seconds)
        tenant = await self._tokens.create_tenant(call.principal, body.name, call.request_id)
        return Answer(status=201, body=encode(_tenant(tenant)))

    async def _audit(self, call: Call) -> Answer:
        before = call.one("before")
        limit = parse_integer(call, "limit", 100, 1, AUDIT_MAX)
        records = await self._engine.audit(
            call.principal,
            None if before is None else parse_integer(call, "before", 1, 1, _NUMBER_MAX),
            limit,
        )
        return Answer(body=encode(AuditsView(records=[_record(record) for record in records])))


def _token(token: Token) -> TokenView:
    return TokenView(
        id=token.id,
        tenant=token.tenant,
        member=token.member,
        role=token.role,
        created_at=instant(token.created_at),
        created_by=token.created_by,
        expires_at=instant_or_none(token.expires_at),
    )


def _tenant(tenant: Tenant) -> TenantView:
    return TenantView(id=tenant.id, name=tenant.name, created_at=instant(tenant.created_at))


def _record(record: AuditRecord) -> AuditView:
    entry = record.entry
    return AuditView(
        number=record.number,
        at=instant(record.at),
        actor=entry.actor,
        action=entry.action,
        target=entry.target,
        request_id=entry.request_id,
        data=entry.data,
    )
