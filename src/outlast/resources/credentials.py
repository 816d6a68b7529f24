"""Credentials: secrets of callers, kept sealed under a name, to be given to what needs them.

Who made one may use it, and operators may. What a secret is given to has a copy of its own.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from outlast.engine.access import Principal, Verb
from outlast.operations import documents, ids
from outlast.operations.errors import InvalidSpec, SecretMissing
from outlast.operations.kind import CatalogWrite
from outlast.resources.keyring import Keyring, Sealed
from outlast.resources.shelves import Kept, Label, Owned, Shelf
from outlast.store.port import AuditEntry, Store

NAME_CHARS_MAX: Final = 255
DESCRIPTION_CHARS_MAX: Final = 5000
SECRET_CHARS_MAX: Final = 16 * 1024


class CredentialDocument(Owned, frozen=True, kw_only=True):
    """What the catalog keeps of a credential. `kind` says what is in it."""

    name: str
    kind: str
    sealed: Sealed
    description: str = ""


CREDENTIALS: Final = Label(
    catalog_type="credential", word="credential", document=CredentialDocument, fields=lambda _: {}
)


class Credentials:
    """The credentials of all tenants; every call is scoped by its principal."""

    def __init__(self, store: Store, keyring: Keyring) -> None:
        self._catalog = store.catalog
        self._now = store.operations.now
        self._keyring = keyring
        self.shelf = Shelf(store.catalog, CREDENTIALS, self._now)

    async def create(
        self,
        principal: Principal,
        name: str,
        kind: str,
        values: Mapping[str, str],
        *,
        description: str = "",
        request_id: str | None = None,
    ) -> Kept[CredentialDocument]:
        """A new credential. Raises InvalidSpec."""
        principal.require(Verb.SUBMIT)
        _check(name, description, values)
        id = ids.make_id(self._now(), ids.random_bits())
        content = msgspec.json.encode(values)
        document = CredentialDocument(
            name=name,
            kind=kind,
            sealed=self._keyring.seal(content, _about(principal.tenant, id)),
            description=description,
            created_by=principal.member,
            updated_by=principal.member,
        )
        write = CatalogWrite(
            type=CREDENTIALS.catalog_type,
            id=id,
            document=documents.encode(document),
            expected_revision=0,
        )
        audit = AuditEntry(
            actor=principal.member, action="credential.create", target=id, request_id=request_id
        )
        [kept] = await self._catalog.write(principal.tenant, [write], audit)
        return CREDENTIALS.read(kept)

    async def open(
        self, principal: Principal, ref: str, *, request_id: str | None = None
    ) -> Mapping[str, str]:
        """What is in a credential, for who may use it. Raises NotFound, Forbidden, SecretMissing.

        That it was opened stands in the audit log.
        """
        found = await self.shelf.get(principal, ref)
        principal.require_over(found.document.created_by)
        try:
            content = self._keyring.open(found.document.sealed, _about(principal.tenant, found.id))
        except SecretMissing as error:
            raise SecretMissing(f"the credential cannot be opened: {error.message}") from error
        audit = AuditEntry(
            actor=principal.member, action="secret.read", target=found.id, request_id=request_id
        )
        await self._catalog.write(principal.tenant, [], audit)
        return msgspec.json.decode(content, type=dict[str, str])


def _check(name: str, description: str, values: Mapping[str, str]) -> None:
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable():
        raise _invalid("name", f"has 1 to {NAME_CHARS_MAX} printable characters")
    if len(description) > DESCRIPTION_CHARS_MAX:
        raise _invalid("description", f"has at most {DESCRIPTION_CHARS_MAX} characters")
    for field, value in values.items():
        if not 1 <= len(value) <= SECRET_CHARS_MAX:
            raise _invalid(field, f"has 1 to {SECRET_CHARS_MAX} characters")


def _invalid(field: str, reason: str) -> InvalidSpec:
    return InvalidSpec(f"a credential's {field} {reason}", field_errors={field: reason})


def _about(tenant: str, id: str) -> bytes:
    return f"{tenant}/credential/{id}".encode()
