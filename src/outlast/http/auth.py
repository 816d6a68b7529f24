"""Who calls: bearer tokens, in the Authorization header alone."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from outlast.engine.access import Principal, Role
from outlast.engine.tokens import Tokens
from outlast.http.routing import Route
from outlast.operations.errors import Invalid, Unauthenticated

TENANT_HEADER: Final = "Outlast-Tenant"
BEARER: Final = frozenset({b"bearer"})

_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9-]{0,19}")


async def authenticate(
    tokens: Tokens,
    headers: Mapping[bytes, bytes],
    route: Route | None = None,
    schemes: frozenset[bytes] = BEARER,
    tenant_header: str | None = None,
) -> Principal:
    """Whose request this is. Raises Unauthenticated, and Forbidden if the role is too small.

    `schemes` are the words, in lower case, that may stand before the token. A root token must name
    the tenant, except on routes that cross tenants: with our own header, or with `tenant_header`.
    """
    scheme, space, text = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() not in schemes:
        # Without a space it may be a token, which no answer repeats.
        if space and _SCHEME.fullmatch(scheme):
            raise Unauthenticated(
                f"the scheme {scheme.decode()} is not supported: send Authorization: Bearer TOKEN"
            )
        raise Unauthenticated
    named = _tenant(headers, [one for one in (TENANT_HEADER, tenant_header) if one is not None])
    principal = await tokens.authenticate(text.strip().decode("latin-1"), named)
    if route is not None:
        if principal.role is Role.ROOT and named is None and not route.crosses:
            name = tenant_header or TENANT_HEADER
            raise Invalid(f"a root token names the tenant of each call: header {name}")
        if route.verb is not None:
            principal.require(route.verb)
    return principal


def _tenant(headers: Mapping[bytes, bytes], names: Sequence[str]) -> str | None:
    """The tenant that the call names, in whichever of the headers."""
    found: dict[str, str] = {}
    for name in names:
        value = headers.get(name.lower().encode())
        if value is not None:
            text = value.decode("latin-1")
            if not text.isascii() or not text.isprintable():
                raise Invalid(f"the header {name} holds a tenant's name or id")
            found[text] = name
    if len(found) > 1:
        raise Invalid(f"the headers {' and '.join(found.values())} name different tenants")
    return next(iter(found), None)
