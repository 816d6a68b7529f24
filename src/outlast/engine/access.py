"""Who may do what: the one table of roles and verbs."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from outlast.operations.errors import Forbidden

SYSTEM_TENANT: Final = "system"
"""Where tokens, members and tenants are kept. No token is bound to it."""

DEFAULT_TENANT: Final = "default"


class Role(StrEnum):
    """What a token may do in its tenant; `root` alone crosses tenants."""

    VIEWER = "viewer"
    SUBMITTER = "submitter"
    OPERATOR = "operator"
    ADMIN = "admin"
    ROOT = "root"


class Verb(StrEnum):
    """One thing that can be allowed."""

    READ = "read"
    """See operations, their events and logs, kinds and resources."""
    SUBMIT = "submit"
    """Create operations and resources, retry, cancel and delete one's own."""
    OPERATE = "operate"
    """Cancel, delete and retry what others of the tenant created."""
    READ_HISTORY = "read_history"
    """Read the chat log: what every member of the tenant asked of models, and was answered."""
    READ_SECRETS = "read_secrets"
    """See the passwords of databases."""
    ADMINISTER = "administer"
    """List, make, rotate and revoke tokens of the tenant; read its audit log;
    decide whether its chats are logged."""
    CROSS = "cross"
    """Name any tenant; create tenants."""


ALLOWED: Final[Mapping[Role, frozenset[Verb]]] = MappingProxyType(
    {
        Role.VIEWER: frozenset({Verb.READ}),
        Role.SUBMITTER: frozenset({Verb.READ, Verb.SUBMIT}),
        Role.OPERATOR: frozenset(
            {Verb.READ, Verb.SUBMIT, Verb.OPERATE, Verb.READ_HISTORY, Verb.READ_SECRETS}
        ),
        Role.ADMIN: frozenset(set(Verb) - {Verb.CROSS}),
        Role.ROOT: frozenset(Verb),
    }
)


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever makes a call: a member of a tenant, with the role of the token that was shown.

    `tenant` is the tenant's id; for root, the tenant that the call names.
    """

    tenant: str
    member: str
    role: Role
    token_id: str = ""

    def may(self, verb: Verb) -> bool:
        """Whether the role allows the verb."""
        return verb in ALLOWED[self.role]

    def require(self, verb: Verb) -> None:
        """Raise Forbidden unless the role allows the verb."""
        if not self.may(verb):
            raise Forbidden(f"the role {self.role} may not {verb}")

    def require_over(self, owner: str) -> None:
        """Raise Forbidden unless the principal may change what `owner` created."""
        self.require(Verb.SUBMIT)
        if owner != self.member:
            self.require(Verb.OPERATE)
