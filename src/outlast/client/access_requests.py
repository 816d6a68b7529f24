"""The calls about tokens, tenants and the audit log. Pure."""

import msgspec

from outlast.client.answers import AuditRecord, ChatLogSetting, NewToken, Tenant, Token
from outlast.client.wire import (
    Call,
    Request,
    decoding,
    json_request,
    nothing,
    path,
    query,
    read_json,
)


def create_token(
    role: str, *, member: str | None = None, expires_seconds: float | None = None
) -> Call[NewToken]:
    """A new token of the tenant that the call is made in."""
    body = {"role": role, "member": member, "expires_seconds": expires_seconds}
    request = json_request("POST", path("tokens"), body, repeatable=False)
    return Call(request, decoding(NewToken))


def tokens() -> Call[list[Token]]:
    """The tenant's tokens."""
    request = Request(method="GET", path=path("tokens"))
    return Call(request, lambda answer: read_json(answer, _Tokens).tokens)


def rotate_token(token_id: str) -> Call[NewToken]:
    """The same token with a new text."""
    request = Request(method="POST", path=path("tokens", token_id, "rotate"), repeatable=False)
    return Call(request, decoding(NewToken))


def revoke_token(token_id: str) -> Call[None]:
    """Refuse a token from now on."""
    return Call(Request(method="DELETE", path=path("tokens", token_id)), nothing)


def create_tenant(name: str) -> Call[Tenant]:
    """A new tenant."""
    request = json_request("POST", path("tenants"), {"name": name}, repeatable=False)
    return Call(request, decoding(Tenant))


def tenants() -> Call[list[Tenant]]:
    """Every tenant."""
    request = Request(method="GET", path=path("tenants"))
    return Call(request, lambda answer: read_json(answer, _Tenants).tenants)


def chat_log() -> Call[ChatLogSetting]:
    """Whether the chats of the tenant that the call is made in are logged."""
    return Call(Request(method="GET", path=path("chat-log")), decoding(ChatLogSetting))


def set_chat_log(*, is_enabled: bool) -> Call[ChatLogSetting]:
    """Decide whether they are, from the next one on."""
    body = {"is_enabled": is_enabled}
    return Call(json_request("PUT", path("chat-log"), body), decoding(ChatLogSetting))


def audit_page(*, before: int | None, limit: int | None) -> Call[list[AuditRecord]]:
    """Audit records with a number smaller than `before`, newest first."""
    request = Request(method="GET", path=path("audit"), query=query(before=before, limit=limit))
    return Call(request, lambda answer: read_json(answer, _Records).records)


class _Tokens(msgspec.Struct):
    tokens: list[Token]


class _Tenants(msgspec.Struct):
    tenants: list[Tenant]


class _Records(msgspec.Struct):
    records: list[AuditRecord]
