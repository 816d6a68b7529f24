"""Credentials on the wire: of each type, the field that is a key to an endpoint."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from outlast.dialects.datarobot.instants import Instant
from outlast.operations.errors import Invalid, NotSupported

KEY_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "api_token": "apiToken",
        "basic": "password",
        "databricks_access_token_account": "databricksAccessToken",
    }
)
"""The types of credentials that can be kept, and which of the fields of each is the key."""


class CreateCredentialRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A credential to keep."""

    name: str
    credential_type: str
    description: str = ""
    user: str | None = None
    password: str | None = None
    api_token: str | None = None
    databricks_access_token: str | None = None

    @property
    def values(self) -> dict[str, str]:
        """What there is to keep. Raises Invalid, NotSupported."""
        field = KEY_FIELDS.get(self.credential_type)
        if field is None:
            known = ", ".join(KEY_FIELDS)
            raise NotSupported(f"credentials are of these types here: {known}")
        given = msgspec.to_builtins(self)
        if not given[field]:
            raise Invalid(f"{field} is missing", field_errors={field: "is missing"})
        return {name: given[name] for name in ("user", field) if given[name]}


class CredentialResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A credential, without what is in it."""

    credential_id: str
    name: str
    credential_type: str
    description: str
    creation_date: Instant


def key_of(values: Mapping[str, str]) -> str:
    """The key among what a credential holds."""
    return next(values[field] for field in KEY_FIELDS.values() if field in values)
